"""The machine's microphones, through PortAudio. All that is particular to `sounddevice` is in this file."""

from __future__ import annotations

import difflib
import importlib
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import AudioInputError
from avatar_app.contracts.packets import Float32
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live.mic.mic import MicDevice

log = logging.getLogger(__name__)

LIST_TIMEOUT_S = 10.0
# Sound servers offer dozens of channels where there is one microphone.
MAX_CHANNELS = 8
PLAUSIBLE_AGE_S = 1.0
INSTALL_PORTAUDIO = "Install it (Debian, Ubuntu: `apt install libportaudio2`) and start again."


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the driver delivered: samples (n, channels), when the first was captured, whether sound was lost before."""

    samples: Float32
    t_capture_ns: int
    is_overflow: bool


@dataclass(frozen=True)
class OpenDevice:
    """A device that delivers."""

    device: MicDevice
    n_channels: int
    close: Callable[[], None]


class PortAudio:
    """Lists and opens devices. Thread: any.

    PortAudio sees devices that were plugged in later only after it is started anew, which no open stream survives;
    so streams are counted.

    Args:
        module: stands in for `sounddevice`.
    """

    def __init__(self, module: Any = None) -> None:
        self._module = module
        self._lock = threading.RLock()
        self._n_open = 0
        self._listed_by_child: tuple[MicDevice, ...] | None = None

    def devices(self) -> tuple[MicDevice, ...]:
        """All microphones, as they were when they were last looked for.

        Raises:
            AudioInputError: PortAudio is not installed or does not answer.
        """
        with self._lock:
            return self._listed_by_child or tuple(device for _, device in self._numbered())

    def refresh(self) -> bool:
        """Look for devices anew, for up to a second.

        While a stream is open, PortAudio stays as it is and another process looks: new devices are listed then, and can
        be opened when the stream is closed.

        Returns:
            Whether PortAudio itself was started anew.

        Raises:
            AudioInputError: PortAudio is not installed or does not answer.
        """
        with self._lock:
            if self._n_open:
                self._listed_by_child = self._ask_child()
                return False
            self._listed_by_child = None
            sd = self._sounddevice()
            # The only way to see new devices; the names are private but have been stable since 2015.
            self._ask(sd._terminate)
            self._ask(sd._initialize)
            return True

    def _ask_child(self) -> tuple[MicDevice, ...] | None:
        """The list that a process of its own sees; None when it cannot tell."""
        code = f"from {__name__} import print_devices; print_devices()"
        try:
            done = self._run_child([sys.executable, "-c", code])
            return tuple(MicDevice(**entry) for entry in json.loads(done))
        except (OSError, ValueError, TypeError, subprocess.SubprocessError) as error:
            log.warning("the list of microphones stays as it was: %s", error)
            return None

    def _run_child(self, command: list[str]) -> str:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIST_TIMEOUT_S, check=True)  # noqa: S603
        return done.stdout

    def check(self, name: str) -> None:
        """Make sure that there is such a device, looking for new ones if not.

        Raises:
            AudioInputError: there is none; the sentence names those that exist.
        """
        with self._lock:
            try:
                self._find(name)
            except AudioInputError:
                if not self.refresh():
                    raise
                self._find(name)

    def open(
        self,
        name: str,
        clock: Clock,
        deliver: Callable[[Delivery], None],
        ended: Callable[[], None],
        latency: str = "low",
    ) -> OpenDevice:
        """Open a microphone at its own rate.

        Args:
            name: label, or a name that only one device has; "" means the system's default.
            clock: the program's.
            deliver: called by the driver's thread with each piece of sound.
            ended: called by the driver's thread when the stream ends by itself.
            latency: "low", or "high" for a device that stays silent with the small buffer.

        Raises:
            AudioInputError: there is no such device, or it cannot be opened.
        """
        with self._lock:
            index, device = self._find(name)
            stream, n_channels = self._open_stream(index, device, clock, deliver, ended, latency)
            self._n_open += 1
        return OpenDevice(device, n_channels, lambda: self._close(stream))

    def _close(self, stream: Any) -> None:
        with self._lock:
            self._n_open -= 1
            # A device that is gone cannot be stopped politely; PortAudio says so, and closing is all that is left.
            stream.abort(ignore_errors=True)
            stream.close(ignore_errors=True)

    def _open_stream(
        self,
        index: int,
        device: MicDevice,
        clock: Clock,
        deliver: Callable[[Delivery], None],
        ended: Callable[[], None],
        latency: str,
    ) -> tuple[Any, int]:
        sd = self._sounddevice()
        wanted = device.n_channels if device.n_channels <= MAX_CHANNELS else 2
        problem: Exception | None = None
        for n_channels in sorted({wanted, 1}, reverse=True):
            try:
                stream = sd.InputStream(
                    device=index,
                    samplerate=device.rate_hz,
                    channels=n_channels,
                    dtype="float32",
                    blocksize=device.rate_hz // 100,
                    latency=latency,
                    callback=_callback(clock, device.rate_hz, deliver),
                    finished_callback=ended,
                )
                stream.start()
                return stream, n_channels
            except (sd.PortAudioError, ValueError, OSError) as error:  # noqa: PERF203
                problem = error
        raise AudioInputError(
            f"The microphone {device.label} cannot be opened: {problem}.",
            "Close other programs that use it, allow this program to use it, or choose another microphone.",
        ) from problem

    def _find(self, name: str) -> tuple[int, MicDevice]:
        numbered = self._numbered()
        if not numbered:
            raise AudioInputError(
                "This machine has no microphone.", "Plug one in, or play a file with --mic file:PATH."
            )
        if not name:
            default = [pair for pair in numbered if pair[1].is_default]
            return (default or numbered)[0]
        exact = [pair for pair in numbered if name in (pair[1].label, pair[1].name)]
        labels = [device.label for _, device in numbered]
        if len(exact) == 1 or (exact and exact[0][1].label == name):
            return exact[0]
        if exact:
            raise AudioInputError(
                f"More than one microphone is named {name}.", f"Choose one: {'; '.join(d.label for _, d in exact)}."
            )
        near = difflib.get_close_matches(name, labels, n=1) or labels
        raise AudioInputError(f"There is no microphone named {name!r}.", f"Plug it in, or choose: {'; '.join(near)}.")

    def _numbered(self) -> list[tuple[int, MicDevice]]:
        sd = self._sounddevice()
        found, apis = self._ask(sd.query_devices), self._ask(sd.query_hostapis)
        default = self._default_index(sd)
        return [
            (
                index,
                MicDevice(
                    name=str(entry["name"]),
                    host_api=str(apis[entry["hostapi"]]["name"]),
                    n_channels=int(entry["max_input_channels"]),
                    rate_hz=round(entry["default_samplerate"]),
                    is_default=index == default,
                ),
            )
            for index, entry in enumerate(found)
            if entry["max_input_channels"] > 0
        ]

    @staticmethod
    def _default_index(sd: Any) -> int:
        return int(sd.default.device[0])

    def _ask(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except Exception as error:
            raise AudioInputError(
                f"The sound system does not answer: {error}.", "Check that sound works in other programs."
            ) from error

    def _sounddevice(self) -> Any:
        if self._module is None:
            try:
                self._module = importlib.import_module("sounddevice")
            except (OSError, ImportError) as error:
                raise AudioInputError(
                    f"The sound library PortAudio is missing ({error}).", INSTALL_PORTAUDIO
                ) from error
        return self._module


def print_devices() -> None:
    """Write the list of microphones as JSON; what the child process of `PortAudio.refresh` runs."""
    print(json.dumps([asdict(device) for device in PortAudio().devices()]))  # noqa: T201


def _callback(clock: Clock, rate_hz: int, deliver: Callable[[Delivery], None]) -> Callable[..., None]:
    """What the driver calls: copies, stamps, leaves."""

    def callback(indata: Float32, n_samples: int, time: Any, status: Any) -> None:
        age_s = time.currentTime - time.inputBufferAdcTime
        if not 0 < age_s < PLAUSIBLE_AGE_S or not time.inputBufferAdcTime:
            # Some host APIs give no times: then the newest sample is taken as captured just now.
            age_s = n_samples / rate_hz
        deliver(Delivery(indata.copy(), clock.now_ns() - int(age_s * NS_PER_S), bool(status.input_overflow)))

    return callback
