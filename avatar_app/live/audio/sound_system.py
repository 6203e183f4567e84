"""The machine's sound devices through PortAudio, with one owner for all streams of the program.

PortAudio lists a device that was plugged in later only after a restart, which ends every open stream. So this module
keeps all open streams, of both sides.
"""

from __future__ import annotations

import importlib
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

from avatar_app.contracts.clock import Clock, MonotonicClock
from avatar_app.contracts.units import s_to_ns
from avatar_app.live.audio.alsa import redirect_alsa_errors
from avatar_app.live.audio.sound_device import INPUT, SIDES, Route, Side, SoundDevice, select
from avatar_app.live.runtime.environment import changed_environment

log = logging.getLogger(__name__)

T = TypeVar("T")

LIST_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 0.2
# Sound servers offer dozens of channels where there is one microphone.
MAX_CHANNELS = 8
# A device that is listed but does not open must not interrupt the other streams repeatedly: the pause between two
# interruptions doubles, until none was needed for BACKOFF_RESET pauses.
INTERRUPT_NS = s_to_ns(30)
MAX_INTERRUPT_NS = s_to_ns(960)
BACKOFF_RESET = 4
INSTALL_PORTAUDIO = "Install it (Debian, Ubuntu: `apt install libportaudio2`) and start again."
# Makes the driver's callback for a device and the number of channels that it was opened with.
CallbackMaker = Callable[[SoundDevice, int], Callable[..., None]]


class OpenStream:
    """A running stream. Thread: any.

    Attributes:
        device: what it was opened on.
        n_channels: number of channels in use.
        was_interrupted: PortAudio was restarted for another device; the owner opens this one again.
    """

    def __init__(self, device: SoundDevice, stream: Any, n_channels: int, close: Callable[[OpenStream], None]) -> None:
        self.device = device
        self.n_channels = n_channels
        self.was_interrupted = False
        self._stream = stream
        self._close = close

    def close(self) -> None:
        """Close the stream; a second call does nothing."""
        self._close(self)

    def end(self) -> None:
        """Close PortAudio's stream; for `SoundSystem`."""
        stream, self._stream = self._stream, None
        if stream is not None:
            # Stopping a device that was removed fails.
            stream.abort(ignore_errors=True)
            stream.close(ignore_errors=True)


class SoundSystem:
    """Lists, finds and opens devices. Thread: any.

    Args:
        module: replaces `sounddevice`.
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
        """All devices of a side, as of the last refresh.

        Raises:
            AudioInputError, OutputError: PortAudio is not installed or does not answer.
        """
        with self._lock:
            return self._listed_by_child.get(side.key) or tuple(device for _, device in self._numbered(side))

    def refresh(self, side: Side) -> bool:
        """List the devices again; takes up to a second.

        While a stream is open, PortAudio keeps running and a child process lists the devices. A new one can then be
        opened after the stream is closed.

        Returns:
            Whether PortAudio was restarted.

        Raises:
            AudioInputError, OutputError: PortAudio is not installed or does not answer.
        """
        with self._lock:
            if not self._streams:
                self._restart(side)
                return True
            n_starts = self._n_starts
        # Without the lock: the child takes up to ten seconds, and closing a stream must not wait for it.
        listed = self._list_in_child()
        with self._lock:
            # A restart in the meantime made a newer list.
            if self._n_starts == n_starts:
                self._listed_by_child = listed
        return False

    def make_known(self, side: Side, name: str) -> bool:
        """Make PortAudio list a device that it could not open, even if that interrupts other streams.

        It interrupts them only if a child process lists the device, and rarely. Their owners see `was_interrupted` and
        open them again.

        Returns:
            Whether PortAudio was restarted, so that opening the device may succeed now.

        Raises:
            AudioInputError, OutputError: as above.
        """
        if self.refresh(side):
            return True
        with self._lock:
            is_there = any(name in (device.label, device.name) for device in self._listed_by_child.get(side.key, ()))
            if not is_there or not self._may_interrupt():
                return False
            log.info("interrupting %d open streams to reach %s", len(self._streams), name)
            for stream in self._streams:
                stream.was_interrupted = True
                stream.end()
            self._streams.clear()
            self._restart(side)
            return True

    def with_rescan(self, side: Side, name: str, action: Callable[[], T]) -> T:
        """Run an action that needs a device; if it fails, make the device known and run it once more.

        Raises:
            AudioInputError, OutputError: the action failed again, or the device stays unknown.
        """
        try:
            return action()
        except side.error:
            if not self.make_known(side, name):
                raise
            return action()

    def check(self, side: Side, name: str) -> None:
        """Check that a device exists, including one plugged in a moment ago.

        Raises:
            AudioInputError, OutputError: there is none; the message names those that exist.
        """
        self.with_rescan(side, name, lambda: self.find(side, name))

    def open(
        self,
        side: Side,
        name: str,
        latency: str,
        callback: CallbackMaker,
        ended: Callable[[], None],
        route: Route | None = None,
    ) -> OpenStream:
        """Open a device at its own rate, with buffers of 10 ms.

        Args:
            side: capture or playback.
            name: label, or a name that only one device has; "" means the system's default.
            latency: "low" or "high".
            callback: makes the driver's callback.
            ended: called on the driver's thread when the stream ends.
            route: leads to a device behind this one.

        Raises:
            AudioInputError, OutputError: there is no such device, or it cannot be opened.
        """
        with self._lock, changed_environment({} if route is None else route.variables):
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

    def find(self, side: Side, name: str) -> tuple[int, SoundDevice]:
        """PortAudio's number and the description of a device, for names see `open`.

        Raises:
            AudioInputError, OutputError: there is none, or more than one.
        """
        with self._lock:
            numbered = self._numbered(side)
        return numbered[select(side, [device for _, device in numbered], name)]

    def _may_interrupt(self) -> bool:
        now_ns = self._clock.now_ns()
        if self._t_interrupt_ns is not None:
            since_ns = now_ns - self._t_interrupt_ns
            if since_ns < self._pause_ns:
                return False
            is_long_ago = since_ns > BACKOFF_RESET * self._pause_ns
            self._pause_ns = INTERRUPT_NS if is_long_ago else min(2 * self._pause_ns, MAX_INTERRUPT_NS)
        self._t_interrupt_ns = now_ns
        return True

    def _restart(self, side: Side) -> None:
        self._listed_by_child = {}
        self._n_starts += 1
        sd = self._sounddevice(side)
        # Only a restart makes PortAudio list new devices. The names are private but have been stable since 2015.
        _call(side, sd._terminate)
        _call(side, sd._initialize)

    def _list_in_child(self) -> dict[str, tuple[SoundDevice, ...]]:
        """The devices of both sides as a new process sees them; empty if it fails."""
        code = f"from {__name__} import print_devices; print_devices()"
        try:
            lists = json.loads(self._run_child([sys.executable, "-c", code]))
            return {key: tuple(SoundDevice(**entry) for entry in entries) for key, entries in lists.items()}
        except (OSError, ValueError, TypeError, AttributeError, subprocess.SubprocessError) as error:
            log.warning("cannot list the sound devices again: %s", error)
            return {}

    def _run_child(self, command: list[str]) -> str:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIST_TIMEOUT_S, check=True)  # noqa: S603
        return done.stdout

    def _close(self, opened: OpenStream) -> None:
        """Close a stream. While another device is being opened, leave that to a thread, so that the caller returns."""
        if self._lock.acquire(timeout=CLOSE_TIMEOUT_S):
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

    def _numbered(self, side: Side) -> list[tuple[int, SoundDevice]]:
        sd = self._sounddevice(side)
        found, apis = _call(side, sd.query_devices), _call(side, sd.query_hostapis)
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
                redirect_alsa_errors()
            except (OSError, ImportError) as error:
                raise side.error(f"The sound library PortAudio is missing ({error}).", INSTALL_PORTAUDIO) from error
        return self._module


def _start_stream(side: Side, device: SoundDevice, sd: Any, make: Callable[[int], Any]) -> tuple[Any, int]:
    """Start a stream with all channels of the device, up to a limit, or else with one."""
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


def _call(side: Side, function: Callable[[], Any]) -> Any:
    try:
        return function()
    except Exception as error:
        raise side.error(
            f"The sound system does not answer: {error}.", "Check that sound works in other programs."
        ) from error


def print_devices() -> None:
    """Print the devices as JSON; the child process of `SoundSystem.refresh` runs this."""
    system = SoundSystem()
    print(json.dumps({side.key: [asdict(device) for device in system.devices(side)] for side in SIDES}))  # noqa: T201


# One instance for the process, because PortAudio's state is global. It does nothing until it is used.
SOUND_SYSTEM = SoundSystem()
