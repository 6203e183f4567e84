"""Builds the whole program, hands every part what it needs, and takes it down in order.

Exit codes of `run`: 0 for a normal end, also of a second start that brought the first window to the front;
3 when the program runs already but did not answer.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Protocol

import cv2
from PySide6.QtCore import QMessageLogContext, QTimer, QtMsgType, qInstallMessageHandler
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.notices import Level, Notice, NoticeBoard
from avatar_app.contracts.sink import MakeSink, SinkSource
from avatar_app.gui.control.device_watcher import MicWatcher
from avatar_app.gui.control.global_keys import GlobalKeys
from avatar_app.gui.control.remote import Remote
from avatar_app.gui.control.settings_keeper import SettingsKeeper
from avatar_app.gui.control.single_instance import SingleInstance
from avatar_app.gui.control.tray import Tray
from avatar_app.gui.panel.catalogue import Camera, Device, catalogue
from avatar_app.gui.panel.panel import Panel
from avatar_app.gui.panel.profile_section import ProfileSection
from avatar_app.gui.panel.system_section import MachineGroup
from avatar_app.gui.panel.webcam_section import WebcamGroup
from avatar_app.gui.ports import OnAir, Pipeline
from avatar_app.gui.widgets.dialogs import dialogs
from avatar_app.gui.widgets.icons import Icons
from avatar_app.gui.widgets.theme import apply_theme, tokens_for
from avatar_app.gui.window import Window
from avatar_app.logs import tell
from avatar_app.settings import store
from avatar_app.settings.autostart import autostart
from avatar_app.settings.paths import ProfilePaths, assets_dir, models_dir
from avatar_app.settings.schema import Settings
from avatar_app.settings.secret import secret

if TYPE_CHECKING:
    from avatar_app.live.browser import Action, State

log = logging.getLogger(__name__)

EXIT_OK = 0
EXIT_NO_ANSWER = 3
RECORD_AFTER_MS = 1500


class Live(Pipeline, SinkSource, Protocol):
    """The live path, as the window and the sinks use it."""


MakeOnAir = Callable[[Live, Settings, ProfilePaths, NoticeBoard, Remote], OnAir]
MakePipeline = Callable[[Settings, ProfilePaths, MonotonicClock, NoticeBoard], Live]
ListMics = Callable[[], tuple[Device, ...]]


@dataclass(frozen=True, slots=True)
class Starts:
    """What happens besides when the window opens.

    Attributes:
        with_recording: record from the start.
        in_tray: with the window away.
    """

    with_recording: bool = False
    in_tray: bool = False


def run(
    settings: Settings,
    profile_paths: ProfilePaths,
    *,
    saved: Settings | None = None,
    notices: NoticeBoard | None = None,
    duration_s: float | None = None,
    screenshot: Path | None = None,
    make_pipeline: MakePipeline | None = None,
    make_on_air: MakeOnAir | None = None,
    list_mics: ListMics | None = None,
    starts: Starts | None = None,
) -> int:
    """Open the window and stay until it is closed.

    Args:
        settings: what holds now, command line included.
        profile_paths: where the user's files are.
        saved: what the settings file says, when flags changed something for this start only.
        notices: what was said before the window existed.
        duration_s: stop by itself after this many seconds.
        screenshot: file for the window's picture at the end.
        make_pipeline: makes what stands in for the live path; a test's seam.
        make_on_air: makes what stands in for what leaves the program; a test's seam.
        list_mics: lists what stands in for the microphones; a test's seam.
        starts: what happens besides when the window opens.

    Returns:
        Exit code, see the module.
    """
    _prepare_process()
    board = notices or NoticeBoard()
    app = _application()
    instance = SingleInstance(profile_paths)
    if not instance.acquire():
        return _second_start(instance)
    with ExitStack() as stack:
        stack.callback(instance.release)
        store.remove_leftovers(profile_paths)
        pipeline = (make_pipeline or _live_pipeline)(settings, profile_paths, MonotonicClock(), board)
        remote = Remote()
        on_air = (make_on_air or _sinks)(pipeline, settings, profile_paths, board, remote)
        keeper = SettingsKeeper(settings, saved or settings, profile_paths, pipeline, board, on_air)
        stack.callback(keeper.save_now)
        stack.callback(pipeline.close)
        stack.callback(on_air.close)
        stack.callback(pipeline.cut_devices)
        window = _window(app, pipeline, on_air, keeper, board, list_mics or _device_mics, profile_paths)
        stack.callback(window.shut_down)
        remote.attach(window)
        window.told.connect(remote.note)
        keys = GlobalKeys(remote.actions(), board)
        stack.callback(keys.close)
        keeper.shown.connect(lambda shown: keys.apply(is_wanted=_wants_global_keys(shown)))
        keys.apply(is_wanted=_wants_global_keys(settings))
        _watch_mics(stack, window, is_real=list_mics is None)
        _hook_errors(stack, board)
        instance.raise_asked.connect(window.bring_to_front)
        tray = _tray(stack, app, window, keeper)
        _begin(window, tray, starts or Starts(), board, is_booth=settings.is_kiosk)
        return _show(app, window, duration_s, screenshot)


def _prepare_process() -> None:
    """What must be so before Qt starts."""
    cv2.setNumThreads(1)


def _application() -> QApplication:
    """The one `QApplication`; an existing one is used again, as tests do."""
    qInstallMessageHandler(_log_qt)
    existing = QApplication.instance()
    app = existing if isinstance(existing, QApplication) else QApplication(sys.argv[:1])
    app.setApplicationName("avatar-app")
    app.setApplicationDisplayName("Avatar")
    app.setDesktopFileName("avatar-app")
    app.setQuitOnLastWindowClosed(False)
    return app


def _second_start(instance: SingleInstance) -> int:
    if instance.ask_to_raise():
        tell("Avatar is running already; its window is in front now.")
        return EXIT_OK
    tell("Avatar is running already but does not answer; end it, then start again.")
    return EXIT_NO_ANSWER


def _live_pipeline(settings: Settings, paths: ProfilePaths, clock: MonotonicClock, board: NoticeBoard) -> Live:
    from avatar_app.live.pipeline import LivePipeline

    return LivePipeline(settings, paths, clock, board)


def sink_list(token: str, control: Mapping[str, Action], state: Callable[[], State]) -> tuple[MakeSink[Settings], ...]:
    """The sinks of the program in the order in which they are started; a new sink is one more line.

    Args:
        token: what every request to the browser source must carry.
        control: actions of the control API by name.
        state: returns what control clients see.
    """
    from avatar_app.live.browser.sink import BrowserSink
    from avatar_app.live.camera.sink import CameraSink
    from avatar_app.live.record.sink import RecordSink
    from avatar_app.live.voice.sink import VoiceSink

    return (
        partial(BrowserSink, token=token, control=control, state=state),
        CameraSink,
        VoiceSink,
        RecordSink,
    )


def _sinks(source: Live, settings: Settings, paths: ProfilePaths, board: NoticeBoard, remote: Remote) -> OnAir:
    from avatar_app.live.sinks import Sinks

    makers = sink_list(secret(paths.state_dir / "browser-token"), remote.actions(), remote.state)
    return Sinks(makers, source, settings, MonotonicClock(), board)


def _device_outputs() -> tuple[Device, ...]:
    from avatar_app.live.voice import list_outputs

    return tuple(list_outputs())


def _device_cameras() -> tuple[Camera, ...]:
    from avatar_app.live.webcam import list_cameras

    return list_cameras()


def _require_tracker() -> None:
    from avatar_app.live.webcam.package import require_package

    require_package()


def _tracker_fetch() -> Callable[[], None] | None:
    """What gets the face tracker, where this Python can have it."""
    from avatar_app.live.webcam.package import can_install
    from avatar_app.live.webcam.setup import set_up

    return partial(set_up, log.info) if can_install() else None


def _wants_global_keys(settings: Settings) -> bool:
    """A booth obeys its own key alone."""
    return settings.has_global_keys and not settings.is_kiosk


def _tray(stack: ExitStack, app: QApplication, window: Window, keeper: SettingsKeeper) -> Tray | None:
    """The icon beside the clock, where the desktop has room for one."""
    if not Tray.is_there():
        return None
    commands = {
        "Start or stop": window.toggle_running,
        "Mute or listen": lambda: window.toggle("is_muted"),
        "Record": window.toggle_recording,
        "Hide the avatar": window.toggle_hidden,
        "Follow my head or cut the camera": window.panel.webcam.toggle,
        "Quit": window.close,
    }
    tray = Tray(app.windowIcon(), window, commands)
    tray.set_locked(is_locked=keeper.settings.is_kiosk)
    keeper.shown.connect(lambda shown: tray.set_locked(is_locked=shown.is_kiosk))
    stack.callback(tray.remove)
    return tray


def _begin(window: Window, tray: Tray | None, starts: Starts, board: NoticeBoard, *, is_booth: bool) -> None:
    """What the command line asked for besides a window; a booth is never away."""
    if starts.with_recording:
        # Once pictures come; the folder is made meanwhile.
        QTimer.singleShot(RECORD_AFTER_MS, window, lambda: window.set_recording(True))
    if starts.in_tray and not is_booth:
        hide = tray.turn if tray is not None else window.showMinimized
        QTimer.singleShot(0, window, hide)
        if tray is None:
            text = "This desktop has no place for an icon beside the clock, so the window is minimized."
            board.post(Notice("tray", Level.INFO, text))


def _device_mics() -> tuple[Device, ...]:
    from avatar_app.live.mic import list_devices

    return tuple(list_devices())


def _window(
    app: QApplication,
    pipeline: Pipeline,
    on_air: OnAir,
    keeper: SettingsKeeper,
    board: NoticeBoard,
    list_mics: ListMics,
    paths: ProfilePaths,
) -> Window:
    app.setStyle("Fusion")
    icons = Icons(assets_dir())
    app.setWindowIcon(icons.app_icon())
    window: list[Window] = []
    choices = catalogue(list_mics, assets_dir(), models_dir(), paths.models_dir, _device_outputs, _device_cameras)
    questions = dialogs(lambda: window[0])
    profile, machine = ProfileSection(paths, questions, board), MachineGroup(autostart(paths), board)
    webcam = WebcamGroup(pipeline, choices, questions, board, _require_tracker, _tracker_fetch())
    panel = Panel(choices, questions, profile, machine, webcam, lambda: on_air.page_url)
    window.append(Window(pipeline, on_air, keeper, panel, icons, board, MonotonicClock()))

    def dress() -> None:
        tokens = tokens_for(keeper.settings.theme)
        apply_theme(app, tokens, assets_dir())
        window[0].set_tokens(tokens)

    window[0].theme_wanted.connect(dress)
    QGuiApplication.styleHints().colorSchemeChanged.connect(dress)
    dress()
    return window[0]


def _watch_mics(stack: ExitStack, window: Window, is_real: bool) -> None:
    """Keep the list of microphones fresh once the window is up."""
    watcher = MicWatcher(_look_for_mics)
    stack.callback(watcher.stop)
    watcher.changed.connect(window.panel.sound.refresh)
    watcher.changed.connect(window.panel.on_air.refresh)
    if is_real:
        QTimer.singleShot(1500, watcher, watcher.start)


def _look_for_mics() -> None:
    from avatar_app.live.mic import refresh_devices

    refresh_devices()


def _show(app: QApplication, window: Window, duration_s: float | None, screenshot: Path | None) -> int:
    """Show the window until it is closed, the time is up, or a signal comes."""

    def end() -> None:
        if screenshot is not None and not window.isHidden():
            _save_picture(window, screenshot)
        app.quit()

    window.closing.connect(end)
    if duration_s is not None:
        QTimer.singleShot(round(duration_s * 1000), window, window.close)
    _quit_on_signals(window.close)
    window.show()
    QTimer.singleShot(0, window, lambda: window.set_running(True))
    app.exec()
    return EXIT_OK


def _save_picture(window: Window, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if window.grab().save(str(file)):
        log.info("screenshot saved to %s", file)
    else:
        tell(f"The screenshot cannot be saved to {file}. Choose a folder that you may write to.")


def _quit_on_signals(close: Callable[[], object]) -> None:
    """Ctrl+C, a polite kill and a closed terminal close the window; the frame timer lets Python see them soon."""
    if threading.current_thread() is not threading.main_thread():
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        del number, frame
        close()

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    # Not on Windows; and `nohup` has it ignored, so that the program outlives its terminal.
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, on_signal)


def _hook_errors(stack: ExitStack, board: NoticeBoard) -> None:
    """No failure stays unseen: it is logged, and told in a notice."""
    old_sys, old_threading = sys.excepthook, threading.excepthook

    def report(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None, where: str) -> None:
        if error is None or issubclass(kind, KeyboardInterrupt):
            return
        log.critical("unexpected error in %s", where, exc_info=(kind, error, trace))
        text = "Something failed because of a fault in this program; the rest goes on."
        what_to_do = "If something no longer works, start the program again, and send us what `avatar-app doctor` says."
        board.post(Notice("unexpected", Level.ERROR, text, what_to_do))

    def on_thread(args: threading.ExceptHookArgs) -> None:
        name = args.thread.name if args.thread is not None else "a thread"
        report(args.exc_type, args.exc_value, args.exc_traceback, name)

    sys.excepthook = lambda kind, error, trace: report(kind, error, trace, "the window")
    threading.excepthook = on_thread
    stack.callback(setattr, sys, "excepthook", old_sys)
    stack.callback(setattr, threading, "excepthook", old_threading)


def _log_qt(kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
    """Qt's messages go to the log, at their level."""
    levels = {QtMsgType.QtDebugMsg: logging.DEBUG, QtMsgType.QtInfoMsg: logging.INFO}
    level = levels.get(kind, logging.ERROR if kind == QtMsgType.QtCriticalMsg else logging.WARNING)
    logging.getLogger(f"qt.{context.category or 'default'}").log(level, "%s", text)
