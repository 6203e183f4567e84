"""The bar under the picture: start and stop, mute, and what is shown."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtGui import QKeySequence, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from avatar_app.gui.widgets.icons import Icons
from avatar_app.gui.widgets.meter import LevelMeter
from avatar_app.gui.widgets.mnemonics import TEXTLESS, name_button
from avatar_app.gui.widgets.rows import set_state
from avatar_app.gui.widgets.theme import DARK, Tokens

START_KEY = "Ctrl+R"
MUTE_KEY = "Ctrl+D"
HUD_KEY = "Ctrl+I"
PANEL_KEY = "Ctrl+B"
CAMERA_KEY = "F4"
RECORD_KEY = "F9"
SNAPSHOT_KEY = "F10"
BUTTON_PX = 40
WIDE_BUTTON_PX = 112
SPACING_PX, NARROW_SPACING_PX = 12, 6
# With words on its buttons the bar needs so much; beside the panel of a small window there is less.
WORDS_PX = 616


class Bar(QWidget):
    """Buttons alone; the window connects them."""

    def __init__(self, icons: Icons) -> None:
        super().__init__()
        self._icons = icons
        self._tokens = DARK
        self._state = (False, False)
        self._is_recording = self._is_saving = self._is_narrow = False
        self.start = QPushButton()
        self.start.setProperty("role", "primary")
        self.mute = QPushButton()
        self.mute.setProperty("role", "plain")
        self.mute.setCheckable(True)
        self.mute.setAccessibleName("Mute the microphone")
        self.meter = LevelMeter(is_compact=True)
        self.meter.setMaximumWidth(240)
        self.record = QPushButton()
        self.record.setProperty("role", "plain")
        self.record.setCheckable(True)
        self.record.setAccessibleName("Record")
        self.snapshot = _icon_button("Snapshot", "Keep this picture", SNAPSHOT_KEY)
        self.snapshot.setCheckable(False)
        self.camera = _icon_button("Cut the camera", "The camera looks at you. Press to cut it", CAMERA_KEY)
        self.camera.setCheckable(False)
        self.camera.setProperty("state", "live")
        self.camera.setVisible(False)
        self.hud = _icon_button("Figures", "Show or hide the figures", HUD_KEY)
        self.panel = _icon_button("Settings panel", "Show or hide the settings", PANEL_KEY)
        for button in (self.start, self.mute, self.record):
            button.setMinimumWidth(WIDE_BUTTON_PX)
            button.setFixedHeight(BUTTON_PX)
            button.setIconSize(QSize(20, 20))
        self._lay_out()

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(24, 0, 24, 20)
        row.setSpacing(SPACING_PX)
        row.addWidget(self.start)
        row.addWidget(self.mute)
        row.addWidget(self.record)
        row.addWidget(self.meter, 1)
        row.addStretch(1)
        row.addWidget(self.camera)
        row.addWidget(self.snapshot)
        row.addWidget(self.hud)
        row.addWidget(self.panel)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Icons alone where words would lie over each other."""
        super().resizeEvent(event)
        is_narrow = event.size().width() < WORDS_PX
        if is_narrow == self._is_narrow:
            return
        self._is_narrow = is_narrow
        for button in (self.start, self.mute, self.record):
            button.setProperty(TEXTLESS, is_narrow)
            button.setMinimumWidth(BUTTON_PX + 4 if is_narrow else WIDE_BUTTON_PX)
        row = self.layout()
        if row is not None:
            row.setSpacing(NARROW_SPACING_PX if is_narrow else SPACING_PX)
        self._dress_state()
        self._dress_record()

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self._tokens = tokens
        self.meter.set_tokens(tokens)
        self.camera.setIcon(self._icons.icon("webcam", tokens.good))
        self.snapshot.setIcon(self._icons.icon("snapshot", tokens.text))
        self.hud.setIcon(self._icons.icon("hud", tokens.text))
        self.panel.setIcon(self._icons.icon("panel", tokens.text))
        self._dress_state()
        self._dress_record()

    def show_state(self, is_running: bool, is_muted: bool) -> None:
        """Name the buttons after what a press does, and show what is so now."""
        # A press has turned the button already, whatever came of it.
        self.mute.setChecked(is_muted)
        if (is_running, is_muted) != self._state:
            self._state = is_running, is_muted
            self._dress_state()

    def show_recording(self, seconds: float | None, saved_share: float = 0.0) -> None:
        """Say for how long a recording runs, or how much of it is saved. Cheap while nothing changes.

        Args:
            seconds: its length; None when none runs.
            saved_share: of the last one, 0..1, above 0 while it is saved; the next one may begin then.
        """
        is_on, is_saving = seconds is not None, saved_share > 0
        self.record.setChecked(is_on)
        if (is_on, is_saving) != (self._is_recording, self._is_saving):
            self._is_recording, self._is_saving = is_on, is_saving
            self._dress_record()
        if seconds is not None or is_saving:
            text = f"Saving {saved_share:.0%}" if seconds is None else _clock(seconds)
            self.record.setText("" if self._is_narrow else text)

    def _dress_state(self) -> None:
        is_running, is_muted = self._state
        colour = self._tokens.text if is_running else self._tokens.on_accent
        name_button(self.start, "&Stop" if is_running else "&Start")
        self.start.setAccessibleName("Stop" if is_running else "Start")
        self.start.setIcon(self._icons.icon("stop" if is_running else "start", colour))
        self.start.setToolTip(_tip("Stop the avatar" if is_running else "Start the avatar", START_KEY))
        name_button(self.mute, "Un&mute" if is_muted else "&Mute")
        mute_colour = self._tokens.danger if is_muted else self._tokens.text
        self.mute.setIcon(self._icons.icon("mic-off" if is_muted else "mic", mute_colour))
        self.mute.setToolTip(_tip("Listen again" if is_muted else "Stop listening; the face rests", MUTE_KEY))
        set_state(self.start, "running" if is_running else "stopped")
        set_state(self.mute, "muted" if is_muted else "open")

    def _dress_record(self) -> None:
        is_on = self._is_recording
        if not is_on:
            name_button(self.record, "R&ecord")
        self.record.setIcon(self._icons.icon("record", self._tokens.danger if is_on else self._tokens.text))
        self.record.setToolTip(_tip("End the recording" if is_on else "Record picture and voice", RECORD_KEY))


def _clock(seconds: float) -> str:
    """Minutes and seconds, hours where there are some."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _icon_button(name: str, tip: str, key: str) -> QPushButton:
    button = QPushButton()
    button.setProperty("role", "icon")
    button.setCheckable(True)
    button.setFixedSize(BUTTON_PX, BUTTON_PX)
    button.setIconSize(QSize(22, 22))
    button.setAccessibleName(name)
    button.setToolTip(_tip(tip, key))
    return button


def _tip(text: str, key: str) -> str:
    """A tool tip that names the key as this system writes it."""
    return f"{text} ({QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)})"
