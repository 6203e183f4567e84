"""Imports the videos of a person, and splits each at its cuts into takes.

The workspace holds a folder for each video, with the pictures and sound of `video_import`, and the list of takes in
`takes.json`. A video that was imported before is not imported again.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from avatar_app.contracts.errors import InputFileError, StudioError
from avatar_app.contracts.input_file import read_object
from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.settings.paths import user_path
from avatar_app.studio.data.cache_file import make_current, read_facts, write_facts
from avatar_app.studio.data.clips import FPS
from avatar_app.studio.enrol.person.material import Take
from avatar_app.studio.enrol.video_import import (
    PICTURES,
    SAMPLES_PER_PICTURE,
    SOUND,
    Limits,
    import_video,
    survey_with_sound,
)
from avatar_app.studio.enrol.video_pictures import VideoFacts

TAKES_FILE, FACTS_FILE, CUTS_FILE = "takes.json", "facts.json", "cuts.json"
# The name of the video, and the number of the part.
TAKE_NAME = re.compile(r"(.*?-\d{2,})(-\d+)?")
# Of all videos together.
WHOLE = Limits(min_s=10.0, max_s=120.0)
HELD_OUT = Limits(min_s=2.0, max_s=120.0)
# Of one video among several.
MIN_VIDEO_S = 2.0
MIN_TAKE_S = 1.0

# A cut changes the picture at once: by so many grey levels in the mean, and so much more than the pictures around it.
MIN_CUT_LEVELS, MIN_CUT_RATIO = 4.0, 2.5
CUT_REACH = 6
CUT_SIZE = (64, 48)

# Arguments: pictures done, and pictures in all. An exception that it raises ends the step.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class _Part:
    """Where a take lies: a video's folder, its first picture, and the one after its last."""

    name: str
    folder: str
    first: int
    end: int


def import_takes(
    paths: Sequence[Path],
    folder: Path,
    progress: Progress = lambda n_done, n_all: None,
    *,
    limits: Limits = WHOLE,
    prefix: str = "take",
) -> list[Take]:
    """Import videos and split them at their cuts.

    Args:
        paths: videos with sound; `~` is the home folder.
        folder: of this step, made if missing.
        progress: called after each picture.
        limits: the duration of all videos together, and the maximum side of a picture.
        prefix: the names of the takes begin with it.

    Returns:
        The takes in order, mapped from files.

    Raises:
        StudioError: a video cannot be used, they are too short or too long, or the folder cannot be written.
    """
    paths = [user_path(path) for path in paths]
    facts = survey_all(paths, limits)
    n_all, n_before = sum(one.n_frames for one in facts), 0
    parts: list[_Part] = []
    for number, (path, one) in enumerate(zip(paths, facts, strict=True)):
        name = f"{prefix}-{number:02d}"
        _import_one(path, folder / name, limits, part_of(progress, n_before, n_all))
        n_before += one.n_frames
        parts += _parts_of(name, folder / name)
    _check_parts(parts, limits)
    write_facts(folder / TAKES_FILE, {"takes": [astuple(part) for part in parts]})
    return [_take(folder, part) for part in parts]


def read_takes(folder: Path) -> list[Take]:
    """The takes that `import_takes` wrote to a folder.

    Raises:
        StudioError: they are missing or damaged.
    """
    try:
        return [_take(folder, _Part(*row)) for row in read_object(folder / TAKES_FILE)["takes"]]
    except (InputFileError, OSError, KeyError, ValueError, TypeError) as error:
        raise StudioError(
            f"The imported videos in {folder} cannot be read ({error}).", "Start the enrolment again."
        ) from error


def survey_all(paths: Sequence[Path], limits: Limits = WHOLE) -> list[VideoFacts]:
    """Read the facts of all videos and check their duration; quick.

    Raises:
        StudioError: a video cannot be used, or they are too short or too long together.
    """
    if not paths:
        raise StudioError("No video was named.", "Name one with --video.")
    alone = limits if len(paths) == 1 else Limits(MIN_VIDEO_S, limits.max_s, limits.max_side_px)
    facts = [survey_with_sound(path, alone) for path in paths]
    whole_s = sum(one.duration_s for one in facts)
    if whole_s < limits.min_s:
        raise StudioError(
            f"The videos are too short: {whole_s:.1f} s together.", f"Record at least {limits.min_s:.0f} s."
        )
    if whole_s > limits.max_s + 1 / FPS:
        raise StudioError(
            f"The videos are longer than {limits.max_s:.0f} s together: {whole_s:.0f} s.", "Name fewer of them."
        )
    return facts


def video_of(take_name: str) -> str:
    """The video of a take: the name without the number of the part between two cuts."""
    found = TAKE_NAME.fullmatch(take_name)
    return found[1] if found else take_name


def find_cuts(pictures: Iterable[UInt8]) -> list[int]:
    """Indices of pictures before which the recording was cut.

    Args:
        pictures: (H, W, 3) uint8 BGR each.
    """
    levels = _differences(pictures)
    padded = np.pad(levels, CUT_REACH)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * CUT_REACH + 1)
    # The largest and second largest around each picture without it: one more cut nearby does not hide this one.
    around = np.sort(np.delete(windows, CUT_REACH, axis=1), axis=1)[:, -2]
    is_cut = (levels > MIN_CUT_LEVELS) & (levels > MIN_CUT_RATIO * around)
    return [int(k) for k in np.flatnonzero(is_cut)]


def _differences(pictures: Iterable[UInt8]) -> Float32:
    """Mean change from the picture before, (n,) float32 in grey levels; 0 for the first."""
    found, before = [], None
    for picture in pictures:
        small = cv2.resize(picture, CUT_SIZE, interpolation=cv2.INTER_AREA).astype(np.float32)
        found.append(0.0 if before is None else float(np.abs(small - before).mean()))
        before = small
    return np.array(found, np.float32)


def part_of(progress: Progress, n_before: int, n_all: int) -> Progress:
    """Reports the progress of one part as that of the whole, `n_before` pictures after its begin."""
    return lambda n_done, _: progress(n_before + n_done, n_all)


def _import_one(path: Path, folder: Path, limits: Limits, progress: Progress) -> None:
    """Import a video into its folder, unless it is there."""
    stat = path.stat()
    wanted = {
        "video": str(path.resolve()),
        "n_bytes": stat.st_size,
        "modified_ns": stat.st_mtime_ns,
        "max_side_px": limits.max_side_px,
    }

    def make() -> None:
        # The duration was checked for all videos together.
        imported = import_video(path, folder, Limits(0.0, limits.max_s + 1, limits.max_side_px), progress)
        cuts = find_cuts(np.load(imported.pictures, mmap_mode="r"))
        write_facts(folder / CUTS_FILE, {"cuts": cuts, "n_frames": imported.n_frames})

    make_current(folder / FACTS_FILE, wanted, make)


def _parts_of(name: str, folder: Path) -> list[_Part]:
    """The parts of a video between its cuts that are long enough."""
    facts = read_facts(folder / CUTS_FILE)
    edges = [0, *facts["cuts"], facts["n_frames"]]
    spans = [(first, end) for first, end in itertools.pairwise(edges) if end - first >= MIN_TAKE_S * FPS]
    if len(spans) == 1:
        return [_Part(name, name, *spans[0])]
    return [_Part(f"{name}-{letter}", name, *span) for letter, span in enumerate(spans, start=1)]


def _check_parts(parts: Sequence[_Part], limits: Limits) -> None:
    whole_s = sum(part.end - part.first for part in parts) / FPS
    # What the cuts dropped may be a little.
    if whole_s < limits.min_s - MIN_TAKE_S:
        raise StudioError(
            f"The videos have many cuts: only {whole_s:.1f} s are in pieces longer than {MIN_TAKE_S:.0f} s.",
            "Record yourself without cuts.",
        )


def _take(folder: Path, part: _Part) -> Take:
    pictures: Any = np.load(folder / part.folder / PICTURES, mmap_mode="r")
    samples: Any = np.load(folder / part.folder / SOUND, mmap_mode="r")
    sound = np.array(samples[part.first * SAMPLES_PER_PICTURE : part.end * SAMPLES_PER_PICTURE], np.float32)
    return Take(part.name, pictures[part.first : part.end], sound)
