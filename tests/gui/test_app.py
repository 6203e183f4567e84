"""The whole program from parts that a test gives it."""

import logging
import threading

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from avatar_app import app
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.gui.window import Window
from avatar_app.logs import install_excepthooks
from avatar_app.parts import Parts
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings
from tests.fakes.pipeline import FakePipeline
from tests.fakes.sinks import FakeSinks


@pytest.fixture
def fakes(qtbot):
    return FakePipeline(Settings()), FakeSinks()


@pytest.fixture
def parts(fakes):
    pipeline, sinks = fakes
    return Parts(
        make_pipeline=lambda *_: pipeline,
        make_sinks=lambda *_: sinks,
        list_mics=tuple,
        refresh_mics=None,
        list_outputs=tuple,
        list_cameras=tuple,
        require_tracker=lambda: None,
        tracker_installer=lambda: None,
    )


def test_run_when_its_time_is_up_then_all_parts_were_started_and_are_closed_in_order(fakes, parts, tmp_path):
    pipeline, sinks = fakes
    picture = tmp_path / "window.png"
    options = app.StartOptions(duration_s=0.5, screenshot=picture)
    assert app.run(Settings(), ProfilePaths(tmp_path), options=options, parts=parts) == app.EXIT_OK
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert pipeline.calls[0] == "start" and sinks.calls[0] == "start"
    assert pipeline.calls.index("close_devices") < pipeline.calls.index("stop") and sinks.calls[-1] == "close"


def test_run_when_a_thread_fails_then_a_notice_and_the_hooks_are_put_back(parts, tmp_path, caplog):
    hooks, board = threading.excepthook, NoticeBoard()

    def fail():
        thread = threading.Thread(target=lambda: 1 / 0, name="unlucky")
        thread.start()
        thread.join()

    QTimer.singleShot(100, QApplication.instance(), fail)
    app.run(Settings(), ProfilePaths(tmp_path), notices=board, options=app.StartOptions(duration_s=0.5), parts=parts)
    assert [notice.key for notice in board.current()] == ["unexpected"]
    assert "unexpected error in unlucky" in caplog.text
    assert threading.excepthook is hooks


def test_hooks_when_an_exception_is_not_caught_then_logged_and_reported_once(caplog):
    n_reports = []
    restore = install_excepthooks(lambda: n_reports.append(1))
    try:
        thread = threading.Thread(target=lambda: 1 / 0, name="unlucky")
        thread.start()
        thread.join()
    finally:
        restore()
    (record,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert record.getMessage() == "unexpected error in unlucky" and record.exc_info[0] is ZeroDivisionError
    assert n_reports == [1]


def test_window_when_the_program_ends_then_is_gone(parts, tmp_path):
    app.run(Settings(), ProfilePaths(tmp_path), options=app.StartOptions(duration_s=0.2), parts=parts)
    assert not [one for one in QApplication.topLevelWidgets() if isinstance(one, Window) and one.isVisible()]
