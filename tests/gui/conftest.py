import functools
import os
import threading
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from avatar_app.contracts.clock import ManualClock
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.gui.control.settings_keeper import SettingsKeeper
from avatar_app.gui.panel import webcam_section
from avatar_app.gui.panel.avatar_menu import AvatarMenu
from avatar_app.gui.panel.browser_section import BrowserSection
from avatar_app.gui.panel.camera_section import CameraSection
from avatar_app.gui.panel.panel import Panel
from avatar_app.gui.panel.profile_section import ProfileSection
from avatar_app.gui.panel.recording_section import RecordingSection
from avatar_app.gui.panel.sink_sections import SECTIONS
from avatar_app.gui.panel.system_section import MachineGroup
from avatar_app.gui.panel.voice_section import VoiceSection
from avatar_app.gui.panel.webcam_section import WebcamGroup
from avatar_app.gui.ports import Catalogue, Dialogs, Option
from avatar_app.gui.widgets.icons import Icons
from avatar_app.gui.widgets.theme import apply_theme, tokens_for
from avatar_app.gui.window import Window
from avatar_app.settings.autostart import FileEntry
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings
from tests.fakes.pipeline import FakePipeline
from tests.fakes.sinks import FakeSinks
from tests.fakes.webcam_status import RUNNING, picture

ASSETS = Path(__file__).parents[2] / "assets"
MICS = (Option("Alpha Mic, ALSA", "Alpha Mic, ALSA"), Option("Beta Mic, ALSA", "Beta Mic, ALSA"))
OUTPUTS = (Option("Cable, PulseAudio", "Cable, PulseAudio"),)
CAMERAS = (Option("Alpha Cam", "Alpha Cam"), Option("Beta Cam", "Beta Cam"))
MODELS = {"nova": (Option("nova-hd", "Nova HD"), Option("nova-96", "Nova 96")), "solo": (Option("one", "One"),)}


# Matters only when something is broken.
DEADLINE_MS = 60_000


def settle():
    """Wait for layouts and for single-shot timers of the next event loop turn."""
    for _ in range(4):
        QApplication.sendPostedEvents()
        QApplication.processEvents()


def press(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.fixture
def qtbot(qtbot):
    """With a deadline that also holds on a busy machine."""
    for name in ("waitUntil", "waitSignal"):
        setattr(qtbot, name, functools.partial(getattr(qtbot, name), timeout=DEADLINE_MS))
    return qtbot


@pytest.fixture(autouse=True)
def widgets_end():
    """Delete the window with its test: Qt deletes it only in an event loop, and themes every window that is left."""
    yield
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture(autouse=True)
def no_thread_left():
    before = set(threading.enumerate())
    yield
    left = [thread.name for thread in set(threading.enumerate()) - before if thread.is_alive()]
    assert left == []


@pytest.fixture
def notices():
    return NoticeBoard()


@pytest.fixture
def paths(tmp_path):
    return ProfilePaths(tmp_path / "profile")


class Answers:
    """The user's answers to the dialogs."""

    colour = None
    picture = None
    sound = None
    video = None
    name = None
    profile = None
    profile_to_write = None
    folder = None
    title = None
    avatar = None
    avatar_to_write = None
    agrees = False


class Desk:
    """A window on a fake pipeline."""

    def __init__(self, qtbot, paths, notices, settings=None, refuse=None, sections=SECTIONS):
        settings = settings or Settings(theme="dark")
        self.qtbot = qtbot
        self.paths = paths
        self.notices = notices
        self.clock = ManualClock(1_000_000_000)
        self.answers = Answers()
        self.mics = list(MICS)
        self.cameras = CAMERAS
        self.missing = None
        self.fetching = lambda: None
        self.pipeline = FakePipeline(settings, notices, refuse)
        self.sinks = FakeSinks()
        self.keeper = SettingsKeeper(settings, settings, paths, self.pipeline, notices, self.sinks)
        dialogs = self._dialogs()
        self.autostart = FileEntry(paths.dir / "autostart" / "avatar-app.desktop", b"entry")
        profile, machine = ProfileSection(paths, dialogs, notices), MachineGroup(self.autostart, notices)
        choices, self.avatar_menu = self._catalogue(), AvatarMenu(paths, dialogs, notices)
        webcam = WebcamGroup(self.pipeline, choices, dialogs, notices, self._require, self._fetch)
        self.panel = Panel(
            choices, dialogs, self.avatar_menu, profile, machine, webcam, lambda: self.sinks.page_url, sections
        )
        icons = Icons(ASSETS)
        self.window = Window(self.pipeline, self.sinks, self.keeper, self.panel, icons, notices, self.clock)
        qtbot.addWidget(self.window, before_close_func=lambda window: window.shut_down())
        self.use_theme(settings.theme)
        self.window.theme_wanted.connect(self.use_theme)
        self.commands = self.window.commands
        self.recording, self.camera = self.panel.sink(RecordingSection), self.panel.sink(CameraSection)
        self.browser, self.voice = self.panel.sink(BrowserSection), self.panel.sink(VoiceSection)
        self.window.resize(1280, 800)
        self.window.show()
        qtbot.waitExposed(self.window)
        self.window.activateWindow()

    @property
    def applied(self):
        """The settings that the pipeline received last."""
        return self.pipeline.applied[-1]

    def use_theme(self, theme):
        tokens = tokens_for(theme)
        apply_theme(QApplication.instance(), tokens, ASSETS)
        self.window.set_tokens(tokens)

    def _catalogue(self):
        avatars = (Option("nova", "Nova"), Option("solo", "Solo"))
        return Catalogue(
            mics=lambda: tuple(self.mics),
            avatars=lambda: avatars,
            models=lambda avatar: MODELS.get(avatar, ()),
            outputs=lambda: OUTPUTS,
            cameras=lambda: self.cameras,
        )

    def _require(self):
        """Like `require_package`: raises `missing`."""
        if self.missing is not None:
            raise self.missing

    def _fetch(self):
        """Like `set_up`: calls `fetching`."""
        self.fetching()

    def _dialogs(self):
        answers = self.answers
        return Dialogs(
            ask_colour=lambda current: answers.colour,
            ask_picture=lambda current: answers.picture,
            ask_sound=lambda: answers.sound,
            ask_video=lambda: answers.video,
            ask_name=lambda current: answers.name,
            ask_profile=lambda: answers.profile,
            ask_profile_to_write=lambda name: answers.profile_to_write,
            ask_folder=lambda current: answers.folder,
            ask_title=lambda current: answers.title,
            ask_avatar=lambda: answers.avatar,
            ask_avatar_to_write=lambda name: answers.avatar_to_write,
            ask_delete=lambda name: answers.agrees,
        )


@pytest.fixture
def make_desk(qtbot, paths, notices):
    def make(**kwargs):
        return Desk(qtbot, paths, notices, **kwargs)

    return make


@pytest.fixture
def desk(make_desk):
    return make_desk()


@pytest.fixture
def make_following(make_desk):
    def make(figures=RUNNING, preview=None, **settings):
        desk = make_desk(settings=Settings(theme="dark", is_following=True, **settings))
        desk.pipeline.webcam_status, desk.pipeline.preview = figures, preview or picture()
        desk.commands.set_running(True)
        desk.webcam = desk.panel.webcam
        # The tests poll themselves.
        desk.webcam._poll.stop()
        see(desk)
        return desk

    return make


def see(desk):
    """Poll until the status is requested again."""
    for _ in range(webcam_section.N_POLLS_PER_STATUS):
        desk.panel.webcam.poll()
