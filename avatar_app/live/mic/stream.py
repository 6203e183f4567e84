"""The machine's microphones, through PortAudio and the sound server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.packets import Float32
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live.audio.pulse import SERVER_DEVICE
from avatar_app.live.audio.pulse_devices import find_server_device, is_server_label, list_server_devices, route_to
from avatar_app.live.audio.sound_device import INPUT, Route, SoundDevice
from avatar_app.live.audio.sound_system import OpenStream, SoundSystem

MAX_AGE_S = 1.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One call of the driver: samples (n, channels), capture instant of the first, whether samples were lost before."""

    samples: Float32
    t_capture_ns: int
    is_overflow: bool


class Microphones:
    """Lists and opens microphones. Thread: any.

    Args:
        module: replaces `sounddevice`.
        system: the owner of PortAudio, if other packages share it.
    """

    def __init__(self, module: Any = None, system: SoundSystem | None = None) -> None:
        self._system = SoundSystem(module) if system is None else system

    def devices(self) -> tuple[SoundDevice, ...]:
        """All microphones: the sound server's as they are now, the others as of the last refresh.

        Raises:
            AudioInputError: PortAudio is not installed or does not answer.
        """
        return (*list_server_devices(self._system, INPUT), *self._system.devices(INPUT))

    def refresh(self) -> bool:
        """List the devices again, see `SoundSystem.refresh`.

        Raises:
            AudioInputError: PortAudio is not installed or does not answer.
        """
        return self._system.refresh(INPUT)

    def make_known(self, name: str) -> bool:
        """Make PortAudio list a microphone that it could not open, see `SoundSystem.make_known`.

        Raises:
            AudioInputError: PortAudio is not installed or does not answer.
        """
        return not is_server_label(name) and self._system.make_known(INPUT, name)

    def check(self, name: str) -> None:
        """Check that a microphone exists, including one plugged in a moment ago.

        Raises:
            AudioInputError: there is none; the message names those that exist.
        """
        if is_server_label(name):
            find_server_device(self._system, INPUT, name)
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
            deliver: called on the driver's thread with each piece of sound.
            ended: called on the driver's thread when the stream ends by itself.
            latency: "low", or "high" for a device that delivers nothing with a small buffer.
            source: of the sound server behind the microphone; "" for the server's choice.

        Raises:
            AudioInputError: there is no such device, or it cannot be opened.
        """

        def callback(device: SoundDevice, n_channels: int) -> Callable[..., None]:
            del n_channels
            return _callback(clock, device.rate_hz, deliver)

        route: Route | None = None
        if is_server_label(name):
            device = find_server_device(self._system, INPUT, name)
            name, route = SERVER_DEVICE, route_to(INPUT, source or device.name, device)
        elif source:
            route = route_to(INPUT, source, self._system.find(INPUT, name)[1])
        return self._system.open(INPUT, name, latency, callback, ended, route)


def _callback(clock: Clock, rate_hz: int, deliver: Callable[[Delivery], None]) -> Callable[..., None]:
    """The driver's callback: copies, stamps and returns."""

    def callback(indata: Float32, n_samples: int, time: Any, status: Any) -> None:
        age_s = time.currentTime - time.inputBufferAdcTime
        if not 0 < age_s < MAX_AGE_S or not time.inputBufferAdcTime:
            # Some host APIs report no times: then the newest sample counts as captured now.
            age_s = n_samples / rate_hz
        deliver(Delivery(indata.copy(), clock.now_ns() - int(age_s * NS_PER_S), bool(status.input_overflow)))

    return callback
