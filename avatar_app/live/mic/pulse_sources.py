"""Sources of PulseAudio, or of PipeWire in its place: each microphone by the name that the sound server shows.

PortAudio knows the server as a single device, `pulse`; `PULSE_SOURCE` leads on from there.
"""

from __future__ import annotations

from avatar_app.contracts.errors import AudioInputError
from avatar_app.live.audio import pulse
from avatar_app.live.audio.pulse import DOOR, LABEL_END
from avatar_app.live.audio.sound_system import INPUT, Route, SoundDevice, SoundSystem


def list_sources(system: SoundSystem) -> tuple[SoundDevice, ...]:
    """The sources that can be recorded from; none where there is no such server, or no way to it.

    Raises:
        AudioInputError: the sound system does not answer.
    """
    if not pulse.has_tool() or all(device.label != DOOR for device in system.devices(INPUT)):
        return ()
    return pulse.list_sources()


def find_source(system: SoundSystem, label: str) -> SoundDevice:
    """The source of a label.

    Raises:
        AudioInputError: there is none now; the sentence names those that exist.
    """
    sources = list_sources(system)
    for source in sources:
        if source.label == label:
            return source
    known = "; ".join(source.label for source in sources) or "another microphone"
    raise AudioInputError(f"There is no microphone named {label!r}.", f"Plug it in, or choose: {known}.")


def is_source(label: str) -> bool:
    """Whether a label is that of a source of the server."""
    return label.endswith(LABEL_END)


def route_to(device: SoundDevice, source: str) -> Route:
    """The way to a source behind a device."""
    return Route(device, {"PULSE_SOURCE": source})
