"""The machine's sound outputs, through PortAudio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.packets import Float32
from avatar_app.contracts.units import s_to_ns
from avatar_app.live.audio.pulse import DOOR
from avatar_app.live.audio.sound_system import OUTPUT, OpenStream, SoundDevice, SoundSystem
from avatar_app.live.voice.player import Player, Stamp
from avatar_app.live.voice.pulse_sinks import route_to

# Bluetooth headphones are late by a third of a second; what says more does not know.
PLAUSIBLE_LATENCY_S = 2.0


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
        make_player: gives the player whose buffer the driver empties.
        note: called by the driver's thread after each piece.
        ended: called by the driver's thread when the stream ends.

    Raises:
        OutputError: there is no such output, or it cannot be opened.
    """

    def callback(device: SoundDevice, n_channels: int) -> Callable[..., None]:
        del n_channels
        return _callback(clock, device.rate_hz, make_player(device), note)

    route = route_to(system, name)
    return system.open(OUTPUT, name if route is None else DOOR, latency, callback, ended, route)


def _callback(clock: Clock, rate_hz: int, player: Player, note: Callable[[Stamp], None]) -> Callable[..., None]:
    """What the driver calls: copies, stamps, leaves."""
    buffer = player.buffer

    def callback(outdata: Float32, n_samples: int, time: Any, status: Any) -> None:
        t_now_ns = clock.now_ns()
        latency_s = time.outputBufferDacTime - time.currentTime
        if not 0 < latency_s < PLAUSIBLE_LATENCY_S or not time.outputBufferDacTime:
            # Some host APIs give no times: then this piece follows the one that is being played.
            latency_s = n_samples / rate_hz
        stamp = Stamp(buffer.n_read, n_samples, t_now_ns + s_to_ns(latency_s), bool(status.output_underflow))
        buffer.read(outdata)
        note(stamp)

    return callback
