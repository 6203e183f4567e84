"""Microphone: which one, how loud, how much it is raised."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from avatar_app.gui.ports import Catalogue, Dialogs, MicFigures, Option
from avatar_app.gui.widgets import mnemonics
from avatar_app.gui.widgets.meter import LevelMeter
from avatar_app.gui.widgets.rows import Chooser, OneLine, Section
from avatar_app.gui.widgets.theme import Tokens
from avatar_app.settings.schema import FILE_PREFIX, MIC_GAIN_RANGE_DB, Settings

SYSTEM = Option("", "System default", "Whatever the system calls its default microphone")
DEMO = Option("demo", "Built-in speech sample", "A sentence that comes with the program, again and again")
ASK_FILE = Option("ask-file", "Sound file …", "Speak with a recording, in any format")


class SoundSection(QWidget):
    """Chooser, level meter, gain.

    Signals:
        changed(dict): settings that the user changed.
    """

    changed = Signal(dict)

    def __init__(self, catalogue: Catalogue, dialogs: Dialogs) -> None:
        super().__init__()
        self._catalogue = catalogue
        self._dialogs = dialogs
        self._settings = Settings()
        self.chooser = Chooser("Microphone", "Which microphone the avatar listens to (Alt+C)")
        self.meter = LevelMeter()
        self.device_hint = OneLine("hint")
        self.gain = self._gain_slider()
        self.gain_label = QLabel()
        self.gain_label.setProperty("role", "value")
        section = Section("Mi&crophone", self.chooser)
        section.add(self.meter)
        section.add(self._gain_row())
        section.add(self.device_hint)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(section)
        self.chooser.chosen.connect(self._choose)
        self.gain.valueChanged.connect(self._gain_moved)
        self.refresh()

    def refresh(self) -> None:
        """Read the list of microphones anew."""
        self.chooser.set_options((SYSTEM, *self._catalogue.mics(), DEMO, ASK_FILE))
        self._show_mic()

    def show_settings(self, settings: Settings) -> None:
        """Show settings without telling of a change."""
        self._settings = settings
        self._show_mic()
        self.gain.blockSignals(True)
        self.gain.setValue(round(settings.mic_gain_db))
        self.gain.blockSignals(False)
        self._show_gain()

    def show_mic(self, mic: MicFigures) -> None:
        """Say what really runs."""
        is_running = bool(mic.device and mic.rate_hz)
        channels = {1: "mono", 2: "stereo"}.get(mic.n_channels, f"{mic.n_channels} channels")
        text = f"{mic.device}, {mic.rate_hz / 1000:g} kHz {channels}" if is_running else "Not running"
        self.device_hint.say(text)

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self.meter.set_tokens(tokens)

    def _show_mic(self) -> None:
        mic = self._settings.mic
        is_file = mic.startswith(FILE_PREFIX)
        text = mic.replace("\\", "/").rsplit("/", 1)[-1] if is_file else f"{mic} (not connected)"
        self.chooser.set_value(mic, text)

    def _choose(self, value: str) -> None:
        if value == ASK_FILE.value:
            path = self._dialogs.ask_sound()
            if path is None:
                self._show_mic()
                return
            value = f"file:{path}"
        self.changed.emit({"mic": value})

    def _gain_slider(self) -> QSlider:
        low, high = MIC_GAIN_RANGE_DB
        slider = QSlider(Qt.Orientation.Horizontal)
        slider.setRange(int(low), int(high))
        slider.setPageStep(5)
        slider.setProperty("role", "gain")
        slider.setAccessibleName("Gain")
        slider.setToolTip("How much the microphone is raised or lowered (Alt+G)")
        return slider

    def _gain_row(self) -> QWidget:
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(12)
        name = mnemonics.label("&Gain", self.gain, self)
        name.setProperty("role", "value")
        self.gain_label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.gain_label.setFixedWidth(52)
        layout.addWidget(name)
        layout.addWidget(self.gain, 1)
        layout.addWidget(self.gain_label)
        return row

    def _gain_moved(self, gain_db: int) -> None:
        self._show_gain()
        change: dict[str, Any] = {"mic_gain_db": float(gain_db)}
        self.changed.emit(change)

    def _show_gain(self) -> None:
        self.gain_label.setText(f"{self.gain.value():+d} dB" if self.gain.value() else "0 dB")
