"""Builds the program from its parts, and shuts it down in order."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

import cv2
from PySide6.QtCore import QMessageLogContext, QTimer, QtMsgType, qInstallMessageHandler
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.notices import Level, Notice, NoticeBoard
from avatar_app.gui.control.device_watcher import MicWatcher
from avatar_app.gui.control.global_keys import GlobalKeys
from avatar_app.gui.control.library_watcher import LibraryWatcher
from avatar_app.gui.control.remote import Remote
from avatar_app.gui.control.settings_keeper import SettingsKeeper
from avatar_app.gui.control.single_instance import SingleInstance
from avatar_app.gui.control.tray import Tray
from avatar_app.gui.enrol.enrolments import Enrolments
from avatar_app.gui.enrol.live_pause import LivePause
from avatar_app.gui.enrol.services import Services
from avatar_app.gui.panel.avatar_menu import AvatarMenu
from avatar_app.gui.panel.catalogue import catalogue
from avatar_app.gui.panel.panel import Panel
from avatar_app.gui.panel.profile_section import ProfileSection
from avatar_app.gui.panel.system_section import MachineGroup
from avatar_app.gui.panel.webcam_section import WebcamGroup
from avatar_app.gui.ports import Sinks
from avatar_app.gui.widgets.dialogs import dialogs
from avatar_app.gui.widgets.icons import Icons
from avatar_app.gui.widgets.theme import apply_theme, tokens_for
from avatar_app.gui.window import Window
from avatar_app.logs import install_excepthooks, print_message
from avatar_app.parts import Live, Parts
from avatar_app.settings import store
from avatar_app.settings.autostart import autostart
from avatar_app.settings.paths import ProfilePaths, assets_dir, models_dir
from avatar_app.settings.schema import Settings

log = logging.getLogger(__name__)

EXIT_OK = 0
EXIT_NO_ANSWER = 3
# By then the first picture is shown and the microphones are listed.
SETTLED_MS = 1500


@dataclass(frozen=True, slots=True)
class StartOptions:
    """What one start does besides opening the window.

    Attributes:
        with_recording: record from the start.
        in_tray: start with the window hidden in the system tray.
        duration_s: quit after this many seconds.
        screenshot: file for a picture of the window at the end.
    """

    with_recording: bool = False
    in_tray: bool = False
    duration_s: float | None = None
    screenshot: Path | None = None


def run(
    settings: Settings,
    paths: ProfilePaths,
    *,
    saved: Settings | None = None,
    notices: NoticeBoard | None = None,
    options: StartOptions | None = None,
    parts: Parts | None = None,
) -> int:
    """Open the window and return when it is closed.

    Args:
        settings: of this start: the saved ones with the changes of the command line.
        paths: the user's files.
        saved: those of the settings file, if `settings` contains changes for this start only.
        notices: posted before the window exists.
        options: of this start.
        parts: what the program is built from.

    Returns:
        0 for a normal end, also of a second start, which raises the first window; 3 if the first one does not answer.
    """
    cv2.setNumThreads(1)
    board, options, parts = notices or NoticeBoard(), options or StartOptions(), parts or Parts()
    app = _application()
    instance = SingleInstance(paths)
    if not instance.acquire():
        return _second_start(instance)
    with ExitStack() as stack:
        stack.callback(instance.release)
        store.remove_leftovers(paths)
        pipeline = parts.make_pipeline(settings, paths, MonotonicClock(), board)
        remote = Remote()
        sinks = parts.make_sinks(pipeline, settings, paths, board, remote)
        keeper = SettingsKeeper(settings, saved or settings, paths, pipeline, board, sinks)
        for end in (keeper.save_now, pipeline.close, sinks.close, pipeline.close_devices):
            stack.callback(end)
        window = _window(app, _panel(parts, pipeline, sinks, paths, board), pipeline, sinks, keeper, board)
        stack.callback(window.shut_down)
        _connect_control(stack, window, keeper, remote, board)
        _connect_enrolments(stack, window, keeper, paths, parts, board)
        _watch_mics(stack, window, parts.refresh_mics)
        _watch_library(stack, window, keeper, paths, pipeline)
        stack.callback(install_excepthooks(partial(_post_fault, board)))
        instance.raise_asked.connect(window.bring_to_front)
        _begin(window, _tray(stack, app, window, keeper), options, board, is_booth=settings.is_kiosk)
        return _show(app, window, options)


def _application() -> QApplication:
    """The `QApplication` of the process; an existing one is reused, as in tests."""
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
        print_message("Avatar is running already; its window is in front now.")
        return EXIT_OK
    print_message("Avatar is running already but does not answer; end it, then start again.")
    return EXIT_NO_ANSWER


def _panel(parts: Parts, pipeline: Live, sinks: Sinks, paths: ProfilePaths, board: NoticeBoard) -> Panel:
    choices = catalogue(
        parts.list_mics,
        assets_dir(),
        models_dir(),
        paths.models_dir,
        paths.avatars_dir,
        parts.list_outputs,
        parts.list_cameras,
    )
    questions = dialogs(QApplication.activeWindow)
    profile, machine = ProfileSection(paths, questions, board), MachineGroup(autostart(paths), board)
    webcam = WebcamGroup(pipeline, choices, questions, board, parts.require_tracker, parts.tracker_installer())
    menu = AvatarMenu(paths, questions, board)
    return Panel(choices, questions, menu, profile, machine, webcam, lambda: sinks.page_url)


def _window(
    app: QApplication, panel: Panel, pipeline: Live, sinks: Sinks, keeper: SettingsKeeper, board: NoticeBoard
) -> Window:
    app.setStyle("Fusion")
    icons = Icons(assets_dir())
    app.setWindowIcon(icons.app_icon())
    window = Window(pipeline, sinks, keeper, panel, icons, board, MonotonicClock())

    def use_theme() -> None:
        tokens = tokens_for(keeper.settings.theme)
        apply_theme(app, tokens, assets_dir())
        window.set_tokens(tokens)

    window.theme_wanted.connect(use_theme)
    QGuiApplication.styleHints().colorSchemeChanged.connect(use_theme)
    use_theme()
    return window


def _connect_control(
    stack: ExitStack, window: Window, keeper: SettingsKeeper, remote: Remote, board: NoticeBoard
) -> None:
    """Connect the control API and the global keys with the window."""
    remote.attach(window.commands)
    keys = GlobalKeys(remote.actions(), board)
    stack.callback(keys.close)
    keeper.shown.connect(lambda settings: keys.apply(is_wanted=_wants_global_keys(settings)))
    keys.apply(is_wanted=_wants_global_keys(keeper.settings))


def _connect_enrolments(
    stack: ExitStack, window: Window, keeper: SettingsKeeper, paths: ProfilePaths, parts: Parts, board: NoticeBoard
) -> None:
    """Connect the wizard that makes an avatar of the user with the list of avatars."""
    group, commands = window.panel.avatar, window.commands
    questions = dialogs(QApplication.activeWindow)
    pause = LivePause(lambda: commands.is_running, commands.set_running)
    services = Services(
        paths,
        assets_dir(),
        lambda: keeper.settings,
        parts.make_session,
        parts.missing_to_enrol,
        questions.ask_video,
        questions.ask_delete,
        pause.set_live,
    )
    enrolments = Enrolments(services, board, window, parts.enrol_command)
    stack.callback(group.menu.wait)
    stack.callback(enrolments.close)
    # Called before: the end of the wizard must not start the live avatar again.
    stack.callback(pause.forget)

    def show_list() -> None:
        group.show_enrolments(enrolments.options(), enrolments.improvable())

    group.make_asked.connect(enrolments.make)
    group.continue_asked.connect(enrolments.open)
    group.menu.improve_asked.connect(enrolments.open)
    enrolments.list_changed.connect(show_list)
    enrolments.kept.connect(lambda avatar, model: keeper.change({"avatar": avatar, "model": model}))
    window.themed.connect(enrolments.set_tokens)
    enrolments.set_tokens(tokens_for(keeper.settings.theme))
    show_list()


def _wants_global_keys(settings: Settings) -> bool:
    """An event booth has its own key, and no others."""
    return settings.has_global_keys and not settings.is_kiosk


def _watch_mics(stack: ExitStack, window: Window, refresh: Callable[[], None] | None) -> None:
    """Update the lists of devices while the window is open."""
    if refresh is None:
        return
    watcher = MicWatcher(refresh)
    stack.callback(watcher.stop)
    watcher.changed.connect(window.panel.refresh_devices)
    QTimer.singleShot(SETTLED_MS, watcher, watcher.start)


def _watch_library(
    stack: ExitStack, window: Window, keeper: SettingsKeeper, paths: ProfilePaths, pipeline: Live
) -> None:
    """Update the lists of avatars and models, and open an avatar that was made again, while the window is open."""
    from avatar_app.live.library import library_state, made_state

    watcher = LibraryWatcher(
        lambda: library_state(paths),
        window.panel.avatar.refresh,
        lambda: (keeper.settings.avatar, made_state(keeper.settings.avatar, paths)),
        pipeline.refresh_avatar,
    )
    stack.callback(watcher.stop)
    QTimer.singleShot(SETTLED_MS, watcher, watcher.start)


def _tray(stack: ExitStack, app: QApplication, window: Window, keeper: SettingsKeeper) -> Tray | None:
    """The icon in the system tray; None where the desktop has none."""
    if not Tray.is_there():
        return None
    commands = window.commands
    entries = {
        "Start or stop": commands.toggle_running,
        "Mute or unmute": lambda: commands.toggle("is_muted"),
        "Start or stop recording": commands.toggle_recording,
        "Hide or show the avatar": commands.toggle_hidden,
        "Turn head tracking on or off": commands.toggle_head_tracking,
        "Quit": window.close,
    }
    tray = Tray(app.windowIcon(), window, entries)
    tray.set_locked(is_locked=keeper.settings.is_kiosk)
    keeper.shown.connect(lambda settings: tray.set_locked(is_locked=settings.is_kiosk))
    stack.callback(tray.remove)
    return tray


def _begin(window: Window, tray: Tray | None, options: StartOptions, board: NoticeBoard, *, is_booth: bool) -> None:
    """Record and hide the window as the command line asked; the window of a booth is never hidden."""
    if options.with_recording:
        QTimer.singleShot(SETTLED_MS, window, lambda: window.commands.set_recording(True))
    if options.in_tray and not is_booth:
        hide = tray.turn if tray is not None else window.showMinimized
        QTimer.singleShot(0, window, hide)
        if tray is None:
            board.info("tray", "This desktop has no system tray, so the window is minimized.")


def _show(app: QApplication, window: Window, options: StartOptions) -> int:
    """Show the window until it is closed, the time is up, or a signal arrives."""

    def end() -> None:
        if options.screenshot is not None and not window.isHidden():
            _save_screenshot(window, options.screenshot)
        app.quit()

    window.closing.connect(end)
    if options.duration_s is not None:
        QTimer.singleShot(round(options.duration_s * 1000), window, window.close)
    _quit_on_signals(window.close)
    window.show()
    QTimer.singleShot(0, window, lambda: window.commands.set_running(True))
    app.exec()
    return EXIT_OK


def _save_screenshot(window: Window, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if window.grab().save(str(file)):
        log.info("screenshot saved to %s", file)
    else:
        print_message(f"The screenshot cannot be saved to {file}. Choose a folder that you may write to.")


def _quit_on_signals(close: Callable[[], object]) -> None:
    """Close the window on Ctrl+C, SIGTERM and a closed terminal; the frame timer lets Python run the handler soon."""
    if threading.current_thread() is not threading.main_thread():
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        del number, frame
        close()

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    # Windows has no SIGHUP. `nohup` ignores it, so that the program keeps running after its terminal is closed.
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, on_signal)


def _post_fault(board: NoticeBoard) -> None:
    """Post the notice of an uncaught exception."""
    text = "Something failed because of a fault in this program. The program continues."
    what_to_do = "If something no longer works, start the program again, and send us the report of `avatar-app doctor`."
    board.post(Notice("unexpected", Level.ERROR, text, what_to_do))


def _log_qt(kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
    """Log a message of Qt at its level."""
    levels = {QtMsgType.QtDebugMsg: logging.DEBUG, QtMsgType.QtInfoMsg: logging.INFO}
    level = levels.get(kind, logging.ERROR if kind == QtMsgType.QtCriticalMsg else logging.WARNING)
    logging.getLogger(f"qt.{context.category or 'default'}").log(level, "%s", text)
