"""The main window: the avatar, the bar below it, the panel beside it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import Picture
from avatar_app.gui import keys
from avatar_app.gui.control.commands import Commands
from avatar_app.gui.control.settings_keeper import SettingsKeeper
from avatar_app.gui.obs.delays import ObsDelays
from avatar_app.gui.obs.dialog import ObsDialog
from avatar_app.gui.panel.panel import Panel
from avatar_app.gui.ports import Pipeline, Sinks
from avatar_app.gui.stage.avatar_view import AvatarView
from avatar_app.gui.stage.bar import Bar
from avatar_app.gui.stage.hud import Hud
from avatar_app.gui.stage.kiosk import Kiosk
from avatar_app.gui.stage.notice_cards import NoticeArea
from avatar_app.gui.stage.overlays import Overlays
from avatar_app.gui.widgets import geometry
from avatar_app.gui.widgets.icons import Icons
from avatar_app.gui.widgets.mnemonics import AltLetters
from avatar_app.gui.widgets.theme import Tokens
from avatar_app.settings.schema import Settings

FRAME_POLL_MS = 16
METER_POLL_MS = 66
STATUS_POLL_MS = 400
# A screen of 1600 x 1000 at 200 % is 800 x 500 here, and one of 1366 x 768 at 150 % is 910 x 512.
MINIMUM_PX = (720, 400)
SILENCE_DB = -120.0


class Window(QWidget):
    """Shows the live path, and connects controls and shortcuts to commands. Thread: main.

    Pictures are pulled: a timer checks the mailbox, and only a new picture is painted.

    Signals:
        theme_wanted(str): the user chose another theme.
        closing(): the window closes, and is still visible.
        themed(Tokens): the colours have changed.
    """

    theme_wanted = Signal(str)
    closing = Signal()
    themed = Signal(object)

    def __init__(
        self,
        pipeline: Pipeline,
        sinks: Sinks,
        keeper: SettingsKeeper,
        panel: Panel,
        icons: Icons,
        notices: NoticeBoard,
        clock: Clock,
    ) -> None:
        super().__init__()
        self.setObjectName("window")
        self.setWindowTitle("Avatar")
        self.setMinimumSize(*MINIMUM_PX)
        self._pipeline, self._sinks, self._keeper = pipeline, sinks, keeper
        self._notices, self._clock = notices, clock
        self._obs_delays = ObsDelays(notices)
        self._pictures = pipeline.pictures.add()
        self._is_ending = False
        self._theme = ""
        self.commands = Commands(pipeline, sinks, keeper, notices, panel.webcam.turn)
        self.view = AvatarView(self._note_shown)
        self._kiosk = Kiosk(self, self.view, clock)
        self.bar = Bar(icons)
        self.panel = panel
        self.hud = Hud(self.view)
        self.notices = NoticeArea(icons, notices.clear, self._place_overlays)
        self._overlays = Overlays(self.view, self.hud, self.notices)
        AltLetters(self)
        self._lay_out()
        self._connect()
        self._timers = [self._timer(*pair) for pair in self._polls()]
        self.show_settings(keeper.settings)
        geometry.restore(self, keeper.settings.window_geometry)

    def show_settings(self, settings: Settings) -> None:
        """Show settings in all controls."""
        self.panel.show_settings(settings)
        self._obs_delays.update(settings)
        self._kiosk.show_settings(settings)
        self.bar.setVisible(not settings.is_kiosk)
        self.panel.setVisible(settings.is_panel_visible and not settings.is_kiosk)
        self.bar.meter.setVisible(not settings.is_panel_visible)
        self.bar.panel.setChecked(settings.is_panel_visible)
        self.bar.hud.setChecked(settings.is_hud_visible)
        self._show_devices()
        self.hud.setVisible(settings.is_hud_visible and not settings.is_kiosk)
        self.notices.set_quiet(is_quiet=settings.is_kiosk)
        QTimer.singleShot(0, self, self._place_overlays)
        self._show_state()
        if settings.theme != self._theme:
            self._theme = settings.theme
            self.theme_wanted.emit(settings.theme)

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        for part in (self.view, self.hud, self.bar, self.panel, self.notices):
            part.set_tokens(tokens)
        self.themed.emit(tokens)

    def pull_picture(self) -> None:
        """Show the newest picture, if there is a new one."""
        picture = self._pictures.take()
        if picture is not None:
            is_first = self.view.picture is None
            self.view.show_picture(picture)
            if is_first:
                self._show_state()

    def refresh_level(self) -> None:
        """Show the microphone's level on the visible meter."""
        meter = self.panel.sound.meter if self.panel.isVisible() else self.bar.meter
        is_running = self.commands.is_running
        is_active = is_running and not self._keeper.settings.is_muted
        level_db, peak_db = self._pipeline.level_db() if is_running else (SILENCE_DB, SILENCE_DB)
        meter.show_level(level_db, peak_db, self._clock.now_ns(), is_active)

    def refresh_status(self) -> None:
        """Show status and notices, and reset choices that failed."""
        self._keeper.reconcile()
        self.notices.show_notices(self._notices.current(), self._clock.now_ns())
        self._show_devices()
        if not self.commands.is_running:
            self._show_state()
        sinks = self._sinks.status()
        self._keeper.note_port(sinks.browser.port if sinks.browser is not None else 0)
        self.bar.show_recording(sinks.record)
        self.commands.publish()
        if not (self.hud.isVisible() or self.panel.isVisible() or self._kiosk.is_on):
            return
        status = self._pipeline.status()
        if self._kiosk.is_on:
            self._kiosk.show_status(status, self._pipeline.webcam(), is_recording=sinks.record.is_active)
            self._show_state()
        self.panel.show_status(status, sinks)
        self.hud.show_status(status, self._keeper.settings.fps)

    def open_obs_dialog(self) -> None:
        """Let the user delay the raw microphone in OBS."""
        settings = self._keeper.settings
        voice, port = settings.voice_output, settings.obs_port
        dialog = ObsDialog(lambda: self._sinks.delay_ms, self, voice_output=voice, port=port)
        dialog.port_found.connect(lambda port: self._keeper.change({"obs_port": port}))
        dialog.offset_set.connect(self._obs_delays.set_offset)
        dialog.voice_unwanted.connect(lambda: self._keeper.change({"voice_output": ""}))
        # It holds a password.
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def shut_down(self) -> None:
        """Stop all timers and save place and size of the window; a second call does nothing."""
        for timer in self._timers:
            timer.stop()
        window_geometry = geometry.saved(self)
        if window_geometry != self._keeper.settings.window_geometry:
            self._keeper.change({"window_geometry": window_geometry})

    def bring_to_front(self) -> None:
        """Show the window above the others."""
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        self.show()
        self.raise_()
        self.activateWindow()

    def close(self) -> bool:
        """Close the window, also in kiosk mode: the program itself ends."""
        self._is_ending = True
        return super().close()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Announce the end. Kiosk mode ignores the window system, for example Alt+F4."""
        if self._kiosk.is_on and not self._is_ending:
            event.ignore()
            return
        self.closing.emit()
        event.accept()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Fill the screen again when the window system shrank kiosk mode."""
        if event.type() == QEvent.Type.WindowStateChange:
            QTimer.singleShot(0, self, self._kiosk.keep_full_screen)
        super().changeEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Move the overlays with the picture."""
        super().resizeEvent(event)
        QTimer.singleShot(0, self, self._place_overlays)

    def _lay_out(self) -> None:
        left = QVBoxLayout()
        left.setSpacing(0)
        left.addWidget(self.view, 1)
        left.addWidget(self.bar)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addLayout(left, 1)
        row.addWidget(self.panel)

    def _connect(self) -> None:
        commands = self.commands
        commands.changed.connect(self._show_command)
        self._keeper.shown.connect(self.show_settings)
        self.panel.changed.connect(self._keeper.change)
        self.panel.obs_asked.connect(self.open_obs_dialog)
        self.panel.profile.used.connect(self._keeper.use_profile)
        self.bar.start.clicked.connect(commands.toggle_running)
        self.bar.record.clicked.connect(commands.toggle_recording)
        self.bar.snapshot.clicked.connect(commands.take_snapshot)
        # The lamp may be lit for a moment after the webcam was turned off; a click never turns one on.
        self.bar.camera.clicked.connect(lambda: commands.set_head_tracking(False))
        buttons = self.bar.mute, self.bar.hud, self.bar.panel
        for button, field in zip(buttons, ("is_muted", "is_hud_visible", "is_panel_visible"), strict=True):
            button.clicked.connect(lambda _checked=False, field=field: commands.toggle(field))
        for key, command in self._shortcuts():
            QShortcut(QKeySequence(key), self).activated.connect(command)

    def _shortcuts(self) -> tuple[tuple[str, Callable[[], object]], ...]:
        commands = self.commands
        return (
            (keys.START, commands.toggle_running),
            (keys.MUTE, lambda: commands.toggle("is_muted")),
            (keys.STATISTICS, lambda: commands.toggle("is_hud_visible")),
            (keys.PANEL, lambda: commands.toggle("is_panel_visible")),
            (keys.RECORD, commands.toggle_recording),
            (keys.SNAPSHOT, commands.take_snapshot),
            (keys.WEBCAM, commands.toggle_head_tracking),
            (keys.REOPEN_MIC, commands.refresh_mic),
            (keys.HIDE, commands.toggle_hidden),
            (keys.PANIC, commands.panic),
            (keys.KIOSK, lambda: commands.toggle("is_kiosk")),
            (keys.FULL_SCREEN, self._kiosk.toggle_full_screen),
            (keys.QUIT, self.close),
        )

    def _polls(self) -> tuple[tuple[int, Callable[[], object]], ...]:
        return (
            (FRAME_POLL_MS, self.pull_picture),
            (METER_POLL_MS, self.refresh_level),
            (STATUS_POLL_MS, self.refresh_status),
        )

    def _timer(self, interval_ms: int, action: Callable[[], object]) -> QTimer:
        timer = QTimer(self)
        timer.setTimerType(Qt.TimerType.PreciseTimer if interval_ms == FRAME_POLL_MS else Qt.TimerType.CoarseTimer)
        timer.timeout.connect(action)
        timer.start(interval_ms)
        return timer

    def _show_command(self) -> None:
        self._show_state()
        self.refresh_status()

    def _show_devices(self) -> None:
        """The lamp shows whether the webcam is open, not the setting."""
        self.bar.camera.setVisible(self._pipeline.open_devices().has_webcam)

    def _show_state(self) -> None:
        is_running, is_muted = self.commands.is_running, self._keeper.settings.is_muted
        self.bar.show_state(is_running, is_muted)
        if not is_running:
            caption = "Closing the microphone …" if self._pipeline.open_devices().has_mic else "Stopped"
        elif self.view.picture is None:
            caption = "Starting …"
        else:
            caption = "Hidden" if self.commands.is_hidden else "Muted" if is_muted else self._kiosk.caption
        self.view.set_state(is_running, self._kiosk.hint() or caption)

    def _note_shown(self, picture: Picture) -> None:
        self._pipeline.note_shown(picture, self._clock.now_ns())

    def _place_overlays(self) -> None:
        self._overlays.place(has_hud=self._keeper.settings.is_hud_visible)
