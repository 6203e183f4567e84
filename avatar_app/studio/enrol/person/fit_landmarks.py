"""`avatar-app studio fit-landmarks`: learn to read mouth parameters from landmarks, on the rendered clips.

Writes the map that the program ships. All training clips are used: those of a head at rest for the reach of the mouth,
and those of a moving head so that its motion is not taken for speech. The correlation with the known parameters is
reported for the test clips.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.mouth import MOUTH_NAMES
from avatar_app.contracts.packets import Float32
from avatar_app.studio.data.cache_file import written
from avatar_app.studio.data.clips import GET_THE_DATA, STILL, Clip, read_frames, read_params
from avatar_app.studio.enrol.person.alignment import neutral_landmarks
from avatar_app.studio.enrol.person.material import Take
from avatar_app.studio.enrol.person.mouth_features import features_of, smoothed_features
from avatar_app.studio.enrol.person.mouth_map import FILE, MouthMap, fit_map, reach_of
from avatar_app.studio.enrol.person.tracking import OpenTracker, open_recording_tracker, track_takes
from avatar_app.studio.metrics.scores import correlation
from avatar_app.studio.mouth import lip_opening_mm

log = logging.getLogger(__name__)

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class TrackedClip:
    """A rendered clip.

    Attributes:
        clip: the clip.
        landmarks_px: (n, 478, 3) of its pictures.
        params: (n, 14) float32, their parameters.
    """

    clip: Clip
    landmarks_px: Float32
    params: Float32


def read_tracked(nova: Path, cache: Path, open_tracker: OpenTracker = open_recording_tracker) -> list[TrackedClip]:
    """Track the face in all rendered clips; tracks of an earlier run are read from the cache.

    Raises:
        StudioError: the clips cannot be read.
        MissingExtraError, CameraInputError: the face tracker cannot be started.
    """
    tracked = []
    for clip in _all_clips(nova):
        params = read_params(clip)
        pictures = np.stack([picture for picture, _ in zip(read_frames(clip), params, strict=False)])
        take = Take(clip.name, pictures, np.zeros(0, np.float32))
        (track,) = track_takes([take], cache, open_tracker)
        log.info("%s: the face is tracked.", clip.name)
        tracked.append(TrackedClip(clip, track.landmarks_px, params[: len(pictures)]))
    return tracked


def learn(clips: Sequence[TrackedClip], rig: Path) -> tuple[MouthMap, dict[str, float]]:
    """Learn the map on the training clips.

    Returns:
        The map, and for each parameter the correlation with the known values over all test clips together; only
        parameters that move.
    """
    ratios = ratios_of(clips)
    of_train = [k for k, one in enumerate(clips) if one.clip.is_train]
    of_test = [k for k, one in enumerate(clips) if not one.clip.is_train]
    learned = fit_map(
        np.concatenate([ratios[k] for k in of_train]),
        np.concatenate([clips[k].params for k in of_train]),
        lip_opening_mm(rig),
    )
    if not of_test:
        return learned, {}
    read = np.concatenate([learned.design(ratios[k]) @ learned.weight for k in of_test]).clip(0, 1)
    known = np.concatenate([clips[k].params for k in of_test])
    return learned, {
        name: correlation(read[:, k], known[:, k]) for k, name in enumerate(MOUTH_NAMES) if np.ptp(known[:, k]) > 0
    }


def ratios_of(clips: Sequence[TrackedClip]) -> list[Float64]:
    """(n, 21) per clip: the measurements over their reach, both found on the training clips of the head at rest."""
    of_reach = [one for one in clips if one.clip.is_train and one.clip.name.startswith(STILL)]
    neutral_px = neutral_landmarks(np.concatenate([one.landmarks_px for one in of_reach]))

    def features(one: TrackedClip) -> Float64:
        return smoothed_features(features_of(one.landmarks_px, neutral_px))

    reach = reach_of(np.concatenate([features(one) for one in of_reach]))
    return [features(one) / reach for one in clips]


def _all_clips(nova: Path) -> list[Clip]:
    """The clips of a head at rest and those of a moving head."""
    path = nova / "clips.json"
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return [Clip(nova / "clips" / entry["clip"], entry["split"] == "train") for entry in entries]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudioError(f"The list of clips {path} cannot be read: {error}.", GET_THE_DATA) from error


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio fit-landmarks`."""
    parser = argparse.ArgumentParser(prog="avatar-app studio fit-landmarks", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data folder with nova/")
    parser.add_argument("--cache", type=Path, required=True, help="folder for the tracked faces")
    parser.add_argument("--out", type=Path, default=FILE, help="file of the map")
    arguments = parser.parse_args(argv)
    nova = arguments.data / "nova"
    learned, scores = learn(read_tracked(nova, arguments.cache), nova / "rig.npz")
    with written(arguments.out) as opened:
        learned.save(opened)
    for name, score in scores.items():
        log.info("%-16s r = %.3f on test clips", name, score)
    return 0
