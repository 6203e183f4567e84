"""The machine's sound devices, through PortAudio: one owner for all rooms that open one.

PortAudio sees devices that were plugged in later only after it is started anew, which no open stream survives, whoever
opened it. So all streams, in and out, are counted here.
"""

from __future__ import annotations

import difflib
import importlib
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from avatar_app.contracts.clock import Clock, MonotonicClock
from avatar_app.contracts.errors import AudioInputError, OutputError, UserError
from avatar_app.contracts.units import s_to_ns
from avatar_app.live.audio.alsa import quieten_alsa

log = logging.getLogger(__name__)

LIST_TIMEOUT_S = 10.0
CLOSE_WAIT_S = 0.2
# Sound servers offer dozens of channels where there is one microphone.
MAX_CHANNELS = 8
# A device that is there and still does not open must not disturb the others again and again: each pause between two
# interruptions is twice the one before, until there was peace for long.
INTERRUPT_NS = s_to_ns(30)
MAX_INTERRUPT_NS = s_to_ns(960)
PEACE = 4
INSTALL_PORTAUDIO = "Install it (Debian, Ubuntu: `apt install libportaudio2`) and start again."


@dataclass(frozen=True, slots=True)
class SoundDevice:
    """A microphone or an output of this machine; named, because numbers change with every plug."""

    name: str
    host_api: str
    n_channels: int
    rate_hz: int
    is_default: bool
    description: str = ""

    @property
    def label(self) -> str:
        """What it is chosen by."""
        return f"{self.name}, {self.host_api}"

    @property
    def title(self) -> str:
        """What it is shown as."""
        return self.description or self.label


@dataclass(frozen=True, slots=True)
class Side:
    """Which way sound goes, and how the user is told of it."""

    key: str
    noun: str
    plug_in: str
    error: type[UserError]


INPUT = Side("input", "microphone", "Plug one in, or play a file with --mic file:PATH.", AudioInputError)
OUTPUT = Side("output", "sound output", "Plug one in, or install a virtual cable.", OutputError)
SIDES = (INPUT, OUTPUT)
# What the driver calls, made for a device and the number of channels that it was opened with.
CallbackMaker = Callable[[SoundDevice, int], Callable[..., None]]


@dataclass(frozen=True, slots=True)
class Route:
    """A device behind a device, such as a sink of a sound server behind the one that PortAudio knows.

    Attributes:
        device: what is really opened.
        variables: of the environment, which lead there; set only while the stream is opened.
    """

    device: SoundDevice
    variables: Mapping[str, str]


class OpenStream:
    """A stream that runs. Thread: any.

    Attributes:
        device: what it was opened on.
        n_channels: with so many of its channels.
        was_interrupted: PortAudio was started anew for another device: open this one again at once.
    """

    def __init__(self, device: SoundDevice, stream: Any, n_channels: int, forget: Callable[[OpenStream], None]) -> None:
        self.device = device
        self.n_channels = n_channels
        self.was_interrupted = False
        self._stream = stream
        self._forget = forget

    def close(self) -> None:
        """End; twice is fine."""
        self._forget(self)

    def end(self) -> None:
        """Close the stream itself; what `SoundSystem` calls."""
        stream, self._stream = self._stream, None
        if stream is not None:
            # A device that is gone cannot be stopped politely; PortAudio says so, and closing is all that is left.
            stream.abort(ignore_errors=True)
            stream.close(ignore_errors=True)


class SoundSystem:
    """Lists, finds and opens devices. Thread: any.

    Args:
        module: stands in for `sounddevice`.
        clock: for the pause between two interruptions.
    """

    def __init__(self, module: Any = None, clock: Clock | None = None) -> None:
        self._module = module
        self._clock: Clock = MonotonicClock() if clock is None else clock
        self._lock = threading.RLock()
        self._streams: list[OpenStream] = []
        self._listed_by_child: dict[str, tuple[SoundDevice, ...]] = {}
        self._t_interrupt_ns: int | None = None
        self._pause_ns = INTERRUPT_NS
        self._n_starts = 0

    def devices(self, side: Side) -> tuple[SoundDevice, ...]:
        """All devices of a side, as they were when they were last looked for.

        Raises:
            AudioInputError, OutputError: PortAudio is not installed or does not answer.
        """
        with self._lock:
            return self._listed_by_child.get(side.key) or tuple(device for _, device in self._numbered(side))

    def refresh(self, side: Side) -> bool:
        """Look for devices anew, for up to a second.

        While a stream is open, PortAudio stays as it is and another process looks: new devices are listed then, and can
        be opened when the stream is closed.

        Returns:
            Whether PortAudio itself was started anew.

        Raises:
            AudioInputError, OutputError: PortAudio is not installed or does not answer.
        """
        with self._lock:
            if not self._streams:
                self._start_anew(side)
                return True
            n_starts = self._n_starts
        # Not under the lock: the other process takes up to ten seconds, and a stream must be closed at once.
        listed = self._ask_child()
        with self._lock:
            # What PortAudio was started anew for meanwhile is newer.
            if self._n_starts == n_starts:
                self._listed_by_child = listed
        return False

    def make_known(self, side: Side, name: str) -> bool:
        """Let PortAudio know a device that it could not open, even where that interrupts other streams.

        They are interrupted only when another process sees the device, and seldom. Their owners find
        `was_interrupted` set and open them again.

        Returns:
            Whether PortAudio was started anew, so that trying again makes sense.

        Raises:
            AudioInputError, OutputError: as above.
        """
        if self.refresh(side):
            return True
        with self._lock:
            is_there = any(name in (device.label, device.name) for device in self._listed_by_child.get(side.key, ()))
            if not is_there or not self._may_interrupt():
                return False
            log.info("%s is there: open streams are interrupted to reach it", name)
            for stream in self._streams:
                stream.was_interrupted = True
                stream.end()
            self._streams.clear()
            self._start_anew(side)
            return True

    def _may_interrupt(self) -> bool:
        now_ns = self._clock.now_ns()
        if self._t_interrupt_ns is not None:
            since_ns = now_ns - self._t_interrupt_ns
            if since_ns < self._pause_ns:
                return False
            is_long_ago = since_ns > PEACE * self._pause_ns
            self._pause_ns = INTERRUPT_NS if is_long_ago else min(2 * self._pause_ns, MAX_INTERRUPT_NS)
        self._t_interrupt_ns = now_ns
        return True

    def _start_anew(self, side: Side) -> None:
        self._listed_by_child = {}
        self._n_starts += 1
        sd = self._sounddevice(side)
        # The only way to see new devices; the names are private but have been stable since 2015.
        _ask(side, sd._terminate)
        _ask(side, sd._initialize)

    def _ask_child(self) -> dict[str, tuple[SoundDevice, ...]]:
        """The lists that a process of its own sees; empty when it cannot tell."""
        code = f"from {__name__} import print_devices; print_devices()"
        try:
            lists = json.loads(self._run_child([sys.executable, "-c", code]))
            return {key: tuple(SoundDevice(**entry) for entry in entries) for key, entries in lists.items()}
        except (OSError, ValueError, TypeError, AttributeError, subprocess.SubprocessError) as error:
            log.warning("the lists of sound devices stay as they were: %s", error)
            return {}

    def _run_child(self, command: list[str]) -> str:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIST_TIMEOUT_S, check=True)  # noqa: S603
        return done.stdout

    def check(self, side: Side, name: str) -> None:
        """Make sure that there is such a device, looking for new ones if not.

        Raises:
            AudioInputError, OutputError: there is none; the sentence names those that exist.
        """
        try:
            self.find(side, name)
        except side.error:
            if not self.make_known(side, name):
                raise
            self.find(side, name)

    def open(
        self,
        side: Side,
        name: str,
        latency: str,
        callback: CallbackMaker,
        ended: Callable[[], None],
        route: Route | None = None,
    ) -> OpenStream:
        """Open a device at its own rate, in steps of 10 ms.

        Args:
            side: which way sound goes.
            name: label, or a name that only one device has; "" means the system's default.
            latency: "low" or "high".
            callback: gives what the driver calls for the device and the number of channels.
            ended: called by the driver's thread when the stream ends.
            route: what stands behind the device, where the sound system leads on from it.

        Raises:
            AudioInputError, OutputError: there is no such device, or it cannot be opened.
        """
        with self._lock, _variables({} if route is None else route.variables):
            index, device = self.find(side, name)
            device = device if route is None else route.device
            sd = self._sounddevice(side)
            kind = sd.InputStream if side is INPUT else sd.OutputStream

            def make(n_channels: int) -> Any:
                return kind(
                    device=index,
                    samplerate=device.rate_hz,
                    channels=n_channels,
                    dtype="float32",
                    blocksize=device.rate_hz // 100,
                    latency=latency,
                    callback=callback(device, n_channels),
                    finished_callback=ended,
                )

            stream, n_channels = _start_stream(side, device, sd, make)
            opened = OpenStream(device, stream, n_channels, self._close)
            self._streams.append(opened)
            return opened

    def _close(self, opened: OpenStream) -> None:
        """Close a stream; where another device is being opened just now, as soon as that is over, without waiting."""
        if self._lock.acquire(timeout=CLOSE_WAIT_S):
            try:
                self._end(opened)
            finally:
                self._lock.release()
        else:
            threading.Thread(target=self._close_later, args=(opened,), name="close-sound", daemon=True).start()

    def _close_later(self, opened: OpenStream) -> None:
        with self._lock:
            self._end(opened)

    def _end(self, opened: OpenStream) -> None:
        self._streams = [other for other in self._streams if other is not opened]
        opened.end()

    def find(self, side: Side, name: str) -> tuple[int, SoundDevice]:
        """Number and description of a device, for names see `open`.

        Raises:
            AudioInputError, OutputError: there is none, or more than one.
        """
        with self._lock:
            numbered = self._numbered(side)
        if not numbered:
            raise side.error(f"This machine has no {side.noun}.", side.plug_in)
        if not name:
            default = [pair for pair in numbered if pair[1].is_default]
            return (default or numbered)[0]
        exact = [pair for pair in numbered if name in (pair[1].label, pair[1].name)]
        labels = [device.label for _, device in numbered]
        if len(exact) == 1 or (exact and exact[0][1].label == name):
            return exact[0]
        if exact:
            raise side.error(
                f"More than one {side.noun} is named {name}.", f"Choose one: {'; '.join(d.label for _, d in exact)}."
            )
        near = difflib.get_close_matches(name, labels, n=1) or labels
        raise side.error(f"There is no {side.noun} named {name!r}.", f"Plug it in, or choose: {'; '.join(near)}.")

    def _numbered(self, side: Side) -> list[tuple[int, SoundDevice]]:
        sd = self._sounddevice(side)
        found, apis = _ask(side, sd.query_devices), _ask(side, sd.query_hostapis)
        default = int(sd.default.device[SIDES.index(side)])
        return [
            (
                index,
                SoundDevice(
                    name=str(entry["name"]),
                    host_api=str(apis[entry["hostapi"]]["name"]),
                    n_channels=int(entry[f"max_{side.key}_channels"]),
                    rate_hz=round(entry["default_samplerate"]),
                    is_default=index == default,
                ),
            )
            for index, entry in enumerate(found)
            if entry[f"max_{side.key}_channels"] > 0
        ]

    def _sounddevice(self, side: Side) -> Any:
        if self._module is None:
            try:
                self._module = importlib.import_module("sounddevice")
                quieten_alsa()
            except (OSError, ImportError) as error:
                raise side.error(f"The sound library PortAudio is missing ({error}).", INSTALL_PORTAUDIO) from error
        return self._module


@contextmanager
def _variables(wanted: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment for a while."""
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _start_stream(side: Side, device: SoundDevice, sd: Any, make: Callable[[int], Any]) -> tuple[Any, int]:
    """Start a stream with as many channels as make sense, or else with one."""
    wanted = device.n_channels if device.n_channels <= MAX_CHANNELS else 2
    problem: Exception | None = None
    for n_channels in sorted({wanted, 1}, reverse=True):
        try:
            stream = make(n_channels)
            stream.start()
            return stream, n_channels
        except (sd.PortAudioError, ValueError, OSError) as error:  # noqa: PERF203
            problem = error
    raise side.error(
        f"The {side.noun} {device.label} cannot be opened: {problem}.",
        f"Close other programs that use it, allow this program to use it, or choose another {side.noun}.",
    ) from problem


def _ask(side: Side, question: Callable[[], Any]) -> Any:
    try:
        return question()
    except Exception as error:
        raise side.error(
            f"The sound system does not answer: {error}.", "Check that sound works in other programs."
        ) from error


def print_devices() -> None:
    """Write the lists of devices as JSON; what the child process of `SoundSystem.refresh` runs."""
    system = SoundSystem()
    print(json.dumps({side.key: [asdict(device) for device in system.devices(side)] for side in SIDES}))  # noqa: T201


# One for the process, as PortAudio itself is; it does nothing until it is asked.
SOUND_SYSTEM = SoundSystem()
