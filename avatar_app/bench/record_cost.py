"""What recording costs on this machine, for `bench`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avatar_app.contracts.handoff import Ring
from avatar_app.contracts.packets import Picture, UInt8, VoiceBlock
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live.record.canvas import Canvas, film_size
from avatar_app.live.record.disk_file import DiskFile
from avatar_app.live.record.encoders import pick_encoder
from avatar_app.live.record.formats import RecordFormat, RecordOptions
from avatar_app.live.record.growing_file import Film
from avatar_app.live.record.muxer import Take
from avatar_app.live.record.video_file import AAC_RATE_HZ


@dataclass(frozen=True, slots=True)
class RecordCost:
    """What a recording takes.

    Attributes:
        cpu_percent_of_one_core: processor time of the whole process for a second of film.
        mb_per_min: size of the file.
    """

    encoder: str
    cpu_percent_of_one_core: float
    mb_per_min: float


def measure_cost(
    pictures: Sequence[UInt8],
    fps: int,
    seconds: float = 10.0,
    kind: RecordFormat = RecordFormat.MP4,
) -> RecordCost:
    """Record pictures and noise as fast as it goes, and count the processor's time. Nothing else should run meanwhile.

    Args:
        pictures: (H, W, 4) uint8 BGRA each, shown one after the other, again and again.
        fps: of the film.
        seconds: of film.
        kind: format.

    Raises:
        OutputError: no encoder works here, or the temporary folder cannot be written to.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = RecordOptions(Path(folder), fps, kind)
        size = film_size(options, pictures[0])
        encoder = pick_encoder(kind, options.encoder, size)
        file = DiskFile(Path(folder) / f"cost{kind.suffix}")
        film = Film(file, kind, encoder, size, has_sound=True, title="")
        voice: Ring[VoiceBlock] = Ring(100)
        take = Take(film, Canvas(options, size), fps, 0, voice)
        t_start_s = time.process_time()
        for k in range(round(seconds * fps)):
            _step(take, voice, pictures[k % len(pictures)], k, fps)
        take.finish()
        film.finish()
        used_s = time.process_time() - t_start_s
        n_bytes = file.n_bytes
        file.close()
    return RecordCost(encoder.name, round(100 * used_s / seconds, 1), round(60 * n_bytes / seconds / 1e6, 1))


def _step(take: Take, voice: Ring[VoiceBlock], pixels: UInt8, k: int, fps: int) -> None:
    """A picture, and the sound of its time in blocks of 10 ms."""
    noise = np.random.default_rng(k)
    n_block = AAC_RATE_HZ // 100
    for block in range(100 * k // fps, 100 * (k + 1) // fps):
        samples = noise.normal(0, 0.05, n_block).astype(np.float32)
        voice.put(VoiceBlock(block * NS_PER_S // 100, AAC_RATE_HZ, samples))
    take.hear(take.n_heard)
    t_ns = k * NS_PER_S // fps
    take.see(Picture(t_ns, t_ns, k, pixels))
