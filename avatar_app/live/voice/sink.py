"""The voice in sync as a sink."""

from __future__ import annotations

from avatar_app.contracts.handoff import Fan, Mailboxes
from avatar_app.contracts.packets import Picture, VoiceBlock
from avatar_app.contracts.sink import Sink, SinkContext
from avatar_app.live.voice.delay import shown_delay_ns
from avatar_app.live.voice.output import VoiceOutput
from avatar_app.live.voice.voice import VoiceStatus
from avatar_app.settings.schema import Settings


class VoiceSink(Sink[Settings]):
    """Plays the microphone's sound, delayed so that it matches the picture. Thread: see `Sink`."""

    name = "voice"
    title = "The voice in sync"
    fields = ("voice_output",)

    def __init__(self, context: SinkContext[Settings]) -> None:
        self._context = context
        self._output: VoiceOutput | None = None

    def is_on(self, settings: Settings) -> bool:
        """See `Sink`."""
        return settings.voice_output != ""

    def start(self, settings: Settings, pictures: Mailboxes[Picture], voice: Fan[VoiceBlock]) -> None:
        """See `Sink`.

        Raises:
            OutputError: there is no such output, or it cannot be opened.
        """
        del pictures
        output = VoiceOutput(
            settings.voice_output,
            voice,
            self.delay_ns,
            self._context.clock,
            self._context.notices,
            mic_source=self._context.source.mic_source,
        )
        output.start()
        self._output = output

    def stop(self) -> None:
        """See `Sink`."""
        output, self._output = self._output, None
        if output is not None:
            output.stop()

    def status(self) -> VoiceStatus | None:
        """See `Sink`."""
        output = self._output
        return output.status() if output is not None else None

    def delay_ns(self) -> float:
        """Delay at which a voice matches the picture; NaN while it is not known. Thread: any."""
        return shown_delay_ns(*self._context.source.latency_ms(), fps=self._context.settings().fps)
