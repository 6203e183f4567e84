"""A video of held-out sentences: the recording and the avatar side by side, with the person's voice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import soxr

from avatar_app.contracts.packets import LIVE_RATE_HZ, Float32, UInt8
from avatar_app.contracts.renderer import Renderer
from avatar_app.live.record.video_file import AAC_RATE_HZ, VideoFile, VideoFormat, to_i420
from avatar_app.live.student import Student
from avatar_app.studio.data.clips import FPS
from avatar_app.studio.metrics.live_path import HALF_PICTURE_SAMPLES, TAIL_SAMPLES, mouths_over_time
from avatar_app.studio.metrics.side_by_side import canvas_size_px, side_by_side

TITLES = ("Recording", "Avatar")
CRF = 20
SAMPLES_PER_PICTURE = AAC_RATE_HZ // FPS


@dataclass(frozen=True)
class Sentence:
    """One sentence.

    Attributes:
        recorded: (side, side, 3) uint8 BGR portraits of the recording.
        samples: (n * 640,) float32 at 16 kHz.
    """

    recorded: Iterable[UInt8]
    samples: Float32


def write_comparison(
    path: Path, sentences: Sequence[Sentence], renderer: Renderer, student: Student, lookahead_ms: int
) -> int:
    """Write the video.

    Args:
        path: the MP4 file.
        sentences: in order.
        renderer: of the avatar; its background must be opaque.
        student: an open student with its face.
        lookahead_ms: one of the student's look-aheads.

    Returns:
        The number of pictures.

    Raises:
        OutputError: the file cannot be written.
    """
    side_px, n_pictures = renderer.size_px, 0
    width, height = canvas_size_px(len(TITLES), side_px)
    layout = VideoFormat(FPS, width, height, n_channels=1, crf=CRF, title="Recording and avatar")
    with VideoFile(path, layout) as video:
        for sentence in sentences:
            sound = soxr.resample(sentence.samples, LIVE_RATE_HZ, AAC_RATE_HZ).astype(np.float32)[None]
            drawn = drawn_portraits(renderer, student, sentence.samples, lookahead_ms, first=n_pictures)
            for k, (recorded, avatar) in enumerate(zip(sentence.recorded, drawn, strict=False)):
                shown = cv2.resize(recorded, (side_px, side_px), interpolation=cv2.INTER_CUBIC)
                video.add_picture(to_i420(side_by_side([shown, avatar], TITLES)))
                piece = sound[:, k * SAMPLES_PER_PICTURE : (k + 1) * SAMPLES_PER_PICTURE]
                video.add_sound(np.ascontiguousarray(piece))
                n_pictures += 1
        video.finish()
    return n_pictures


def drawn_portraits(
    renderer: Renderer, student: Student, samples: Float32, lookahead_ms: int, first: int = 0
) -> Iterator[UInt8]:
    """The avatar's portraits for a recording as the program shows them, (side, side, 3) uint8 BGR at 25 fps.

    Args:
        renderer: of the avatar.
        student: an open student with its face.
        samples: (n * 640,) float32 at 16 kHz.
        lookahead_ms: one of the student's look-aheads.
        first: step of the idle loop of the first picture.
    """
    # The live path generates the mouth at the start of each picture's interval, and a recording shows its middle.
    padded = np.concatenate((samples[HALF_PICTURE_SAMPLES:], np.zeros(TAIL_SAMPLES, np.float32)))
    for mouth in mouths_over_time(student, padded, lookahead_ms):
        if mouth.index >= len(samples) * FPS // LIVE_RATE_HZ:
            return
        yield renderer.render((first + mouth.index) % renderer.n_idle, mouth)[:, :, :3]
