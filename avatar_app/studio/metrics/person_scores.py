"""Scores of the generated mouth of a person on held-out sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.avatar_data import Split
from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.mouth import PatchBox
from avatar_app.live.student import Student
from avatar_app.studio.data.person_clips import FaceClip, of_split
from avatar_app.studio.metrics.held_out import quiet_sounds
from avatar_app.studio.metrics.live_path import HALF_TOP_PX, MOUTH, generated_halves, generated_mouths, mouths_of
from avatar_app.studio.metrics.scores import OpeningReader, closings, correlation, motion, psnr_db, sharpness_ratio
from avatar_app.studio.metrics.seam import pasted, seam_ratio

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

# Distance of the outer corners of the eyes in adults; it makes millimetres of the gap of the lips.
OUTER_EYES_MM = 90.0
# The landmarks of closed lips do not quite touch: this quantile of the gaps counts as closed.
CLOSED_QUANTILE = 0.1
MIN_READER_PICTURES = 20
# The seam is measured in every n-th picture.
SEAM_STEP = 5
# The other noises of `quiet_sounds` take as long as the sentences, and say nothing new.
QUIET_ROOMS = ("silence", "fan", "keyboard")

# Renders (n, 14) parameters as (n, h, w, 3) uint8 BGR patches.
Draw = Callable[[Float32], UInt8]


@dataclass(frozen=True)
class LipOpening:
    """Reads the opening of one person's lips from pictures, in millimetres.

    Attributes:
        reader: fitted to true pictures of the person.
        closed: gap of closed lips, as in `FaceClip.gap`.
    """

    reader: OpeningReader
    closed: float

    @classmethod
    def fit(cls, clips: Sequence[FaceClip]) -> LipOpening | None:
        """Fit to the usable pictures of clips; None if their gaps are unknown."""
        known = [(clip, clip.is_usable & np.isfinite(clip.gap)) for clip in clips if len(clip.gap)]
        if sum(int(use.sum()) for _, use in known) < MIN_READER_PICTURES:
            return None
        gaps = np.concatenate([clip.gap[use] for clip, use in known])
        closed = float(np.quantile(gaps, CLOSED_QUANTILE))
        mouths = np.concatenate([_true_mouths(clip)[use] for clip, use in known])
        return cls(OpeningReader.fit(mouths, _millimetres(gaps, closed)), closed)

    def true_mm(self, clip: FaceClip) -> Float32:
        """(n,) float32: the opening in a clip, from its landmarks; NaN without a face."""
        return _millimetres(clip.gap, self.closed)

    def read_mm(self, mouths: UInt8) -> Float32:
        """(n,) float32: the opening that pictures of the mouth show."""
        return self.reader.read(mouths).astype(np.float32)


@dataclass(frozen=True)
class PersonTests:
    """Held-out sentences of a person.

    Attributes:
        clips: no network was trained on them.
        opening: reads the opening from pictures; None if the gaps of the lips are unknown.
        rest: (256, 256, 3) uint8 BGR, the face at rest.
        mask: (256, 256) uint8, where the mouth is pasted.
    """

    clips: Sequence[FaceClip]
    opening: LipOpening | None
    rest: UInt8
    mask: UInt8

    @classmethod
    def of_clips(cls, clips: Sequence[FaceClip], rest: UInt8, mask: UInt8, split: Split = Split.TEST) -> PersonTests:
        """The tests of a split, with a reader that is fitted to the training clips.

        Raises:
            StudioError: the split has no clip.
        """
        tests = of_split(clips, split)
        if not tests:
            raise StudioError("There is no sentence to test on.", "Record at least four sentences.")
        return cls(tests, LipOpening.fit(of_split(clips, Split.TRAIN)), rest, mask)


def score_person_student(
    student: Student, tests: PersonTests, lookaheads_ms: Sequence[int] | None = None
) -> dict[str, Any]:
    """Scores of a student through the live path, from the sound of the held-out sentences.

    Args:
        student: an open student.
        tests: held-out sentences.
        lookaheads_ms: look-aheads to measure; all of the student if None.

    Returns:
        `lookahead_<ms>`: see `score_pictures`; and `rest_motion`: motion in silence and noise relative to speech.
    """
    found = {}
    quiet_rooms = [sound for name, sound in quiet_sounds() if name in QUIET_ROOMS]
    for ms in lookaheads_ms or student.spec.lookahead_ms:
        halves = [generated_halves(student, clip.sound, ms, tests.rest) for clip in tests.clips]
        in_speech = max(float(np.mean([motion(mouths_of(part)) for part in halves])), 1e-9)
        quiet = [motion(generated_mouths(student, sound, ms, tests.rest)) for sound in quiet_rooms]
        rest_motion = round(float(np.mean(quiet)) / in_speech, 4)
        found[f"lookahead_{ms}"] = {**score_pictures(halves, tests), "rest_motion": rest_motion}
    return found


def score_person_renderer(draw: Draw, box: PatchBox, tests: PersonTests) -> dict[str, float | int]:
    """Scores of a renderer alone, from the parameters of the held-out sentences; see `score_pictures`.

    Args:
        draw: the renderer.
        box: of its patches, in pixels of the 256 px crop.
        tests: held-out sentences.
    """
    return score_pictures([_in_half(draw(clip.params), box, tests.rest) for clip in tests.clips], tests)


def score_pictures(halves: Sequence[UInt8], tests: PersonTests) -> dict[str, float | int]:
    """Scores of the generated pictures of all sentences.

    Args:
        halves: (n, 128, 256, 3) uint8 BGR for each sentence, the lower halves of the face crop.
        tests: the sentences.

    Returns:
        `mouth_psnr_db`, `sharpness` (`scores.sharpness_ratio`), `seam` (`seam.seam_ratio`), and, if the gaps of the
        lips are known, `opening_correlation`, `n_closings` and, if there are any, `closed_ratio`. Opening and closings
        are read from the pictures.
    """
    found = [_clip_scores(part, clip, tests) for part, clip in zip(halves, tests.clips, strict=True)]
    names = [name for name in found[0] if not name.startswith("n_")]
    scores: dict[str, float | int] = {name: round(float(np.mean([f[name] for f in found])), 4) for name in names}
    if tests.opening is not None:
        n_closed, n_closings = (sum(int(f[name]) for f in found) for name in ("n_closed", "n_closings"))
        scores |= {"n_closings": n_closings}
        scores |= {"closed_ratio": round(n_closed / n_closings, 4)} if n_closings else {}
    return scores


def _clip_scores(halves: UInt8, clip: FaceClip, tests: PersonTests) -> dict[str, float]:
    n = min(len(halves), len(clip.pictures))
    use = np.flatnonzero(clip.is_usable[:n]) if clip.is_usable[:n].any() else np.arange(n)
    mouths, expected = mouths_of(halves[:n]), _true_mouths(clip)[:n]
    scores = {
        "mouth_psnr_db": psnr_db(mouths[use], expected[use]),
        "sharpness": sharpness_ratio(mouths[use], expected[use]),
        "seam": _seam(halves, clip, tests, use),
    }
    if tests.opening is not None and len(clip.gap):
        read, true = tests.opening.read_mm(mouths), _filled(tests.opening.true_mm(clip)[:n])
        n_closed, n_closings = closings(read, true)
        scores |= {"opening_correlation": correlation(read, true), "n_closed": n_closed, "n_closings": n_closings}
    return scores


def _seam(halves: UInt8, clip: FaceClip, tests: PersonTests, use: NDArray[np.int64]) -> float:
    part = slice(HALF_TOP_PX, None)
    mask, rest, shown = tests.mask[part], tests.rest[part], use[::SEAM_STEP]
    true = [np.ascontiguousarray(clip.pictures[k][part]) for k in shown]
    return seam_ratio([pasted(t, halves[k], mask, rest) for t, k in zip(true, shown, strict=True)], true, mask)


def _true_mouths(clip: FaceClip) -> UInt8:
    return np.ascontiguousarray(clip.pictures[:, MOUTH[0], MOUTH[1]])


def _millimetres(gaps: NDArray[np.floating], closed: float) -> Float32:
    return np.asarray(OUTER_EYES_MM * np.maximum(gaps - closed, 0), np.float32)


def _filled(curve: Float32) -> Float32:
    """A curve whose missing values are interpolated."""
    known = np.flatnonzero(np.isfinite(curve))
    return np.interp(np.arange(len(curve)), known, curve[known]).astype(np.float32) if len(known) else 0 * curve


def _in_half(patches: UInt8, box: PatchBox, rest: UInt8) -> UInt8:
    """(n, 128, 256, 3): the lower half of the face at rest with these patches."""
    halves = np.repeat(rest[None, HALF_TOP_PX:], len(patches), axis=0)
    halves[:, box.y - HALF_TOP_PX : box.y - HALF_TOP_PX + box.h, box.x : box.x + box.w] = patches
    return halves
