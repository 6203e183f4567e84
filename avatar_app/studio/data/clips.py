"""The rendered clips of a head at rest: pictures with their mouth parameters."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import InputFileError, StudioError
from avatar_app.contracts.input_file import read_arrays
from avatar_app.contracts.mouth import MOUTH_NAMES, N_MOUTH
from avatar_app.studio.data.cache_file import make_current, write_pictures, written
from avatar_app.studio.mouth import REST

log = logging.getLogger(__name__)

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

FPS = 25
CROP_PX = 256
STILL = "still_"
MAX_PARAMS_BYTES = 100_000_000
REST_DISTANCE = 1e-3
# Input of the sync expert.
MIN_PICTURES = 5
# Mean over the upper half, in grey levels; clips of one head differ by noise below 2.
MAX_HEAD_DIFFERENCE = 12.0
GET_THE_DATA = "Get the clips again, or name another data folder with --data."


@dataclass(frozen=True, slots=True)
class Clip:
    """One rendered clip.

    Attributes:
        folder: holds `video.mp4`, `audio.flac`, `params.npz`.
        is_train: whether it belongs to the training split.
    """

    folder: Path
    is_train: bool

    @property
    def name(self) -> str:
        """As in `clips.json`."""
        return self.folder.name


@dataclass(frozen=True)
class Pictures:
    """Pictures with their mouth parameters.

    Attributes:
        frames: (n, 256, 256, 3) uint8 BGR; may be mapped from a file.
        params: (n, 14) float32, columns as `MOUTH_NAMES`.
        is_train: (n,) bool.
        clip: (n,) int64, index of the clip of each picture.
    """

    frames: UInt8
    params: Float32
    is_train: NDArray[np.bool_]
    clip: NDArray[np.int64]


def still_clips(nova: Path) -> list[Clip]:
    """The clips whose head is at rest.

    Raises:
        StudioError: the list of clips cannot be read, or has none.
    """
    path = nova / "clips.json"
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        clips = [
            Clip(nova / "clips" / e["clip"], e["split"] == "train") for e in entries if e["clip"].startswith(STILL)
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StudioError(f"The list of clips {path} cannot be read: {error}.", GET_THE_DATA) from error
    if not clips:
        raise StudioError(f"The list of clips {path} has no clip of a head at rest.", GET_THE_DATA)
    return clips


def read_params(clip: Clip) -> Float32:
    """(n, 14) float32: the mouth parameters of each picture.

    Raises:
        StudioError: the file cannot be read, or a parameter is missing.
    """
    path = clip.folder / "params.npz"
    try:
        data = read_arrays(path, MAX_PARAMS_BYTES)
        names, params = [str(name) for name in data["names"]], data["params"]
    except (InputFileError, TypeError, KeyError) as error:
        raise StudioError(f"The parameters {path} cannot be read: {error}.", GET_THE_DATA) from error
    missing = set(MOUTH_NAMES) - set(names)
    if missing:
        raise StudioError(f"The parameters {path} lack {', '.join(sorted(missing))}.", GET_THE_DATA)
    columns = [names.index(name) for name in MOUTH_NAMES]
    return np.asarray(params[:, columns], dtype=np.float32)


def read_frames(clip: Clip) -> Iterator[UInt8]:
    """The pictures of a clip, (256, 256, 3) uint8 BGR each, at 25 fps: picture k shows the instant (k + 0.5) / 25 s.

    Videos of other sizes, and of other fixed or variable rates, are converted.

    Raises:
        StudioError: the video cannot be read, or is not square.
    """
    path = clip.folder / "video.mp4"
    try:
        # An absolute path, because FFmpeg parses a name with a colon as a URL.
        with av.open(str(path.absolute())) as container:
            for frame, n_times in _on_grid(container):
                if frame.width != frame.height:
                    raise StudioError(f"The video {path} is {frame.width} x {frame.height}, not square.", GET_THE_DATA)
                picture = _at_size(np.asarray(frame.to_ndarray(format="bgr24"), dtype=np.uint8))
                for _ in range(n_times):
                    yield picture
    except (OSError, IndexError, av.FFmpegError) as error:
        raise StudioError(f"The video {path} cannot be read: {error}.", GET_THE_DATA) from error


def read_clip(clip: Clip) -> tuple[UInt8, Float32]:
    """Pictures (n, 256, 256, 3) and their mouth parameters (n, 14).

    Raises:
        StudioError: the clip cannot be read, or is shorter than the input of the sync expert.
    """
    params = read_params(clip)
    frames = list(itertools.islice(read_frames(clip), len(params)))
    if len(frames) < MIN_PICTURES:
        raise StudioError(f"The clip {clip.name} has {len(frames)} pictures, fewer than {MIN_PICTURES}.", GET_THE_DATA)
    return np.stack(frames), params[: len(frames)]


def read_clips(clips: Sequence[Clip]) -> Iterator[tuple[Clip, UInt8, Float32]]:
    """All usable clips; the others are left out with a warning.

    The head is at rest, so its upper half is the same in all clips. A clip with another upper half than most shows no
    face, or another one.
    """
    common = _common_upper_half(clips)
    for number, clip in enumerate(clips):
        try:
            frames, params = read_clip(clip)
        except StudioError as error:
            log.warning("%s is left out: %s", clip.name, error)
            continue
        upper = _upper_half(frames).mean(axis=0, dtype=np.float32)
        if np.abs(upper - common).mean() > MAX_HEAD_DIFFERENCE:
            log.warning("%s is left out: it does not show the face of the other clips.", clip.name)
            continue
        log.info("%d of %d clips read: %s", number + 1, len(clips), clip.name)
        yield clip, frames, params


def _common_upper_half(clips: Sequence[Clip]) -> Float32:
    """Mean upper half, (128, 256, 3), over the first second of the clip that is nearest to the median of all."""
    means: list[Float32] = []
    for clip in clips:
        # `read_clips` reports clips that cannot be read.
        with contextlib.suppress(StudioError):
            second = [_upper_half(frame) for frame in itertools.islice(read_frames(clip), FPS)]
            if second:
                means.append(np.mean(second, axis=0, dtype=np.float32))
    if not means:
        return np.zeros((CROP_PX // 2, CROP_PX, 3), np.float32)
    middle = np.median(means, axis=0)
    # Rounded, so that two clips at equal distances from the median give the first.
    return min(means, key=lambda mean: round(float(np.abs(mean - middle).mean()), 3))


def _upper_half(frames: UInt8) -> UInt8:
    """The upper half of (..., 256, 256, 3) pictures."""
    return frames[..., : CROP_PX // 2, :, :]


def _on_grid(container: av.container.InputContainer) -> Iterator[tuple[av.VideoFrame, int]]:
    """Frames, and the number of instants (k + 0.5) / 25 s that each of them covers."""
    current: av.VideoFrame | None = None
    first_s, n_given, end_s = 0.0, 0, 0.0
    for frame in container.decode(video=0):
        t_s = float(frame.time or 0.0)
        if current is None:
            first_s = t_s
        else:
            n_times = math.ceil((t_s - first_s) * FPS - 0.5 - 1e-3) - n_given
            if n_times > 0:
                yield current, n_times
                n_given += n_times
        current = frame
        end_s = t_s - first_s + float(frame.duration or 0) * float(frame.time_base or 0)
    if current is not None:
        n_left = math.ceil(end_s * FPS - 0.5 - 1e-3) - n_given
        yield current, max(n_left, 1 if n_given == 0 else 0)


def _at_size(picture: UInt8) -> UInt8:
    if picture.shape[0] == CROP_PX:
        return picture
    shrinks = picture.shape[0] > CROP_PX
    size = (CROP_PX, CROP_PX)
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)  # type: ignore[no-any-return]


def rest_picture(clips: list[Clip], n_wanted: int = 60) -> UInt8:
    """The head with its mouth at rest, (256, 256, 3) uint8 BGR: the mean of pictures that differ in noise only.

    Raises:
        StudioError: no usable clip shows the mouth at rest.
    """
    total, n_found = np.zeros((CROP_PX, CROP_PX, 3), np.float64), 0
    for _, frames, params in read_clips(clips):
        at_rest = frames[is_at_rest(params)]
        total += at_rest.sum(axis=0)
        n_found += len(at_rest)
        if n_found >= n_wanted:
            break
    if not n_found:
        raise StudioError("No usable clip shows the mouth at rest.", GET_THE_DATA)
    return np.rint(total / n_found).astype(np.uint8)


def is_at_rest(params: Float32) -> NDArray[np.bool_]:
    """(n, 14) -> (n,): whether each mouth is at rest."""
    distance: Float32 = np.abs(params - REST).max(axis=1)
    return distance < REST_DISTANCE


def load_pictures(nova: Path, cache: Path) -> Pictures:
    """All pictures of all clips of the head at rest, decoded once and stored in `cache`.

    Clips that cannot be read are left out with a warning.

    Raises:
        StudioError: the list of clips or none of them can be read, or the cache cannot be written.
    """
    clips, file = still_clips(nova), cache / "pictures.json"
    wanted = {"clips": [[clip.name, clip.is_train, _size_bytes(clip)] for clip in clips]}
    make_current(file, wanted, lambda: _decode_all(clips, cache))
    with np.load(cache / "pictures.npz") as data:
        params, is_train, clip = data["params"], data["is_train"], data["clip"]
    return Pictures(np.load(cache / "frames.npy", mmap_mode="r"), params, is_train, clip)


def _size_bytes(clip: Clip) -> int:
    """Size of the video: it changes when the clip is rendered again."""
    video = clip.folder / "video.mp4"
    return video.stat().st_size if video.exists() else 0


def _decode_all(clips: list[Clip], cache: Path) -> None:
    frames, params, is_train, numbers = [], [], [], []
    for clip, pictures, mouths in read_clips(clips):
        frames.append(pictures)
        params.append(mouths)
        is_train += [clip.is_train] * len(mouths)
        numbers += [clips.index(clip)] * len(mouths)
    if not frames:
        raise StudioError("None of the clips can be read.", GET_THE_DATA)
    _write_cache(cache, frames, params, is_train, numbers)


def _write_cache(
    cache: Path, frames: list[UInt8], params: list[Float32], is_train: list[bool], numbers: list[int]
) -> None:
    mouths = np.concatenate(params)
    write_pictures(cache / "frames.npy", (len(mouths), *frames[0].shape[1:]), frames)
    assert mouths.shape[1] == N_MOUTH  # noqa: S101
    with written(cache / "pictures.npz") as opened:
        np.savez(opened, params=mouths, is_train=np.array(is_train), clip=np.array(numbers, np.int64))
