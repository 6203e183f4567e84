"""The whole way in the program: from the list of avatars to the chosen avatar, with a video as camera and its sound."""

import json

import av
import numpy as np
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from avatar_app import app
from avatar_app.contracts.enrol_progress import EnrolFinished, EnrolProgress, format_message
from avatar_app.gui.enrol import record_page, teleprompter
from avatar_app.gui.enrol.teleprompter import Phase
from avatar_app.gui.enrol.wizard import LOOK, MAKE
from avatar_app.gui.panel.picture_sections import MAKE as MAKE_ENTRY
from avatar_app.gui.window import Window
from avatar_app.live.enrol import session
from avatar_app.parts import Parts
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings
from tests.fakes.enrol import FakeCommand
from tests.fakes.media import write_sound
from tests.fakes.pipeline import FakePipeline
from tests.fakes.sinks import FakeSinks
from tests.fakes.webcam import portrait, write_video
from tests.gui.conftest import press

POLL_MS, LIMIT_S = 30, 60.0
SENTENCES = ("Please read this.", "And this one too.")


class Script:
    """Does one thing after another in the running program: a generator yields what it waits for."""

    def __init__(self, steps):
        self._steps, self._wanted, self.error = steps, lambda: True, None
        self._timer = QTimer(QApplication.instance())
        self._timer.timeout.connect(self._go)
        self._timer.start(POLL_MS)

    def _go(self):
        try:
            if self._wanted():
                self._wanted = next(self._steps)
        except StopIteration:
            self._end()
        except AssertionError as error:
            self.error = error
            self._end()

    def _end(self):
        self._timer.stop()
        window().close()

    def stop(self):
        self._timer.stop()


def window():
    """The program's window; closed ones of other tests may still exist."""
    return next(one for one in QApplication.topLevelWidgets() if isinstance(one, Window) and one.isVisible())


def choose(group, value):
    group.avatar.setCurrentIndex(group.avatar.findData(value))
    group.avatar.activated.emit(group.avatar.currentIndex())


def the_way(paths, command):
    """Name, recording, making, keeping."""
    group = window().panel.avatar
    choose(group, MAKE_ENTRY.value)
    wizard = next(one for one in window().children() if hasattr(one, "wizard")).wizard
    wizard.who.name.setText("Ada")
    wizard.who.consent.setChecked(True)
    press(wizard.next)
    pane = wizard.record.camera
    yield pane.go.isEnabled
    press(pane.go)
    while not pane.is_complete:
        yield lambda: pane.next.isEnabled() or pane.prompter.phase is Phase.PAUSED or pane.is_complete
        if pane.prompter.phase is Phase.PAUSED:
            # The tone of the test is no quiet room; the user keeps it.
            press(pane.go)
        elif pane.next.isEnabled():
            press(pane.next)
    press(wizard.next)
    assert wizard.index == MAKE
    press(wizard.next)
    yield lambda: wizard.index == LOOK
    assert group.avatar.itemText(group.avatar.findData("continue:ada")) == "Continue making Ada …"
    # The command got real videos, with pictures and sound.
    arguments = command.calls[0]
    for file in arguments[arguments.index("--video") + 1 :]:
        with av.open(file) as video:
            n_pictures = sum(1 for _ in video.decode(video=0))
        with av.open(file) as video:
            n_samples = sum(frame.samples for frame in video.decode(audio=0))
        assert n_pictures >= 5 and n_samples >= 48_000 * 0.3
    press(wizard.next)
    yield lambda: group.avatar.value() == "ada"
    assert group.avatar.findData("continue:ada") < 0
    assert not (paths.enrolments_dir / "ada").exists()


def test_program_when_a_user_records_themselves_then_their_avatar_is_chosen(qtbot, tmp_path, monkeypatch):
    monkeypatch.setattr(teleprompter, "STILL_S", 0.5)
    monkeypatch.setattr(teleprompter, "FIRST_COUNTDOWN_S", 0.1)
    monkeypatch.setattr(teleprompter, "COUNTDOWN_S", 0.1)
    monkeypatch.setattr(teleprompter, "MIN_SENTENCE_S", 0.5)
    # The checks of pictures have tests of their own.
    monkeypatch.setattr(session, "is_installed", lambda: False)
    for module in (teleprompter, record_page):
        monkeypatch.setattr(module, "sentences_of", lambda language: SENTENCES)
    video = write_video(tmp_path / "camera.mp4", [portrait(k, 240) for k in range(10)])
    sound = write_sound(tmp_path / "voice.flac", 0.3 * np.sin(np.arange(48_000 * 30) / 20))
    paths, command = ProfilePaths(tmp_path / "profile"), FakeCommand(tmp_path / "command")
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"sentences": ["The lips follow the voice well."]}), encoding="utf-8")
    made = EnrolFinished("ada", "ada", str(report), str(video))
    command.set_lines(format_message(EnrolProgress("track", "Finding the face", 0.1)), format_message(made))
    settings = Settings(webcam=f"file:{video}", mic=f"file:{sound}")
    pipeline = FakePipeline(settings)
    parts = Parts(
        make_pipeline=lambda *_: pipeline,
        make_sinks=lambda *_: FakeSinks(),
        list_mics=tuple,
        refresh_mics=None,
        list_outputs=tuple,
        list_cameras=tuple,
        require_tracker=lambda: None,
        tracker_installer=lambda: None,
        missing_to_enrol=lambda: "",
        enrol_command=command.command,
    )
    script = Script(the_way(paths, command))
    app.run(settings, paths, options=app.StartOptions(duration_s=LIMIT_S), parts=parts)
    script.stop()
    assert script.error is None, script.error
    # The live avatar gave up camera and microphone for the recording.
    assert pipeline.calls.count("start") == 2
    assert pipeline.settings.avatar == "ada"
