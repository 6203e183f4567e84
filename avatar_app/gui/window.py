"""The window: the avatar, the bar below it, the panel beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QByteArray, QEvent, QPoint, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QKeyEvent, QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import QApplication, QHBoxLayout, QVBoxLayout, QWidget

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import UserError
from avatar_app.contracts.notices import Notice, NoticeBoard
from avatar_app.contracts.packets import Picture
from avatar_app.gui.control.settings_keeper import SettingsKeeper
from avatar_app.gui.obs.delays import ObsDelays
from avatar_app.gui.obs.dialog import ObsDialog
from avatar_app.gui.panel.panel import Panel
from avatar_app.gui.ports import OnAir, Pipeline, Told
from avatar_app.gui.stage import bar as bar_keys
from avatar_app.gui.stage.avatar_view import MARGIN_PX, Stage
from avatar_app.gui.stage.bar import Bar
from avatar_app.gui.stage.hud import Hud, Room
from avatar_app.gui.stage.kiosk import LEAVE_KEY, Booth
from avatar_app.gui.stage.notice_cards import MAX_WIDTH_PX, NoticeArea
from avatar_app.gui.stage.panic import Panic
from avatar_app.gui.widgets.icons import Icons
from avatar_app.gui.widgets.mnemonics import show_letters
from avatar_app.gui.widgets.theme import Tokens
from avatar_app.settings.schema import Settings

FRAME_POLL_MS = 16
METER_POLL_MS = 66
STATUS_POLL_MS = 400
EDGE_PX = 16
# A screen of 1600 x 1000 at 200 % is 800 x 500 here, and one of 1366 x 768 at 150 % is 910 x 512.
MINIMUM_PX = (720, 400)
# Title bar and edges, as window systems draw them.
FRAME_PX = 40
# Notices leave so much height to the picture; on a card that is smaller than the other, figures would hide the face.
LEAST_PICTURE_PX = 280
SMALL_CARD_PX = 460
FIRST_SIZE_PX = (1200, 780)


class Window(QWidget):
    """Shows the pipeline and lets the user steer it. Thread: main.

    Pictures are pulled: a timer looks into the mailbox, and only a new picture is painted.

    Signals:
        theme_wanted(str): the user chose another theme.
        closing(): the window is about to go, and still in sight.
        told(object): what clients of the control API are told, as `Remote.note` takes it.
    """

    theme_wanted = Signal(str)
    closing = Signal()
    told = Signal(object)

    def __init__(
        self,
        pipeline: Pipeline,
        on_air: OnAir,
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
        self._pipeline = pipeline
        self._on_air = on_air
        self._is_hidden = self._is_ending = False
        self._keeper = keeper
        self._notices = notices
        self._clock = clock
        self._obs_delays, self._panic = ObsDelays(notices), Panic(notices)
        self._pictures = pipeline.pictures.add()
        self._is_running = False
        self._theme = ""
        self.stage = Stage(self._note_shown)
        self._booth = Booth(self, self.stage, clock)
        self.bar = Bar(icons)
        self.panel = panel
        self.hud = Hud(self.stage)
        self.notices = NoticeArea(icons, notices.clear, self._place_overlays)
        self.notices.setParent(self.stage)
        self._lay_out()
        self._connect()
        self._timers = [self._timer(*pair) for pair in self._beats()]
        self.show_settings(keeper.settings)
        self._restore(keeper.settings.window_geometry)

    @property
    def settings(self) -> Settings:
        """What the user wants now."""
        return self._keeper.settings

    @property
    def is_recording(self) -> bool:
        """Whether something is being recorded."""
        return self._on_air.is_recording

    @property
    def is_running(self) -> bool:
        """Whether the user wants the avatar to run."""
        return self._is_running

    def set_running(self, is_running: bool) -> None:
        """Start or stop the pipeline."""
        self._is_running = is_running
        if is_running:
            self._pipeline.start()
            self._on_air.start()
        else:
            # Ending what leaves the program may take a while; nobody is heard or seen meanwhile.
            self._pipeline.cut_devices()
            self._on_air.stop()
            self._pipeline.stop()
        self._show_state()
        self.refresh_figures()

    def show_settings(self, settings: Settings) -> None:
        """Bring all controls in line with settings."""
        self.panel.show_settings(settings)
        self._obs_delays.look(settings)
        self._panic.look(settings)
        self._booth.show_settings(settings)
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
        for part in (self.stage, self.hud, self.bar, self.panel, self.notices):
            part.set_tokens(tokens)

    def pull_picture(self) -> None:
        """Show the newest picture, if there is a new one."""
        picture = self._pictures.take()
        if picture is not None:
            is_first = self.stage.picture is None
            self.stage.show_picture(picture)
            if is_first:
                self._show_state()

    def refresh_level(self) -> None:
        """Show the microphone's level on the meter that is in sight."""
        meter = self.panel.sound.meter if self.panel.isVisible() else self.bar.meter
        is_active = self._is_running and not self._keeper.settings.is_muted
        level_db, peak_db = self._pipeline.level_db() if self._is_running else (-120.0, -120.0)
        meter.show_level(level_db, peak_db, self._clock.now_ns(), is_active)

    def refresh_figures(self) -> None:
        """Show figures and notices, and put failed choices back."""
        self._keeper.reconcile()
        self.notices.show_notices(self._notices.current(), self._clock.now_ns())
        self._show_devices()
        if not self._is_running:
            self._show_state()
        on_air = self._on_air.status()
        self._keeper.note_port(on_air.browser.port if on_air.browser is not None else 0)
        is_recording = on_air.record.is_active
        saved_share = on_air.record.saved_share if on_air.record.is_saving else 0.0
        self.bar.show_recording(on_air.record.seconds if is_recording else None, saved_share)
        self.tell()
        if not (self.hud.isVisible() or self.panel.isVisible() or self._booth.is_on):
            return
        figures = self._pipeline.status()
        if self._booth.is_on:
            self._booth.show_figures(figures, self._pipeline.webcam(), is_recording=is_recording)
            self._show_state()
        self.panel.show_figures(figures, on_air)
        self.hud.show_figures(figures, self._keeper.settings.fps)

    def tell(self) -> None:
        """Tell clients of the control API what is so now."""
        self.told.emit(Told(self.settings, self._is_running, self.is_recording, self._is_hidden))

    def toggle_running(self) -> None:
        """Start when stopped, stop when running."""
        self.set_running(not self._is_running)

    def toggle(self, field: str) -> None:
        """Turn one of the yes-or-no settings round."""
        self._keeper.change({field: not getattr(self._keeper.settings, field)})

    @property
    def is_hidden(self) -> bool:
        """Whether others see only what stands behind the avatar."""
        return self._is_hidden

    def set_recording(self, is_on: bool) -> None:
        """Begin a recording, or end it; what hinders it becomes a notice."""
        if not is_on:
            self._on_air.stop_recording()
        else:
            self._told("record", self._on_air.start_recording)
        self.refresh_figures()

    def toggle_recording(self) -> None:
        """Begin a recording, or end the one that runs."""
        self.set_recording(not self._on_air.is_recording)

    def take_snapshot(self) -> None:
        """Keep the next picture; a notice says where."""
        self._told("snapshot", self._on_air.take_snapshot)

    def set_hidden(self, is_hidden: bool) -> None:
        """Show others only what stands behind the avatar, or the avatar again."""
        self._is_hidden = is_hidden
        self._pipeline.set_hidden(is_hidden=is_hidden)
        self._show_state()

    def toggle_hidden(self) -> None:
        """Hide the avatar, or show it again."""
        self.set_hidden(not self._is_hidden)

    def ask_obs(self) -> None:
        """Let OBS delay the raw microphone until its picture is there."""
        settings = self._keeper.settings
        voice, port = settings.voice_output, settings.obs_port
        dialog = ObsDialog(lambda: self._on_air.delay_ms, self, voice_output=voice, port=port)
        dialog.port_found.connect(lambda port: self.change({"obs_port": port}))
        dialog.offset_set.connect(self._obs_delays.note)
        dialog.voice_unwanted.connect(lambda: self.change({"voice_output": ""}))
        # It holds a password.
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def panic(self) -> None:
        """Nothing more is heard: the microphone is off and the face rests, whatever was so before."""
        self._keeper.change({"is_muted": True})
        self._panic.tell(self._keeper.settings)
        self.refresh_figures()

    def refresh_mic(self) -> None:
        """Open the microphone anew."""
        self._pipeline.refresh_mic()

    def change(self, changes: dict[str, Any]) -> None:
        """Change settings, as the panel does."""
        self._keeper.change(changes)

    def shut_down(self) -> None:
        """Stop all timers and remember where the window stood; twice is fine."""
        for timer in self._timers:
            timer.stop()
        geometry = bytes(self.saveGeometry().toBase64().data()).decode("ascii")
        if geometry != self._keeper.settings.window_geometry:
            self._keeper.change({"window_geometry": geometry})

    def bring_to_front(self) -> None:
        """Show the window above the others."""
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        self.show()
        self.raise_()
        self.activateWindow()

    def close(self) -> bool:
        """Close the window, a booth too: a signal or the end of a given time wants it, and no visitor."""
        self._is_ending = True
        return super().close()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Tell that the window is about to go. A booth stays when the window system alone asks, as for Alt+F4."""
        if self._booth.is_on and not self._is_ending:
            event.ignore()
            return
        self.closing.emit()
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Underline the letters of the controls while Alt is held."""
        if event.key() == Qt.Key.Key_Alt:
            show_letters(self, is_alt_held=True)
        super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Take the underlines away with Alt."""
        if event.key() == Qt.Key.Key_Alt:
            show_letters(self, is_alt_held=False)
        super().keyReleaseEvent(event)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Alt may have been released in another window; the window system may have made a booth smaller."""
        if event.type() == QEvent.Type.ActivationChange and not self.isActiveWindow():
            show_letters(self, is_alt_held=False)
        if event.type() == QEvent.Type.WindowStateChange:
            QTimer.singleShot(0, self, self._booth.keep_full_screen)
        super().changeEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Keep what lies over the picture in its place."""
        super().resizeEvent(event)
        QTimer.singleShot(0, self, self._place_overlays)

    def _lay_out(self) -> None:
        left = QVBoxLayout()
        left.setSpacing(0)
        left.addWidget(self.stage, 1)
        left.addWidget(self.bar)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addLayout(left, 1)
        row.addWidget(self.panel)

    def _connect(self) -> None:
        self._keeper.shown.connect(self.show_settings)
        self.panel.changed.connect(self._keeper.change)
        self.panel.profile.used.connect(self._keeper.use_profile)
        self.bar.start.clicked.connect(self.toggle_running)
        self.panel.on_air.obs.clicked.connect(self.ask_obs)
        self.bar.record.clicked.connect(self.toggle_recording)
        self.bar.snapshot.clicked.connect(self.take_snapshot)
        # The lamp is there while the camera is open, also when it was cut a moment ago: pressing it never turns one on.
        self.bar.camera.clicked.connect(lambda: self.panel.webcam.turn(False))
        buttons = self.bar.mute, self.bar.hud, self.bar.panel
        for button, field in zip(buttons, ("is_muted", "is_hud_visible", "is_panel_visible"), strict=True):
            button.clicked.connect(lambda _checked=False, field=field: self.toggle(field))
        for key, action in self._shortcuts():
            QShortcut(QKeySequence(key), self).activated.connect(action)

    def _shortcuts(self) -> tuple[tuple[str, Callable[[], object]], ...]:
        return (
            (bar_keys.START_KEY, self.toggle_running),
            (bar_keys.MUTE_KEY, lambda: self.toggle("is_muted")),
            (bar_keys.HUD_KEY, lambda: self.toggle("is_hud_visible")),
            (bar_keys.PANEL_KEY, lambda: self.toggle("is_panel_visible")),
            (bar_keys.RECORD_KEY, self.toggle_recording),
            (bar_keys.SNAPSHOT_KEY, self.take_snapshot),
            (bar_keys.CAMERA_KEY, self.panel.webcam.toggle),
            ("F5", self.refresh_mic),
            ("F7", self.toggle_hidden),
            ("F8", self.panic),
            (LEAVE_KEY, lambda: self.toggle("is_kiosk")),
            ("F11", self._booth.toggle_full_screen),
            ("Ctrl+Q", self.close),
        )

    def _beats(self) -> tuple[tuple[int, Callable[[], object]], ...]:
        return (
            (FRAME_POLL_MS, self.pull_picture),
            (METER_POLL_MS, self.refresh_level),
            (STATUS_POLL_MS, self.refresh_figures),
        )

    def _timer(self, interval_ms: int, action: Callable[[], object]) -> QTimer:
        timer = QTimer(self)
        timer.setTimerType(Qt.TimerType.PreciseTimer if interval_ms == FRAME_POLL_MS else Qt.TimerType.CoarseTimer)
        timer.timeout.connect(action)
        timer.start(interval_ms)
        return timer

    def _show_devices(self) -> None:
        """The lamp tells of the camera itself, not of the setting."""
        self.bar.camera.setVisible(self._pipeline.open_devices().has_webcam)

    def _show_state(self) -> None:
        is_muted = self._keeper.settings.is_muted
        self.bar.show_state(self._is_running, is_muted)
        if not self._is_running:
            caption = "Closing the microphone …" if self._pipeline.open_devices().has_mic else "Stopped"
        elif self.stage.picture is None:
            caption = "Starting …"
        else:
            caption = "Hidden" if self._is_hidden else "Muted" if is_muted else self._booth.words
        self.stage.set_state(self._is_running, self._booth.hint() or caption)

    def _told(self, key: str, action: Callable[[], object]) -> None:
        """Do something that may fail for a reason that the user can mend."""
        try:
            action()
        except UserError as error:
            self._notices.post(Notice.from_error(key, error))

    def _note_shown(self, picture: Picture) -> None:
        self._pipeline.note_shown(picture, self._clock.now_ns())

    def _place_overlays(self) -> None:
        """The figures beside the picture, or short and over it; the notices below it."""
        width_px = min(MAX_WIDTH_PX, self.stage.width() - 2 * EDGE_PX)
        height_px = self.notices.fit(width_px, self.stage.height() - LEAST_PICTURE_PX)
        room_px = MARGIN_PX + self.hud.full_width_px + EDGE_PX if self._keeper.settings.is_hud_visible else 0
        has_room = self.stage.leave_room(room_px, height_px + EDGE_PX if height_px else 0)
        card = self.stage.card()
        self.hud.set_room(Room.BESIDE if has_room else Room.OVER if card.width() > SMALL_CARD_PX else Room.LITTLE)
        self.hud.move(QPoint(MARGIN_PX, card.top()) if has_room else card.topLeft() + QPoint(EDGE_PX, EDGE_PX))
        left_px = min(card.center().x() - width_px // 2, self.stage.width() - width_px - EDGE_PX)
        top_px = self.stage.height() - height_px - EDGE_PX
        self.notices.setGeometry(max(EDGE_PX, left_px), top_px, width_px, height_px)
        self.notices.raise_()

    def _restore(self, geometry: str) -> None:
        """Stand where the window stood last; a place that is off all screens is corrected by Qt."""
        if geometry and self.restoreGeometry(QByteArray.fromBase64(geometry.encode("ascii", "replace"))):
            return
        self.resize(*first_size(QApplication.primaryScreen().availableSize()))


def first_size(room: QSize) -> tuple[int, int]:
    """Width and height of a window that has never been open, frame and all within the room of a screen."""
    return min(FIRST_SIZE_PX[0], room.width()), min(FIRST_SIZE_PX[1], room.height() - FRAME_PX)
