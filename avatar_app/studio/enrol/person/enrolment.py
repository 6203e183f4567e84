"""Makes an avatar of a person from videos, step by step. A run that was killed continues with what is finished."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from avatar_app.studio.enrol.person.alignment import Neutral, neutral_of
from avatar_app.studio.enrol.person.enrol_input import EnrolInput, Recording
from avatar_app.studio.enrol.person.face_crop import crop_take, read_crops
from avatar_app.studio.enrol.person.material import FaceCrops, FaceTrack, Take
from avatar_app.studio.enrol.person.progress import Progress
from avatar_app.studio.enrol.person.takes import import_takes, part_of, read_takes, survey_all
from avatar_app.studio.enrol.person.tracking import OpenTracker, track_takes
from avatar_app.studio.enrol.person.workspace import Workspace, import_bytes
from avatar_app.studio.enrol.video_import import Limits

T = TypeVar("T")
Count = Callable[[int, int], None]

HELD_OUT = "held-out"
# Videos that are only used for the report may be short or long.
HELD_OUT_LIMITS = Limits(min_s=1.0, max_s=600.0)


@dataclass(frozen=True)
class Recorded:
    """A take with its face.

    Attributes:
        take: pictures and sound.
        track: the face in each picture.
        crops: the face crops.
        is_held_out: whether it is used for the report only.
    """

    take: Take
    track: FaceTrack
    crops: FaceCrops
    is_held_out: bool


class Steps:
    """Runs the steps of an enrolment, and skips those that an earlier run finished.

    Args:
        workspace: keeps the list of finished steps.
        progress: of this run.
    """

    def __init__(self, workspace: Workspace, progress: Progress) -> None:
        self.workspace, self._progress = workspace, progress

    def run(self, name: str, make: Callable[[Count], T], read: Callable[[], T] | None = None) -> T:
        """Run a step, or read what an earlier run made.

        Args:
            name: of the step.
            make: does it; receives a function that reports the number of finished and of all parts.
            read: reads the result of an earlier run; None makes it again, which must be quick.
        """
        if read is not None and self.workspace.is_finished(name):
            result = read()
            self._progress.skip(name)
            return result
        self._progress.start(name)
        result = make(lambda n_done, n_all: self._progress.advance(n_done / max(1, n_all)))
        self.workspace.finish(name)
        self._progress.finish()
        return result


def record(steps: Steps, wanted: EnrolInput, open_tracker: OpenTracker) -> list[Recorded]:
    """Import the videos, find the face in each picture and cut it out.

    Args:
        steps: of this run.
        wanted: names the videos.
        open_tracker: starts a face tracker.

    Raises:
        UserError: a video cannot be used.
    """
    folder = steps.workspace.folder("takes")
    learned, held_out = steps.run(
        "takes", lambda count: _import(steps.workspace, wanted, count), lambda: _imported(folder, wanted)
    )
    takes = [*learned, *held_out]
    track_folder = steps.workspace.folder("track")
    tracks = steps.run("track", lambda count: track_takes(takes, track_folder, open_tracker, count))
    neutral = neutral_of(tracks[: len(learned)])
    crop_folder = steps.workspace.folder("crop")
    crops = steps.run(
        "crop",
        lambda count: _crop(takes, tracks, neutral, crop_folder, count),
        lambda: [read_crops(crop_folder / take.name) for take in takes],
    )
    faces = zip(takes, tracks, crops, strict=True)
    return [Recorded(take, track, crop, k >= len(learned)) for k, (take, track, crop) in enumerate(faces)]


def _import(workspace: Workspace, wanted: EnrolInput, count: Count) -> tuple[list[Take], list[Take]]:
    """The takes to learn from, and those for the report."""
    folder, paths = workspace.folder("takes"), _paths(wanted.videos)
    workspace.check_space(sum(import_bytes(one.n_frames, one.size) for one in survey_all(paths)))
    learned = import_takes(paths, folder, count)
    if not wanted.held_out:
        return learned, []
    held_out = import_takes(_paths(wanted.held_out), folder / HELD_OUT, count, limits=HELD_OUT_LIMITS, prefix=HELD_OUT)
    return learned, held_out


def _imported(folder: Path, wanted: EnrolInput) -> tuple[list[Take], list[Take]]:
    return read_takes(folder), read_takes(folder / HELD_OUT) if wanted.held_out else []


def _crop(
    takes: Sequence[Take], tracks: Sequence[FaceTrack], neutral: Neutral, folder: Path, count: Count
) -> list[FaceCrops]:
    n_all, crops, n_before = sum(len(take.pictures) for take in takes), [], 0
    for take, track in zip(takes, tracks, strict=True):
        crops.append(crop_take(take, track, neutral, folder / take.name, part_of(count, n_before, n_all)))
        n_before += len(take.pictures)
    return crops


def _paths(recordings: Sequence[Recording]) -> list[Path]:
    return [Path(recording.path) for recording in recordings]
