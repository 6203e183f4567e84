"""The sources and sinks of the sound server: microphones, headphones, null sinks, each under the server's name.

PortAudio knows the server as a single device, `pulse`. The variables `PULSE_SOURCE` and `PULSE_SINK` select the source
or sink behind it.
"""

from __future__ import annotations

from avatar_app.live.audio import pulse
from avatar_app.live.audio.pulse import LABEL_END, SERVER_DEVICE
from avatar_app.live.audio.sound_device import INPUT, OUTPUT, Route, Side, SoundDevice
from avatar_app.live.audio.sound_system import SoundSystem

KINDS = {INPUT.key: "Source", OUTPUT.key: "Sink"}
VARIABLES = {INPUT.key: "PULSE_SOURCE", OUTPUT.key: "PULSE_SINK"}
MONITOR_END = ".monitor"


def is_server_label(label: str) -> bool:
    """Whether a label is that of a source or sink."""
    return label.endswith(LABEL_END)


def list_server_devices(system: SoundSystem, side: Side) -> tuple[SoundDevice, ...]:
    """The sources or sinks; none where there is no server, or PortAudio cannot reach it.

    Raises:
        AudioInputError, OutputError: the sound system does not answer.
    """
    if not pulse.has_tool() or all(device.label != SERVER_DEVICE for device in system.devices(side)):
        return ()
    kind = KINDS[side.key]
    return pulse.devices_of(pulse.query("list", f"{kind.lower()}s"), kind)


def find_server_device(system: SoundSystem, side: Side, label: str) -> SoundDevice:
    """The source or sink with a label.

    Raises:
        AudioInputError, OutputError: there is none; the message names those that exist.
    """
    devices = list_server_devices(system, side)
    for device in devices:
        if device.label == label:
            return device
    known = f"choose: {'; '.join(device.label for device in devices)}" if devices else f"choose another {side.noun}"
    raise side.error(f"There is no {side.noun} named {label!r}.", f"Connect it, or {known}.")


def route_to(side: Side, name: str, device: SoundDevice) -> Route:
    """The route that opens a device and leads to a source or sink.

    Args:
        side: of the device.
        name: of the source or sink.
        device: described as opened.
    """
    return Route(device, {VARIABLES[side.key]: name})


def monitor_of(label: str) -> str:
    """Name of the source that records what a sink plays; empty for the label of any other device."""
    return label.removesuffix(LABEL_END) + MONITOR_END if is_server_label(label) else ""
