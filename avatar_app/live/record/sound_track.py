"""The sound of any audio file as it goes into a video: 48 kHz, one or two channels, read piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np

from avatar_app.contracts.errors import AudioInputError
from avatar_app.contracts.packets import Float32
from avatar_app.live.record.video_file import AAC_RATE_HZ


class SoundTrack:
    """Reads the sound of a file in order, and silence after its end. Thread: one at a time."""

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            AudioInputError: it has no sound that can be read.
        """
        try:
            self._container: Any = av.open(str(path))
            self._stream = self._container.streams.audio[0]
        except (OSError, IndexError, av.FFmpegError) as error:
            raise AudioInputError(f"{path} has no sound that can be read.", "Try another file.") from error
        self.n_channels = 1 if self._stream.codec_context.channels == 1 else 2
        self._resampler = av.AudioResampler("fltp", "mono" if self.n_channels == 1 else "stereo", AAC_RATE_HZ)
        self._pieces = self._decode()
        self._n_given = 0

    def until(self, t_s: float) -> Iterator[Float32]:
        """Pieces (channels, n) float32 up to about `t_s` seconds; what the file has no more of is silence."""
        while self._n_given < round(t_s * AAC_RATE_HZ):
            piece = next(self._pieces, None)
            if piece is None:
                n_missing = round(t_s * AAC_RATE_HZ) - self._n_given
                piece = np.zeros((self.n_channels, n_missing), dtype=np.float32)
            self._n_given += piece.shape[1]
            yield piece

    def close(self) -> None:
        """Close the file; twice is fine."""
        self._pieces.close()
        self._container.close()

    def __enter__(self) -> SoundTrack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _decode(self) -> Any:
        frames = self._container.decode(self._stream)
        while True:
            try:
                frame = next(frames)
            except StopIteration:
                break
            except av.FFmpegError:
                continue  # a damaged packet: the lips' reader skips it as well
            frame.pts = None
            yield from self._arrays(self._resampler.resample(frame))
        yield from self._arrays(self._resampler.resample(None))

    @staticmethod
    def _arrays(frames: list[Any]) -> Iterator[Float32]:
        for frame in frames:
            yield np.nan_to_num(frame.to_ndarray(), posinf=0.0, neginf=0.0)
