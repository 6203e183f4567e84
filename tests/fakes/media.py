"""Sound files of all kinds for tests."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

CASES = Path(__file__).parents[1] / "data" / "cases"


def tone(rate_hz: int, seconds: float = 1.0, hz: float = 440.0) -> np.ndarray:
    """(n,) float64, half of full scale."""
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(int(rate_hz * seconds)) / rate_hz)


def loudest_hz(samples: np.ndarray, rate_hz: int = 16_000) -> float:
    """The frequency that is strongest."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * rate_hz / len(samples))


def write_sound(path, samples, rate_hz=48_000, codec="flac", starts_s=(0.0,), pictures_s=0.0):
    """A file with one sound track and perhaps pictures.

    Args:
        samples: (n,) or (n, channels) float.
        starts_s: when each equal part of the sound is played; what lies between is a gap, or an overlap.
        pictures_s: length of the pictures; 0 for none.
    """
    samples = np.asarray(samples, np.float32).reshape(len(samples), -1)
    with av.open(str(path), "w") as container:
        sound = container.add_stream(codec, rate=rate_hz)
        sound.codec_context.layout = "mono" if samples.shape[1] == 1 else "stereo"
        if pictures_s:
            _add_pictures(container, pictures_s, "flv" if path.suffix == ".flv" else "mpeg4")
        to_codec = av.AudioResampler(sound.codec_context.format or "s16", sound.codec_context.layout, rate_hz)
        for start_s, part in zip(starts_s, np.array_split(samples, len(starts_s)), strict=True):
            for packet in packets_of(sound, to_codec, part, rate_hz, start_s):
                container.mux(packet)
        container.mux(sound.encode(None))
    return path


def packets_of(stream, to_codec, samples, rate_hz, start_s):
    """Encode (n, channels) float32 samples that begin at an instant."""
    for k in range(0, len(samples), 1024):
        piece = np.ascontiguousarray(samples[k : k + 1024].reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(piece, format="flt", layout=stream.codec_context.layout.name)
        frame.sample_rate, frame.time_base = rate_hz, Fraction(1, rate_hz)
        frame.pts = round(start_s * rate_hz) + k
        for converted in to_codec.resample(frame):
            yield from stream.encode(converted)


def _add_pictures(container, seconds, codec):
    stream = container.add_stream(codec, rate=25)
    stream.width = stream.height = 64
    for _ in range(round(25 * seconds)):
        container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
    container.mux(stream.encode(None))
