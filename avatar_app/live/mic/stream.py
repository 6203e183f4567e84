"""The machine's microphones, through PortAudio."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.packets import Float32
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live.audio.pulse import DOOR
from avatar_app.live.audio.sound_system import INPUT, OpenStream, SoundSystem
from avatar_app.live.mic.mic import MicDevice
from avatar_app.live.mic.pulse_sources import find_source, is_source, list_sources, route_to

PLAUSIBLE_AGE_S = 1.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the driver delivered: samples (n, channels), when the first was captured, whether sound was lost before."""

    samples: Float32
    t_capture_ns: int
    is_overflow: bool


class PortAudio:
    """Lists and opens microphones. Thread: any.

    Args:
        module: stands in for `sounddevice`.
        system: the owner of PortAudio, where it is shared with other rooms.
    """

    def __init__(self, module: Any = None, system: SoundSystem | None = None) -> None:
        self._system = SoundSystem(module) if system is None else system

    def devices(self) -> tuple[MicDevice, ...]:
        """All microphones as they were when they were last looked for; those of the sound server as they are.

        Raises:
            AudioInputError: PortAudio is not installed or does not answer.
        """
        return (*list_sources(self._system), *self._system.devices(INPUT))

    def refresh(self) -> bool:
        """Look for devices anew, see `SoundSystem.refresh`.

        Raises:
            AudioInputError: PortAudio is not installed or does not answer.
        """
        return self._system.refresh(INPUT)

    def make_known(self, name: str) -> bool:
        """Let PortAudio know a microphone that it could not open, see `SoundSystem.make_known`.

        Raises:
            AudioInputError: PortAudio is not installed or does not answer.
        """
        return not is_source(name) and self._system.make_known(INPUT, name)

    def check(self, name: str) -> None:
        """Make sure that there is such a device, looking for new ones if not.

        Raises:
            AudioInputError: there is none; the sentence names those that exist.
        """
        if is_source(name):
            find_source(self._system, name)
        else:
            self._system.check(INPUT, name)

    def open(
        self,
        name: str,
        clock: Clock,
        deliver: Callable[[Delivery], None],
        ended: Callable[[], None],
        latency: str = "low",
        source: str = "",
    ) -> OpenStream:
        """Open a microphone at its own rate.

        Args:
            name: label, or a name that only one device has; "" means the system's default.
            clock: the program's.
            deliver: called by the driver's thread with each piece of sound.
            ended: called by the driver's thread when the stream ends by itself.
            latency: "low", or "high" for a device that stays silent with the small buffer.
            source: of the sound server behind the microphone; "" for what the server chooses.

        Raises:
            AudioInputError: there is no such device, or it cannot be opened.
        """

        def callback(device: MicDevice, n_channels: int) -> Callable[..., None]:
            del n_channels
            return _callback(clock, device.rate_hz, deliver)

        if is_source(name):
            device = find_source(self._system, name)
            return self._system.open(INPUT, DOOR, latency, callback, ended, route_to(device, source or device.name))
        route = route_to(self._system.find(INPUT, name)[1], source) if source else None
        return self._system.open(INPUT, name, latency, callback, ended, route)


def _callback(clock: Clock, rate_hz: int, deliver: Callable[[Delivery], None]) -> Callable[..., None]:
    """What the driver calls: copies, stamps, leaves."""

    def callback(indata: Float32, n_samples: int, time: Any, status: Any) -> None:
        age_s = time.currentTime - time.inputBufferAdcTime
        if not 0 < age_s < PLAUSIBLE_AGE_S or not time.inputBufferAdcTime:
            # Some host APIs give no times: then the newest sample is taken as captured just now.
            age_s = n_samples / rate_hz
        deliver(Delivery(indata.copy(), clock.now_ns() - int(age_s * NS_PER_S), bool(status.input_overflow)))

    return callback
