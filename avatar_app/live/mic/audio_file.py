"""Any file that holds sound, as the live path hears it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import soxr

from avatar_app.contracts.errors import AudioInputError
from avatar_app.contracts.packets import LIVE_RATE_HZ, Float32

CHOOSE_ANOTHER = "Choose another file; every sound or video file that ffmpeg reads will do."


def read_audio(path: str | Path) -> Float32:
    """Read a whole file, mixed down and resampled.

    Args:
        path: sound or video, any format, rate and number of channels.

    Returns:
        (n,) float32 at 16 kHz, nominally in -1..1.

    Raises:
        AudioInputError: the file is missing, unreadable, or holds no sound.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise AudioInputError(f"There is no file {file}.", "Check its name.")
    try:
        pieces = list(_mono_pieces(file))
    # FFmpeg's errors derive from OSError or ValueError, which one depends on the error.
    except (OSError, ValueError, av.FFmpegError) as error:
        raise AudioInputError(f"The sound of {file} cannot be read: {error}.", CHOOSE_ANOTHER) from error
    rates = {rate_hz for rate_hz, _ in pieces}
    sound = [_resampled(np.concatenate([p for r, p in pieces if r == rate_hz]), rate_hz) for rate_hz in rates]
    samples = np.concatenate(sound) if sound else np.zeros(0, np.float32)
    if not len(samples):
        raise AudioInputError(f"The file {file} holds no sound.", CHOOSE_ANOTHER)
    return np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)


def _mono_pieces(file: Path) -> Iterator[tuple[int, Float32]]:
    """Rate and (n,) float32 of each decoded frame."""
    with av.open(str(file)) as container:
        if not container.streams.audio:
            return
        # Packed, not planar: PyAV 18 reads beyond the planes of frames with many channels.
        to_float = av.AudioResampler(format="flt")
        for frame in container.decode(container.streams.audio[0]):
            for floats in to_float.resample(frame):
                samples = floats.to_ndarray().reshape(-1, floats.layout.nb_channels)
                yield floats.sample_rate, samples.mean(axis=1, dtype=np.float32)


def _resampled(samples: Float32, rate_hz: int) -> Float32:
    if rate_hz == LIVE_RATE_HZ:
        return samples
    return np.asarray(soxr.resample(samples, rate_hz, LIVE_RATE_HZ, quality="HQ"), dtype=np.float32)
