"""Ground truth, teacher and students side by side: rows of mouths, and short videos with sound."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import soxr
from numpy.typing import NDArray

from avatar_app.contracts.packets import LIVE_RATE_HZ
from avatar_app.live.record.video_file import AAC_RATE_HZ, VideoFile, VideoFormat, to_i420
from avatar_app.studio.data.clips import CROP_PX, FPS, read_frames
from avatar_app.studio.metrics.held_out import TestClip
from avatar_app.studio.metrics.live_path import HALF_TOP_PX, mouths_of
from avatar_app.studio.metrics.side_by_side import canvas_size_px, side_by_side

UInt8 = NDArray[np.uint8]

N_INSTANTS = 12
STEP_PICTURES = 2
ENLARGED = 2
JPEG_QUALITY = 90
VIDEO_CRF = 20
GROUND_TRUTH = "true"


@dataclass(frozen=True)
class MouthRow:
    """Mouths of one model, or of the ground truth, at consecutive instants.

    Attributes:
        name: id of the model, or `GROUND_TRUTH`.
        jpeg: twelve enlarged mouths side by side.
    """

    name: str
    jpeg: bytes

    @property
    def data_uri(self) -> str:
        """The picture as a data URI, so that the page needs no files."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode("ascii")


def most_active_instants(test: TestClip) -> list[int]:
    """Numbers of twelve pictures, every second one, where the ground-truth mouth moves most."""
    n = min(len(test.mouths), len(test.opening_mm))
    length = N_INSTANTS * STEP_PICTURES
    moves = np.abs(np.diff(test.opening_mm[:n]))
    if n <= length:
        return list(range(0, n, STEP_PICTURES))
    sums = np.convolve(moves, np.ones(length - 1), "valid")
    first = int(sums.argmax())
    return list(range(first, first + length, STEP_PICTURES))


def mouth_rows(test: TestClip, generated: Mapping[str, UInt8]) -> list[MouthRow]:
    """A row for the ground truth and for each model.

    Args:
        test: the clip.
        generated: by model, (n, 128, 256, 3) uint8 BGR lower halves.
    """
    instants = most_active_instants(test)
    rows = {GROUND_TRUTH: test.mouths, **{name: mouths_of(halves) for name, halves in generated.items()}}
    return [MouthRow(name, _jpeg(np.hstack([mouths[k] for k in instants]))) for name, mouths in rows.items()]


def write_video(
    path: Path, test: TestClip, generated: Mapping[str, UInt8], titles: Mapping[str, str], rest: UInt8
) -> None:
    """Write a video with sound of the ground truth and all models side by side.

    Args:
        path: the MP4 file.
        test: the clip.
        generated: by model, (n, 128, 256, 3) uint8 BGR lower halves.
        titles: title of each model and of `GROUND_TRUTH`.
        rest: (256, 256, 3) uint8 BGR, the face around the generated lower halves.

    Raises:
        OutputError: the file cannot be written.
    """
    names = [GROUND_TRUTH, *generated]
    sound = soxr.resample(test.samples, LIVE_RATE_HZ, AAC_RATE_HZ).astype(np.float32)[None]
    width, height = canvas_size_px(len(names), CROP_PX)
    layout = VideoFormat(FPS, width, height, n_channels=1, crf=VIDEO_CRF, title=f"{test.name}: {', '.join(names)}")
    shown_titles = [titles[name] for name in names]
    per_picture = AAC_RATE_HZ // FPS
    with VideoFile(path, layout) as video:
        for k, frame in enumerate(read_frames(test.clip)):
            if k >= min(len(halves) for halves in generated.values()):
                break
            faces = [frame, *(np.vstack((rest[:HALF_TOP_PX], halves[k])) for halves in generated.values())]
            video.add_picture(to_i420(side_by_side(faces, shown_titles)))
            video.add_sound(np.ascontiguousarray(sound[:, k * per_picture : (k + 1) * per_picture]))
        video.finish()


def poster(test: TestClip, generated: Mapping[str, UInt8], titles: Mapping[str, str], rest: UInt8) -> str:
    """The picture of the video with the widest mouth, as a data URI."""
    k = int(test.opening_mm[: min(len(halves) for halves in generated.values())].argmax())
    ground_truth = next(frame for number, frame in enumerate(read_frames(test.clip)) if number == k)
    faces = [ground_truth, *(np.vstack((rest[:HALF_TOP_PX], halves[k])) for halves in generated.values())]
    canvas = side_by_side(faces, [titles[name] for name in (GROUND_TRUTH, *generated)])
    return MouthRow("", _encoded(canvas[..., :3])).data_uri


def _jpeg(picture: UInt8) -> bytes:
    size = (picture.shape[1] * ENLARGED, picture.shape[0] * ENLARGED)
    return _encoded(np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8))


def _encoded(picture: UInt8) -> bytes:
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return bytes(data.tobytes())
