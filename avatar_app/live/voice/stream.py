"""The machine's sound outputs, through PortAudio and the sound server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.packets import Float32
from avatar_app.contracts.units import s_to_ns
from avatar_app.live.audio.pulse import SERVER_DEVICE
from avatar_app.live.audio.pulse_devices import find_server_device, is_server_label, list_server_devices, route_to
from avatar_app.live.audio.sound_device import OUTPUT, SoundDevice
from avatar_app.live.audio.sound_system import SOUND_SYSTEM, OpenStream, SoundSystem
from avatar_app.live.voice.player import Player, Stamp

# Bluetooth headphones have a latency of about 300 ms; a driver that reports more than this is wrong.
MAX_LATENCY_S = 2.0


def list_outputs(system: SoundSystem = SOUND_SYSTEM) -> tuple[SoundDevice, ...]:
    """All sound outputs of this machine, selected by their `label`.

    Raises:
        OutputError: the sound system does not answer.
    """
    return (*system.devices(OUTPUT), *list_server_devices(system, OUTPUT))


def open_output(
    system: SoundSystem,
    name: str,
    latency: str,
    clock: Clock,
    make_player: Callable[[SoundDevice], Player],
    note: Callable[[Stamp], None],
    ended: Callable[[], None],
) -> OpenStream:
    """Open an output at its own rate.

    Args:
        system: the owner of PortAudio.
        name: label of a device or of a sink of the sound server, or a name that only one output has.
        latency: "low" or "high".
        clock: the program's.
        make_player: makes the player whose buffer the driver reads.
        note: called on the driver's thread after each buffer.
        ended: called on the driver's thread when the stream ends.

    Raises:
        OutputError: there is no such output, or it cannot be opened.
    """

    def callback(device: SoundDevice, n_channels: int) -> Callable[..., None]:
        del n_channels
        return _callback(clock, device.rate_hz, make_player(device), note)

    if not is_server_label(name):
        return system.open(OUTPUT, name, latency, callback, ended)
    sink = find_server_device(system, OUTPUT, name)
    return system.open(OUTPUT, SERVER_DEVICE, latency, callback, ended, route_to(OUTPUT, sink.name, sink))


def _callback(clock: Clock, rate_hz: int, player: Player, note: Callable[[Stamp], None]) -> Callable[..., None]:
    """The driver's callback: copies, stamps and returns."""
    buffer = player.buffer

    def callback(outdata: Float32, n_samples: int, time: Any, status: Any) -> None:
        t_now_ns = clock.now_ns()
        latency_s = time.outputBufferDacTime - time.currentTime
        if not 0 < latency_s < MAX_LATENCY_S or not time.outputBufferDacTime:
            # Some host APIs report no times: then this buffer follows the one that is being played.
            latency_s = n_samples / rate_hz
        stamp = Stamp(buffer.n_read, n_samples, t_now_ns + s_to_ns(latency_s), bool(status.output_underflow))
        buffer.read(outdata)
        note(stamp)

    return callback
