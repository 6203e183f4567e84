"""Reads the pictures of a video file at constant 25 fps, upright, as 8-bit BGR of a limited size.

Time zero is the first picture of the file. Output picture k is the one that a player displays at (k + 0.5) / 25 s:
pictures of higher rates are left out, those of lower or variable rates are repeated; none are blended.

Colours: the matrix and range in the file's tags are used, BT.709 for untagged HD, BT.601 for other untagged files. 10
and 12 bits are reduced to 8. HDR (HLG or PQ) and BT.2020 are converted to BT.709 by swscale: reference white, 203 cd/m2
in ITU-R BT.2408, becomes white, and brighter highlights are clipped. Dolby Vision metadata is ignored. Interlaced video
is not deinterlaced.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc, Interpolation, VideoReformatter
from numpy.typing import NDArray

from avatar_app.contracts.errors import StudioError
from avatar_app.live.media_file import MEDIA_ERRORS, shown
from avatar_app.live.webcam.rotation import apply_rotation
from avatar_app.studio.data.clips import FPS
from avatar_app.studio.enrol.video_stream import (
    MAX_GAP_S,
    ROUNDING_S,
    damaged,
    decoded,
    extent,
    has_sound,
    opened,
    still_picture,
)

UInt8 = NDArray[np.uint8]

MAX_SIDE_PX = 1280
MIN_HD_LINES = 720
UNSPECIFIED_MATRIX = 2
HDR_NAMES = {int(ColorTrc.SMPTE2084): "PQ", int(ColorTrc.ARIB_STD_B67): "HLG"}
WIDE_TRANSFERS = (*HDR_NAMES, int(ColorTrc.BT2020_10), int(ColorTrc.BT2020_12))


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """Facts of a video file.

    Attributes:
        fps: mean frame rate.
        source_size: width and height of the stored pictures, before rotation.
        size: width and height of the pictures that `pictures` yields.
        rotation_deg: clockwise rotation for display: 0, 90, 180 or 270.
        is_mirrored: whether display mirrors the picture left to right, before the rotation.
        n_bits: bits of a colour component.
        transfer: "SDR", "HLG" or "PQ".
        t_start_s: time of the first picture from the beginning of the file; the sound may begin earlier or later.
        duration_s: from the first picture to the end of the last.
        has_sound: whether there is a sound stream.
    """

    fps: float
    source_size: tuple[int, int]
    size: tuple[int, int]
    rotation_deg: int
    is_mirrored: bool
    n_bits: int
    transfer: str
    t_start_s: float
    duration_s: float
    has_sound: bool

    @property
    def n_frames(self) -> int:
        """Number of pictures at 25 fps: those whose instant (k + 0.5) / 25 s lies within the video."""
        return max(1, math.ceil((self.duration_s - ROUNDING_S) * FPS - 0.5))


def survey(path: Path, max_s: float, max_side_px: int = MAX_SIDE_PX) -> VideoFacts:
    """Read the facts of a video. Only the first picture is decoded.

    Args:
        path: any video.
        max_s: maximum duration; a longer file is not read to its end.
        max_side_px: maximum width and height of the pictures that `pictures` yields; larger ones are scaled down.

    Raises:
        StudioError: the file is missing, damaged, a still picture, without video, or too long.
    """
    with opened(path) as (container, stream):
        first, t_first_s = next(decoded(path, container, stream), (None, 0.0))
        is_audible, pixel_aspect = has_sound(container), float(stream.sample_aspect_ratio or 1)
    if first is None:
        raise damaged(path, "no picture in it can be read")
    t_end_s, n_packets = extent(path, t_first_s, max_s)
    if n_packets == 1:
        raise still_picture(path)
    rotation_deg, is_mirrored = _orientation(first)
    width, height = _working_size(first, pixel_aspect, max_side_px)
    return VideoFacts(
        fps=n_packets / max(t_end_s - t_first_s, 1 / FPS),
        source_size=(first.width, first.height),
        size=(height, width) if rotation_deg % 180 else (width, height),
        rotation_deg=rotation_deg,
        is_mirrored=is_mirrored,
        n_bits=max(component.bits for component in first.format.components),
        transfer=HDR_NAMES.get(int(first.color_trc), "SDR"),
        t_start_s=t_first_s,
        duration_s=t_end_s - t_first_s,
        has_sound=is_audible,
    )


def pictures(path: Path, facts: VideoFacts) -> Iterator[UInt8]:
    """Yield the pictures one by one; memory does not grow with the length.

    Args:
        path: the video.
        facts: from `survey` of the same file.

    Yields:
        `facts.n_frames` pictures (H, W, 3) uint8 BGR of `facts.size`.

    Raises:
        StudioError: the file is damaged, or the size of its pictures changes.
    """
    with opened(path) as (container, stream):
        convert = _Converter(path, facts)
        for frame, n_times in _on_grid(path, facts, decoded(path, container, stream)):
            picture = convert(frame)
            for _ in range(n_times):
                yield picture


class _Converter:
    """Converts decoded frames to upright BGR pictures of one size."""

    def __init__(self, path: Path, facts: VideoFacts) -> None:
        self._path = path
        self._facts = facts
        # One for all: it keeps the colour tables, which take seconds for HDR.
        self._reformatter = VideoReformatter()

    def __call__(self, frame: Any) -> UInt8:
        facts = self._facts
        if (frame.width, frame.height) != facts.source_size or _orientation(frame)[0] != facts.rotation_deg:
            raise StudioError(
                f"The pictures of the video {shown(self._path)} change their size or orientation.",
                "Record it again without turning the device.",
            )
        width, height = facts.size[::-1] if facts.rotation_deg % 180 else facts.size
        try:
            small = self._reformatter.reformat(
                frame, width, height, "bgr24", interpolation=_interpolation(frame, width), **_colours(frame)
            )
        except MEDIA_ERRORS as error:
            raise damaged(self._path, "the colours of its pictures cannot be converted") from error
        return apply_rotation(np.asarray(small.to_ndarray(), np.uint8), frame)


def _interpolation(frame: Any, width: int) -> int:
    scaling = Interpolation.AREA if width < frame.width else Interpolation.BICUBIC
    return int(scaling | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT)


def _colours(frame: Any) -> dict[str, int]:
    """The arguments of the colour conversion."""
    if int(frame.color_trc) in WIDE_TRANSFERS:
        return {"dst_color_trc": int(ColorTrc.BT709), "dst_color_primaries": int(ColorPrimaries.BT709)}
    is_untagged = int(frame.colorspace) == UNSPECIFIED_MATRIX
    if is_untagged and not frame.format.is_rgb and min(frame.width, frame.height) >= MIN_HD_LINES:
        return {"src_colorspace": int(Colorspace.ITU709)}
    return {}


def _on_grid(path: Path, facts: VideoFacts, frames: Iterator[tuple[Any, float]]) -> Iterator[tuple[Any, int]]:
    """Yield each frame that is displayed at instants of the grid, and at how many."""
    displayed: Any = None
    k, t_last_s = 0, 0.0
    for frame, t_file_s in frames:
        t_s = t_file_s - facts.t_start_s
        _check_gap(path, t_last_s, t_s)
        if displayed is not None and t_s <= t_last_s:
            continue
        k_next = min(facts.n_frames, max(k, math.ceil((t_s - ROUNDING_S) * FPS - 0.5)))
        if displayed is not None and k_next > k:
            yield displayed, k_next - k
            k = k_next
        displayed, t_last_s = frame, t_s
        if k == facts.n_frames:
            return
    _check_gap(path, t_last_s, facts.duration_s)
    if displayed is None:
        raise damaged(path, "no picture in it can be read")
    yield displayed, facts.n_frames - k


def _check_gap(path: Path, t_last_s: float, t_s: float) -> None:
    """Raises: StudioError: the time stamps jump."""
    if t_s - t_last_s > MAX_GAP_S:
        raise damaged(path, f"it has no pictures between {t_last_s:.1f} s and {t_s:.1f} s")
    if t_s < t_last_s - MAX_GAP_S:
        raise damaged(path, f"its times jump from {t_last_s:.1f} s back to {max(0.0, t_s):.1f} s")


def _orientation(frame: Any) -> tuple[int, bool]:
    """Clockwise rotation in degrees, and whether the picture is mirrored before it."""
    corners = np.arange(4, dtype=np.uint8).reshape(2, 2)
    turned = apply_rotation(corners[..., None], frame)[..., 0]
    for is_mirrored in (False, True):
        picture = corners[:, ::-1] if is_mirrored else corners
        for n_quarters in range(4):
            if np.array_equal(np.rot90(picture, -n_quarters), turned):
                return 90 * n_quarters, is_mirrored
    raise AssertionError("the display matrix is no quarter turn")


def _working_size(frame: Any, pixel_aspect: float, max_side_px: int) -> tuple[int, int]:
    """Width and height before rotation, with square pixels, even, at most `max_side_px`."""
    width, height = frame.width * pixel_aspect, float(frame.height)
    scale = min(1.0, max_side_px / max(width, height))
    return max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))
