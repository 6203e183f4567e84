"""Voice in sync: the output that plays the delayed voice, or the delay in OBS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QPushButton

from avatar_app.gui.panel.sink_section import SinkSection, SinkServices
from avatar_app.gui.ports import Option
from avatar_app.gui.widgets.rows import Chooser, Section
from avatar_app.live.voice import VoiceState
from avatar_app.settings.schema import Settings

if TYPE_CHECKING:
    from avatar_app.live.sinks import SinksStatus
    from avatar_app.live.voice import VoiceStatus

OFF = Option("", "Off", "No output")


class VoiceSection(SinkSection):
    """The output of the voice. None is chosen automatically."""

    def __init__(self, services: SinkServices) -> None:
        super().__init__()
        self._outputs = services.outputs
        self._name = ""
        self.output = Chooser("Voice in sync", "Plays your voice in time with the picture (Alt+C)")
        self.obs = QPushButton("Delay in OBS …")
        self.obs.setProperty("role", "swatch")
        self.obs.setToolTip("Delay your microphone in OBS instead")
        section = self._add(Section("Voi&ce in sync", self.output))
        section.add(self.obs)
        self.status = section.value_label
        self.output.chosen.connect(lambda value: self.changed.emit({"voice_output": value}))
        self.obs.clicked.connect(services.ask_obs)
        self.refresh()

    def refresh(self) -> None:
        """List the outputs again."""
        self.output.set_options((OFF, *self._outputs()))
        self._show_output()

    def show_settings(self, settings: Settings) -> None:
        """Show settings without emitting `changed`."""
        self._name = settings.voice_output
        self._show_output()

    def show_status(self, status: SinksStatus, *, has_mic: bool) -> None:
        """See `SinkSection`."""
        voice = status.voice
        is_playing = voice.state is VoiceState.RUNNING and has_mic
        tip = f"clock drift {voice.drift_ppm:+.0f} ppm" if is_playing else ""
        self.status.set_line(status_text(voice, has_mic=has_mic), tip)

    def _show_output(self) -> None:
        self.output.set_value(self._name, f"{self._name} (not connected)")


def status_text(voice: VoiceStatus, *, has_mic: bool) -> str:
    """The delay, or why nothing plays; empty while it is off."""
    if voice.state is VoiceState.STOPPED:
        return ""
    if voice.is_feedback:
        return "Off: feedback with the mic"
    if voice.state is VoiceState.LOST:
        return "Output not connected"
    return f"{voice.delay_ms:.0f} ms delay" if has_mic else "Waiting for the microphone"
