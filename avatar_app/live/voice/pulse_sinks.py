"""Sinks of PulseAudio, or of PipeWire in its place: null sinks, headphones, whatever the sound server plays to.

PortAudio knows the server as a single device, `pulse`; `PULSE_SINK` leads on from there. The sinks are listed by
`pactl`, the tool of both servers.
"""

from __future__ import annotations

from avatar_app.contracts.errors import OutputError
from avatar_app.live.audio import pulse
from avatar_app.live.audio.pulse import DOOR, LABEL_END
from avatar_app.live.audio.sound_system import OUTPUT, Route, SoundDevice, SoundSystem

MONITOR_END = ".monitor"


def list_sinks(system: SoundSystem) -> tuple[SoundDevice, ...]:
    """The sinks that can be played to; none where there is no such server, or no way to it.

    Raises:
        OutputError: the sound system does not answer.
    """
    if not pulse.has_tool() or all(device.label != DOOR for device in system.devices(OUTPUT)):
        return ()
    return pulse.list_sinks()


def route_to(system: SoundSystem, label: str) -> Route | None:
    """The way to an output that is a sink; None when its label is that of another kind.

    Raises:
        OutputError: there is no such sink now.
    """
    if not label.endswith(LABEL_END):
        return None
    sinks = list_sinks(system)
    for sink in sinks:
        if sink.label == label:
            return Route(sink, {"PULSE_SINK": sink.name})
    known = "; ".join(sink.label for sink in sinks) or "another output"
    raise OutputError(f"There is no sound output named {label!r}.", f"Load it again, or choose: {known}.")


class SinkWatch:
    """Sees that a sink is gone. The server would go on with another sink, such as the loudspeakers. Thread: one."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._question = pulse.Question("list", "sinks")

    def ask(self) -> None:
        """Ask the server; nothing while it has not answered the last question."""
        self._question.ask()

    def is_gone(self) -> bool:
        """Whether an answer has come that says so; never waits."""
        answer = self._question.answer()
        return answer is not None and all(sink.label != self._label for sink in pulse.described(answer, "Sink"))

    def close(self) -> None:
        """Ask no more; twice is fine."""
        self._question.close()


def monitor_of(label: str) -> str:
    """The source from which a sink can be heard; empty for another kind of output."""
    return label.removesuffix(LABEL_END) + MONITOR_END if label.endswith(LABEL_END) else ""
