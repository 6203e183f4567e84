"""The first steps of an enrolment: from video files to takes with the face of each picture cut out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from avatar_app.studio.data.cache_file import written
from avatar_app.studio.enrol.person.alignment import Neutral, neutral_of
from avatar_app.studio.enrol.person.checks import advice, check_recording, usable
from avatar_app.studio.enrol.person.enrol_input import EnrolInput, Recording
from avatar_app.studio.enrol.person.face_crop import crop_take, read_crops
from avatar_app.studio.enrol.person.material import FaceCrops, FaceTrack, Take
from avatar_app.studio.enrol.person.picture_measures import joined, measure_pictures
from avatar_app.studio.enrol.person.steps import Count, Steps
from avatar_app.studio.enrol.person.takes import import_takes, part_of, read_takes, survey_all
from avatar_app.studio.enrol.person.tracking import OpenTracker, track_takes
from avatar_app.studio.enrol.person.workspace import Workspace, import_bytes
from avatar_app.studio.enrol.video_import import Limits

HELD_OUT = "held-out"
# Videos that are only used for the report may be short or long.
HELD_OUT_LIMITS = Limits(min_s=1.0, max_s=600.0)


@dataclass(frozen=True)
class Recorded:
    """All takes of a person, each with its face.

    Attributes:
        takes: pictures and sound.
        tracks: the face in each picture.
        crops: the face crops.
        neutral: the face at rest.
        n_learned: the first takes are learned from; the others are used for the report only.
    """

    takes: Sequence[Take]
    tracks: Sequence[FaceTrack]
    crops: Sequence[FaceCrops]
    neutral: Neutral
    n_learned: int


def record(steps: Steps, wanted: EnrolInput, open_tracker: OpenTracker) -> Recorded:
    """Import the videos, find the face in each picture and cut it out.

    Args:
        steps: of this run.
        wanted: names the videos.
        open_tracker: starts a face tracker.

    Raises:
        UserError: a video cannot be used.
    """
    workspace = steps.workspace
    learned, held_out = steps.run(
        "takes", lambda count: _import(workspace, wanted, count), lambda: _imported(workspace, wanted)
    )
    takes, track_folder = [*learned, *held_out], workspace.folder("track")
    tracks = steps.run("track", lambda count: track_takes(takes, track_folder, open_tracker, count))
    neutral, crop_folder = neutral_of(tracks[: len(learned)]), workspace.folder("crop")
    crops = steps.run(
        "crop",
        lambda count: _checked_crops(steps, takes, tracks, len(learned), neutral, crop_folder, count),
        lambda: [read_crops(crop_folder / take.name) for take in takes],
    )
    _show_face(steps, crops)
    return Recorded(takes, tracks, crops, neutral, len(learned))


def _show_face(steps: Steps, crops: Sequence[FaceCrops]) -> None:
    """The face is the preview until something has been learned."""
    file, first = steps.workspace.folder("crop") / "preview.png", crops[0]
    if first.is_usable.any():
        picture = np.ascontiguousarray(first.frames[int(np.argmax(first.is_usable))])
        with written(file) as opened:
            # Not imwrite: it takes no paths with letters beyond ASCII on Windows.
            opened.write(cv2.imencode(".png", picture)[1].tobytes())
        steps.show(file)


def _import(workspace: Workspace, wanted: EnrolInput, count: Count) -> tuple[list[Take], list[Take]]:
    """The takes to learn from, and those for the report."""
    folder, paths = workspace.folder("takes"), _paths(wanted.videos)
    workspace.check_space(sum(import_bytes(one.n_frames, one.size) for one in survey_all(paths)))
    learned = import_takes(paths, folder, count)
    if not wanted.held_out:
        return learned, []
    held_out = _paths(wanted.held_out)
    return learned, import_takes(held_out, folder / HELD_OUT, count, limits=HELD_OUT_LIMITS, prefix=HELD_OUT)


def _imported(workspace: Workspace, wanted: EnrolInput) -> tuple[list[Take], list[Take]]:
    folder = workspace.folder("takes")
    return read_takes(folder), read_takes(folder / HELD_OUT) if wanted.held_out else []


def _checked_crops(
    steps: Steps,
    takes: Sequence[Take],
    tracks: Sequence[FaceTrack],
    n_learned: int,
    neutral: Neutral,
    folder: Path,
    count: Count,
) -> list[FaceCrops]:
    """Check the recording, and cut out the faces."""
    n_all, n_before, measures, crops = 2 * sum(len(take.pictures) for take in takes), 0, [], []
    for take, track in zip(takes, tracks, strict=True):
        measures.append(measure_pictures(take, track, part_of(count, n_before, n_all)))
        n_before += len(take.pictures)
    learned, sounds = joined(measures[:n_learned]), [take.samples for take in takes[:n_learned]]
    check_recording(learned, sounds)
    steps.note({"advice": advice(learned, sounds)})
    ends = np.cumsum([len(take.pictures) for take in takes])[:-1]
    for take, track, is_usable in zip(takes, tracks, np.split(usable(joined(measures)), ends), strict=True):
        done = part_of(count, n_before, n_all)
        crops.append(crop_take(take, track, neutral, folder / take.name, done, is_usable))
        n_before += len(take.pictures)
    return crops


def _paths(recordings: Sequence[Recording]) -> list[Path]:
    return [Path(recording.path) for recording in recordings]
