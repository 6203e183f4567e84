"""Stands in for `sounddevice`: devices that a test plugs in, pulls out, and speaks through."""

import json
from types import SimpleNamespace

import numpy as np


class PortAudioError(Exception):
    pass


def listed(*inputs: str, outputs: tuple[str, ...] = ()) -> str:
    """What a child process would print that sees these devices."""
    entry = {"host_api": "ALSA", "n_channels": 1, "rate_hz": 48_000, "is_default": False}
    sides = {"input": inputs, "output": outputs}
    return json.dumps({side: [{"name": name, **entry} for name in names] for side, names in sides.items()})


class FakeSoundDevice:
    """A sound system. `plugged` is what is there; `known` is what PortAudio saw when it was last started."""

    PortAudioError = PortAudioError

    def __init__(self, *names: str, rate_hz: int = 48_000, n_channels: int = 1, outputs: tuple[str, ...] = ()) -> None:
        self.rate_hz, self.n_channels = rate_hz, n_channels
        self.outputs = outputs
        self.plugged = [*names, *outputs]
        self.known = list(self.plugged)
        self.streams: list[FakeStream] = []
        self.n_starts = 1
        # What the driver does before a stream is open; a test may let it take long.
        self.opening = lambda: None

    @property
    def default(self):
        first = [
            next((k for k, n in enumerate(self.known) if (n in self.outputs) is side), -1) for side in (False, True)
        ]
        return SimpleNamespace(device=tuple(first))

    def query_hostapis(self):
        return [{"name": "ALSA"}]

    def query_devices(self):
        entry = {"hostapi": 0, "default_samplerate": float(self.rate_hz)}
        return [{"name": name, **entry, **self._channels(name)} for name in self.known]

    def _channels(self, name):
        used, unused = ("output", "input") if name in self.outputs else ("input", "output")
        return {f"max_{used}_channels": self.n_channels, f"max_{unused}_channels": 0}

    def _terminate(self):
        assert not any(stream.is_open for stream in self.streams), "an open stream would die"

    def _initialize(self):
        self.n_starts += 1
        self.known = list(self.plugged)

    def InputStream(self, **options):  # noqa: N802 - the library's name
        name = self.known[options["device"]]
        if name not in self.plugged:
            raise PortAudioError("Device unavailable [PaErrorCode -9985]")
        stream = FakeStream(self, name, **options)
        self.streams.append(stream)
        return stream

    OutputStream = InputStream

    def unplug(self, name: str) -> None:
        """The device goes: its streams end."""
        self.plugged.remove(name)
        for stream in self.streams:
            if stream.name == name and stream.is_open:
                stream.finished()


class FakeStream:
    def __init__(self, system, name, *, samplerate, channels, callback, finished_callback, latency, **options) -> None:
        self.system, self.name = system, name
        self.rate_hz, self.n_channels = samplerate, channels
        self.callback, self.finished = callback, finished_callback
        self.latency = latency
        self.is_open = False

    def start(self):
        self.system.opening()
        self.is_open = True

    def abort(self, ignore_errors=True):
        self.is_open = False

    def close(self, ignore_errors=True):
        self.is_open = False

    def speak(self, samples: np.ndarray, age_s: float = 0.02, overflow: bool = False) -> None:
        """Deliver (n, channels) as the driver's thread would; the first was captured `age_s` ago."""
        time = SimpleNamespace(currentTime=100.0, inputBufferAdcTime=100.0 - age_s if age_s else 0.0)
        self.callback(samples.astype(np.float32), len(samples), time, SimpleNamespace(input_overflow=overflow))

    def ask(self, n_samples: int | None = None, latency_s: float = 0.02, is_underflow: bool = False) -> np.ndarray:
        """(n, channels) as the driver's thread would fetch them; the first leaves the output `latency_s` later."""
        n_samples = self.rate_hz // 100 if n_samples is None else n_samples
        sound = np.full((n_samples, self.n_channels), np.nan, np.float32)
        time = SimpleNamespace(currentTime=100.0, outputBufferDacTime=100.0 + latency_s if latency_s else 0.0)
        self.callback(sound, n_samples, time, SimpleNamespace(output_underflow=is_underflow))
        return sound
