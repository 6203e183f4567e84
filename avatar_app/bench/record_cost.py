"""The cost of recording on this machine, for `bench`."""

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
from avatar_app.live.record.disk_file import DiskFile
from avatar_app.live.record.encoders import pick_encoder
from avatar_app.live.record.formats import RecordFormat, RecordOptions
from avatar_app.live.record.fragmented_file import FragmentedFile
from avatar_app.live.record.frame_converter import FrameConverter, video_size
from avatar_app.live.record.muxer import Muxer
from avatar_app.live.record.video_file import AAC_RATE_HZ


@dataclass(frozen=True, slots=True)
class RecordCost:
    """Processor time and file size of a recording.

    Attributes:
        cpu_percent_of_one_core: processor time of the whole process per second of recording.
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
    """Record pictures and noise as fast as possible, and measure the processor time of this process.

    Nothing else should run in this process meanwhile.

    Args:
        pictures: (H, W, 4) uint8 BGRA each, repeated in order.
        fps: of the recording.
        seconds: duration of the recording.
        kind: format.

    Raises:
        OutputError: no encoder works here, or the temporary folder cannot be written to.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = RecordOptions(Path(folder), fps, kind)
        size = video_size(options, pictures[0])
        encoder = pick_encoder(kind, options.encoder, size)
        file = DiskFile(Path(folder) / f"cost{kind.suffix}")
        container = FragmentedFile(file, kind, encoder, size, has_sound=True, title="")
        voice: Ring[VoiceBlock] = Ring(100)
        muxer = Muxer(container, FrameConverter(options, size), fps, 0, voice)
        t_start_s = time.process_time()
        for k in range(round(seconds * fps)):
            _step(muxer, voice, pictures[k % len(pictures)], k, fps)
        muxer.finish()
        container.finish()
        used_s = time.process_time() - t_start_s
        n_bytes = file.n_bytes
        file.close()
    return RecordCost(encoder.name, round(100 * used_s / seconds, 1), round(60 * n_bytes / seconds / 1e6, 1))


def _step(muxer: Muxer, voice: Ring[VoiceBlock], pixels: UInt8, k: int, fps: int) -> None:
    """Write a picture and the sound of the same time, in blocks of 10 ms."""
    noise = np.random.default_rng(k)
    n_block = AAC_RATE_HZ // 100
    for block in range(100 * k // fps, 100 * (k + 1) // fps):
        samples = noise.normal(0, 0.05, n_block).astype(np.float32)
        voice.put(VoiceBlock(block * NS_PER_S // 100, AAC_RATE_HZ, samples))
    muxer.add_sound(muxer.n_waiting_blocks)
    t_ns = k * NS_PER_S // fps
    muxer.add_picture(Picture(t_ns, t_ns, k, pixels))
