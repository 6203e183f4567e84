"""The bar below the picture: start, mute, record, and what the window shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from avatar_app.gui import keys
from avatar_app.gui.widgets.icons import Icons
from avatar_app.gui.widgets.meter import LevelMeter
from avatar_app.gui.widgets.mnemonics import TEXTLESS, name_button
from avatar_app.gui.widgets.rows import set_state
from avatar_app.gui.widgets.theme import DARK, Tokens

if TYPE_CHECKING:
    from avatar_app.live.record import RecordStatus

BUTTON_PX = 40
WIDE_BUTTON_PX = 112
SPACING_PX, NARROW_SPACING_PX = 12, 6
# Width that the bar needs with text on its buttons; beside the panel of a small window there is less.
TEXT_WIDTH_PX = 616


class Bar(QWidget):
    """The buttons; the window connects them."""

    def __init__(self, icons: Icons) -> None:
        super().__init__()
        self._icons = icons
        self._tokens = DARK
        self._state = (False, False)
        self._is_recording = self._is_saving = self._is_narrow = False
        self.start = _text_button("primary", is_checkable=False)
        self.mute = _text_button("plain")
        self.mute.setAccessibleName("Mute the microphone")
        self.meter = LevelMeter(is_compact=True)
        self.meter.setMaximumWidth(240)
        self.record = _text_button("plain")
        self.record.setAccessibleName("Record")
        self.snapshot = _icon_button("Snapshot", "Take a snapshot", keys.SNAPSHOT)
        self.snapshot.setCheckable(False)
        self.camera = _icon_button("Turn the webcam off", "The webcam is on. Click to turn it off", keys.WEBCAM)
        self.camera.setCheckable(False)
        self.camera.setProperty("state", "live")
        self.camera.setVisible(False)
        self.hud = _icon_button("Statistics", "Show or hide statistics", keys.STATISTICS)
        self.panel = _icon_button("Settings panel", "Show or hide settings", keys.PANEL)
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
        """Hide the texts where the bar is too narrow for them."""
        super().resizeEvent(event)
        is_narrow = event.size().width() < TEXT_WIDTH_PX
        if is_narrow == self._is_narrow:
            return
        self._is_narrow = is_narrow
        for button in (self.start, self.mute, self.record):
            button.setProperty(TEXTLESS, is_narrow)
            button.setMinimumWidth(BUTTON_PX + 4 if is_narrow else WIDE_BUTTON_PX)
        row = self.layout()
        if row is not None:
            row.setSpacing(NARROW_SPACING_PX if is_narrow else SPACING_PX)
        self._show_state_texts()
        self._show_record_text()

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self._tokens = tokens
        self.meter.set_tokens(tokens)
        self.camera.setIcon(self._icons.icon("webcam", tokens.good))
        self.snapshot.setIcon(self._icons.icon("snapshot", tokens.text))
        self.hud.setIcon(self._icons.icon("hud", tokens.text))
        self.panel.setIcon(self._icons.icon("panel", tokens.text))
        self._show_state_texts()
        self._show_record_text()

    def show_state(self, is_running: bool, is_muted: bool) -> None:
        """Name the buttons after what a click does, and show the state."""
        # A click has toggled the button already, even if the command failed.
        self.mute.setChecked(is_muted)
        if (is_running, is_muted) != self._state:
            self._state = is_running, is_muted
            self._show_state_texts()

    def show_recording(self, status: RecordStatus) -> None:
        """Show the length of the recording, or the progress of saving, during which the next one may start."""
        is_on, is_saving = status.is_active, status.is_saving and status.saved_share > 0
        self.record.setChecked(is_on)
        if (is_on, is_saving) != (self._is_recording, self._is_saving):
            self._is_recording, self._is_saving = is_on, is_saving
            self._show_record_text()
        if is_on or is_saving:
            text = _clock(status.seconds) if is_on else f"Saving {status.saved_share:.0%}"
            self.record.setText("" if self._is_narrow else text)

    def _show_state_texts(self) -> None:
        is_running, is_muted = self._state
        colour = self._tokens.text if is_running else self._tokens.on_accent
        name_button(self.start, "&Stop" if is_running else "&Start")
        self.start.setAccessibleName("Stop" if is_running else "Start")
        self.start.setIcon(self._icons.icon("stop" if is_running else "start", colour))
        self.start.setToolTip(_tip("Stop the avatar" if is_running else "Start the avatar", keys.START))
        name_button(self.mute, "Un&mute" if is_muted else "&Mute")
        mute_colour = self._tokens.danger if is_muted else self._tokens.text
        self.mute.setIcon(self._icons.icon("mic-off" if is_muted else "mic", mute_colour))
        self.mute.setToolTip(_tip("Unmute the microphone" if is_muted else "Mute the microphone", keys.MUTE))
        set_state(self.start, "running" if is_running else "stopped")
        set_state(self.mute, "muted" if is_muted else "open")

    def _show_record_text(self) -> None:
        is_on = self._is_recording
        if not is_on:
            name_button(self.record, "R&ecord")
        self.record.setIcon(self._icons.icon("record", self._tokens.danger if is_on else self._tokens.text))
        self.record.setToolTip(_tip("Stop recording" if is_on else "Record picture and voice", keys.RECORD))


def _clock(seconds: float) -> str:
    """Hours if any, minutes and seconds."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _text_button(role: str, *, is_checkable: bool = True) -> QPushButton:
    button = QPushButton()
    button.setProperty("role", role)
    button.setCheckable(is_checkable)
    button.setMinimumWidth(WIDE_BUTTON_PX)
    button.setFixedHeight(BUTTON_PX)
    button.setIconSize(QSize(20, 20))
    return button


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
    """A tooltip with its shortcut."""
    return f"{text} ({keys.native(key)})"
