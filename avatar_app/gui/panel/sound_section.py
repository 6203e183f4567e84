"""Microphone: device, level and gain, noise suppression and automatic gain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QWidget

from avatar_app.gui.panel.group import Group
from avatar_app.gui.ports import Catalogue, Dialogs, Option
from avatar_app.gui.widgets import mnemonics
from avatar_app.gui.widgets.meter import LevelMeter
from avatar_app.gui.widgets.rows import Chooser, OneLine, Section
from avatar_app.gui.widgets.segments import Choice, Segments
from avatar_app.gui.widgets.theme import Tokens
from avatar_app.settings.schema import FILE_PREFIX, MIC_GAIN_RANGE_DB, Settings

if TYPE_CHECKING:
    from avatar_app.live.mic import MicStatus

SYSTEM = Option("", "System default", "The default microphone of the system")
DEMO = Option("demo", "Built-in speech sample", "A sentence that repeats")
ASK_FILE = Option("ask-file", "Sound file …", "A recording in any common format")

NOISE_CHOICES = (
    Choice("off", "Off", "No noise suppression"),
    Choice("mild", "Mild", "For fans and room noise"),
    Choice("strong", "Strong", "For loud rooms and keyboards"),
)
GAIN_CHOICES = (
    Choice(False, "Off", "No automatic gain"),
    Choice(True, "On", "Raises a quiet voice and lowers a loud one"),
)
LIPS_ONLY = "Affects the lips only, not the voice in outputs and recordings."


class SoundSection(Group):
    """Device, level meter and gain."""

    def __init__(self, catalogue: Catalogue, dialogs: Dialogs) -> None:
        super().__init__()
        self._catalogue = catalogue
        self._dialogs = dialogs
        self._settings = Settings()
        self.chooser = Chooser("Microphone", "The microphone that drives the lips (Alt+C)")
        self.meter = LevelMeter()
        self.device_hint = OneLine("hint")
        self.gain = self._gain_slider()
        self.gain_label = QLabel()
        self.gain_label.setProperty("role", "value")
        section = Section("Mi&crophone", self.chooser)
        section.add(self.meter)
        section.add(self._gain_row())
        section.add(self.device_hint)
        self._add(section)
        self.chooser.chosen.connect(self._choose)
        self.gain.valueChanged.connect(self._gain_moved)
        self.refresh()

    def refresh(self) -> None:
        """List the microphones again."""
        self.chooser.set_options((SYSTEM, *self._catalogue.mics(), DEMO, ASK_FILE))
        self._show_mic()

    def show_settings(self, settings: Settings) -> None:
        """Show settings without emitting `changed`."""
        self._settings = settings
        self._show_mic()
        self.gain.blockSignals(True)
        self.gain.setValue(round(settings.mic_gain_db))
        self.gain.blockSignals(False)
        self._show_gain()

    def show_mic(self, mic: MicStatus) -> None:
        """Show the device in use."""
        is_running = bool(mic.device and mic.rate_hz)
        channels = {1: "mono", 2: "stereo"}.get(mic.n_channels, f"{mic.n_channels} channels")
        text = f"{mic.device}, {mic.rate_hz / 1000:g} kHz {channels}" if is_running else "Not running"
        self.device_hint.set_line(text)

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
        slider.setToolTip("Gain of the microphone (Alt+G)")
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
        self.changed.emit({"mic_gain_db": float(gain_db)})

    def _show_gain(self) -> None:
        self.gain_label.setText(f"{self.gain.value():+d} dB" if self.gain.value() else "0 dB")


class CleaningGroup(Group):
    """Noise suppression and automatic gain of the sound that drives the lips."""

    def __init__(self) -> None:
        super().__init__()
        self.noise = Segments("Noise suppression", NOISE_CHOICES)
        self.auto_gain = Segments("Automatic gain", GAIN_CHOICES)
        self.noise.setToolTip(f"Removes noise from the microphone (Alt+N). {LIPS_ONLY}")
        self.auto_gain.setToolTip(f"Keeps speech at one level (Alt+I). {LIPS_ONLY}")
        self._add(Section("&Noise suppression", self.noise))
        self._add(Section("Automat&ic gain", self.auto_gain))
        self.noise.chosen.connect(lambda value: self.changed.emit({"noise_suppression": value}))
        self.auto_gain.chosen.connect(lambda is_on: self.changed.emit({"is_auto_gain_on": is_on}))

    def show_settings(self, settings: Settings) -> None:
        """Show settings without emitting `changed`."""
        self.noise.set_value(settings.noise_suppression)
        self.auto_gain.set_value(settings.is_auto_gain_on)
