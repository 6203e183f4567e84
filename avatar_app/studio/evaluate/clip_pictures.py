"""The same instants side by side: true, teacher, students; as strips of pictures, and as short videos with sound."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import soxr
from numpy.typing import NDArray

from avatar_app.contracts.packets import LIVE_RATE_HZ
from avatar_app.live.record.video_file import AAC_RATE_HZ, VideoFile, VideoFormat, to_i420
from avatar_app.studio.data.clips import CROP_PX, FPS, read_frames
from avatar_app.studio.evaluate.mouths import HALF_TOP_PX, mouths_of
from avatar_app.studio.metrics.held_out import TestClip

UInt8 = NDArray[np.uint8]

N_INSTANTS = 12
STEP_PICTURES = 2
ENLARGED = 2
JPEG_QUALITY = 90
TITLE_PX = 32
GAP_PX = 8
# Players lay their controls over the lower edge, where otherwise the mouths would be.
CONTROLS_PX = 72
BACKGROUND_GREY = 22
INK_GREY = 235
VIDEO_CRF = 20
TRUE = "true"


@dataclass(frozen=True)
class Strip:
    """One row.

    Attributes:
        name: who drew it.
        jpeg: twelve mouths side by side, enlarged.
    """

    name: str
    jpeg: bytes

    @property
    def data_uri(self) -> str:
        """The picture itself as an address, for a page without files."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode("ascii")


def liveliest(test: TestClip) -> list[int]:
    """Twelve instants, every other picture, where the true mouth opens and shuts most."""
    n = min(len(test.mouths), len(test.opening_mm))
    length = N_INSTANTS * STEP_PICTURES
    moves = np.abs(np.diff(test.opening_mm[:n]))
    if n <= length:
        return list(range(0, n, STEP_PICTURES))
    sums = np.convolve(moves, np.ones(length - 1), "valid")
    first = int(sums.argmax())
    return list(range(first, first + length, STEP_PICTURES))


def strips(test: TestClip, drawn: Mapping[str, UInt8]) -> list[Strip]:
    """A row of true mouths, and one for everybody.

    Args:
        test: the clip.
        drawn: by name, (n, 128, 256, 3) lower halves.
    """
    instants = liveliest(test)
    rows = {TRUE: test.mouths, **{name: mouths_of(halves) for name, halves in drawn.items()}}
    return [Strip(name, _jpeg(np.hstack([mouths[k] for k in instants]))) for name, mouths in rows.items()]


def write_video(path: Path, test: TestClip, drawn: Mapping[str, UInt8], titles: Mapping[str, str], rest: UInt8) -> None:
    """A short film of everybody side by side, with the sound.

    Args:
        path: the MP4 file.
        test: the clip.
        drawn: by name, (n, 128, 256, 3) lower halves.
        titles: by name, and of `TRUE`: what stands above each.
        rest: (256, 256, 3) the face around what is drawn.

    Raises:
        OutputError: it cannot be written.
    """
    names = [TRUE, *drawn]
    sound = soxr.resample(test.samples, LIVE_RATE_HZ, AAC_RATE_HZ).astype(np.float32)[None]
    width, height = _size_px(len(names))
    layout = VideoFormat(FPS, width, height, n_channels=1, crf=VIDEO_CRF, title=f"{test.name}: {', '.join(names)}")
    told = [titles[name] for name in names]
    per_picture = AAC_RATE_HZ // FPS
    with VideoFile(path, layout) as video:
        for k, frame in enumerate(read_frames(test.clip)):
            if k >= min(len(halves) for halves in drawn.values()):
                break
            faces = [frame, *(np.vstack((rest[:HALF_TOP_PX], halves[k])) for halves in drawn.values())]
            video.add_picture(to_i420(_side_by_side(faces, told)))
            video.add_sound(np.ascontiguousarray(sound[:, k * per_picture : (k + 1) * per_picture]))
        video.finish()


def poster(test: TestClip, drawn: Mapping[str, UInt8], titles: Mapping[str, str], rest: UInt8) -> str:
    """An instant of the film, where the mouth is widest, as an address."""
    k = int(test.opening_mm[: min(len(halves) for halves in drawn.values())].argmax())
    true = next(frame for number, frame in enumerate(read_frames(test.clip)) if number == k)
    faces = [true, *(np.vstack((rest[:HALF_TOP_PX], halves[k])) for halves in drawn.values())]
    return Strip("", _encoded(_side_by_side(faces, [titles[name] for name in (TRUE, *drawn)])[..., :3])).data_uri


def _size_px(n: int) -> tuple[int, int]:
    """Width and height of so many faces side by side."""
    return n * (CROP_PX + GAP_PX) + GAP_PX, TITLE_PX + CROP_PX + CONTROLS_PX


def _side_by_side(faces: Sequence[UInt8], titles: Sequence[str]) -> UInt8:
    """(height, width, 4) BGRA: faces under their titles."""
    width, height = _size_px(len(faces))
    canvas = np.full((height, width, 4), BACKGROUND_GREY, np.uint8)
    for place, (face, title) in enumerate(zip(faces, titles, strict=True)):
        left = GAP_PX + place * (CROP_PX + GAP_PX)
        canvas[TITLE_PX : TITLE_PX + CROP_PX, left : left + CROP_PX, :3] = face
        at = (left + 2, TITLE_PX - 10)
        cv2.putText(canvas, title, at, cv2.FONT_HERSHEY_SIMPLEX, 0.55, (INK_GREY,) * 3, 1, cv2.LINE_AA)
    return canvas


def _jpeg(picture: UInt8) -> bytes:
    size = (picture.shape[1] * ENLARGED, picture.shape[0] * ENLARGED)
    return _encoded(np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8))


def _encoded(picture: UInt8) -> bytes:
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return bytes(data.tobytes())
