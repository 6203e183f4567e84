"""A sink from outside the package: it counts pictures and writes the number into a file."""

import threading
import time
from dataclasses import dataclass

import numpy as np
import pytest

from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.handoff import Fan, Mailboxes
from avatar_app.contracts.notices import Level, NoticeBoard
from avatar_app.contracts.packets import Picture
from avatar_app.contracts.sink import Sink
from avatar_app.live.runtime.worker import Worker
from avatar_app.live.sinks import Sinks
from avatar_app.parts import sink_list
from avatar_app.settings.schema import Settings


@dataclass(frozen=True)
class CountStatus:
    n_pictures: int
    fps: int


class CountSink(Sink[Settings]):
    """Switched on while the settings show the figures."""

    name = "count"
    title = "The counter"
    fields = ("is_hud_visible", "fps", "record_folder")

    def __init__(self, context, file):
        self._context, self._file = context, file
        self._worker, self._status = None, None
        self.events = []

    def is_on(self, settings):
        return settings.is_hud_visible

    def start(self, settings, pictures, voice):
        if self._file.name == "faulty":
            raise ZeroDivisionError
        if not self._file.parent.is_dir():
            raise OutputError("The number has no folder.", "Make the folder.")
        self._pictures, self._mailbox = pictures, pictures.add()
        self._status = CountStatus(0, settings.fps)
        self._worker = Worker("count", self._step, self._context.clock, self._context.notices)
        self._worker.start()
        self.events.append("started")

    def close(self):
        self.events.append("close")

    def stop(self):
        self.events.append("stop")
        worker, self._worker, self._status = self._worker, None, None
        if worker is not None:
            worker.stop()
            self._pictures.remove(self._mailbox)

    def status(self):
        return self._status

    def _step(self, stop):
        if self._mailbox.take(0.02) is not None:
            self._status = CountStatus(self._status.n_pictures + 1, self._status.fps)
            self._file.write_text(str(self._status.n_pictures))


class Source:
    """A picture whenever the test wants one."""

    def __init__(self):
        self.pictures, self.voice = Mailboxes(), Fan()

    def latency_ms(self):
        return 100.0, 10.0

    def mic_source(self):
        return ""


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def notices():
    return NoticeBoard()


@pytest.fixture
def make(source, notices, tmp_path):
    made = []

    def make(file=None, makers=(), **changes):
        settings = Settings(record_folder=str(tmp_path / "videos")).replace(**changes)
        makers = (*makers, lambda context: CountSink(context, file or tmp_path / "number"))
        made.append(Sinks(makers, source, settings, MonotonicClock(), notices))
        return made[-1], settings

    yield make
    for sinks in made:
        sinks.close()
    assert len(source.pictures) == 0
    assert not [thread for thread in threading.enumerate() if thread.name == "count"]


def wait_for(condition, timeout_s=30):
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def count(sinks):
    return sinks.status().by_name["count"]


def show(source, n_pictures, file):
    for k in range(n_pictures):
        source.pictures.put(Picture(0, 0, k, np.zeros((2, 2, 4), np.uint8)))
        wait_for(lambda k=k: file.exists() and file.read_text() == str(k + 1))


def test_sink_when_started_and_stopped_then_gets_pictures_in_between_and_its_status_is_visible(make, source, tmp_path):
    sinks, _ = make()
    assert count(sinks) is None
    sinks.start()
    wait_for(lambda: count(sinks) == CountStatus(0, 25))
    show(source, 3, tmp_path / "number")
    assert count(sinks) == CountStatus(3, 25)
    sinks.stop()
    assert count(sinks) is None and len(source.pictures) == 0
    source.pictures.put(Picture(0, 0, 9, np.zeros((2, 2, 4), np.uint8)))
    assert (tmp_path / "number").read_text() == "3"


def test_sink_when_its_settings_change_then_is_switched_and_restarted_by_them(make, source):
    sinks, settings = make(is_hud_visible=False)
    sinks.start()
    assert count(sinks) is None
    for is_on, fps in [(True, 25), (True, 50), (False, 50), (True, 30)]:
        settings = settings.replace(is_hud_visible=is_on, fps=fps)
        sinks.apply(settings)
        wait_for(lambda is_on=is_on, fps=fps: count(sinks) == (CountStatus(0, fps) if is_on else None))
    assert len(source.pictures) == 1
    events = tuple(sinks.find(CountSink).events)
    sinks.apply(settings.replace(theme="dark"))
    for slot in sinks._slots:
        slot.wait_until_idle()
    assert tuple(sinks.find(CountSink).events) == events, "a setting that it does not read must not restart it"


def test_sink_when_it_cannot_start_then_a_notice_and_the_next_change_tries_again(make, notices, tmp_path):
    sinks, settings = make(file=tmp_path / "missing" / "number")
    sinks.start()
    wait_for(lambda: notices.current())
    (notice,) = notices.current()
    assert (notice.key, notice.level, notice.what_to_do) == ("count", Level.ERROR, "Make the folder.")
    assert count(sinks) is None
    (tmp_path / "missing").mkdir()
    sinks.apply(settings.replace(fps=30))
    wait_for(lambda: count(sinks) == CountStatus(0, 30))
    assert notices.current() == ()


def test_sink_when_it_stands_beside_those_of_the_program_then_each_has_its_status(make):
    sinks, _ = make(makers=sink_list("a-token-of-enough-letters", {}, dict))
    sinks.start()
    wait_for(lambda: count(sinks) is not None)
    assert list(sinks.status().by_name) == ["browser", "camera", "voice", "record", "count"]
    assert sinks.status().camera is None and not sinks.is_recording


def test_sink_when_another_one_fails_then_it_continues(make, notices):
    sinks, _ = make(makers=sink_list("a-token-of-enough-letters", {}, dict), voice_output="No such output, ALSA")
    sinks.start()
    wait_for(lambda: [notice.key for notice in notices.current()] == ["voice"])
    wait_for(lambda: count(sinks) is not None)


def test_sink_when_it_has_a_fault_then_the_notice_names_it(make, notices, tmp_path):
    sinks, _ = make(file=tmp_path / "faulty")
    sinks.start()
    wait_for(lambda: notices.current())
    (notice,) = notices.current()
    assert notice.text.startswith("The counter failed because of a fault in this program.")


def test_close_when_a_sink_is_still_starting_then_it_is_stopped_and_closed_after_its_start(make, tmp_path, monkeypatch):
    begun, go_on, is_dir = threading.Event(), threading.Event(), type(tmp_path).is_dir

    def slow_is_dir(path):
        begun.set()
        assert go_on.wait(30)
        return is_dir(path)

    sinks, _ = make()
    sinks.start()
    wait_for(lambda: count(sinks) is not None)
    sinks.stop()
    monkeypatch.setattr(type(tmp_path), "is_dir", slow_is_dir)
    sinks.start()
    assert begun.wait(30)
    threading.Timer(0.2, go_on.set).start()
    sinks.close()
    assert sinks.find(CountSink).events == ["started", "stop", "started", "stop", "close"]
