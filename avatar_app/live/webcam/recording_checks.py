"""Checks of single pictures and of sound while somebody records themselves: what is wrong, in one sentence.

Each measure is taken on the face at a fixed scale, so that the limits hold for any camera. The studio uses the same
checks on imported videos.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import cv2
import numpy as np

from avatar_app.contracts.packets import BLOCK_SAMPLES, Float32, UInt8
from avatar_app.live.audio.voicing import level_db
from avatar_app.live.webcam.face import LEFT, RIGHT

# Outline of the face in the face mesh, clockwise from the top of the forehead.
FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
# From the forehead to the chin: it separates the sides of the face, also of a turned one.
MIDLINE = (10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 1, 2, 164, 0, 17, 18, 200, 199, 175, 152)

# Measures are taken on a picture in which the outer corners of the eyes have this distance.
EYES_PX = 64.0
# The crop that an avatar learns from has about 115: a smaller face would be enlarged more than twice.
MIN_EYES_PX = 55.0
# The brightest tenth of a face, of 255. Dark skin in good light is above 90.
MIN_BRIGHT = 60.0
# Median grey level of the brighter side of the face over that of the other. Six real talkers: at most 1.1.
MAX_SIDE_RATIO = 1.6
# See `sharpness`. Six real talkers: 0.05 to 0.24; blurred by a thirtieth of the distance of their eyes: 0.02.
MIN_SHARPNESS = 0.03
MAX_YAW_DEG = 20.0
# A head that looks into the camera has a pitch of about 4 degrees.
STRAIGHT_PITCH_DEG, MAX_PITCH_DEG = 4.0, 16.0

# Levels in dB of full scale, of blocks of 10 ms. Speech: the loudest twentieth. Room: the quietest tenth.
SPEECH_PERCENTILE, ROOM_PERCENTILE = 95, 10
MIN_SPEECH_DB = -42.0
MIN_SPEECH_OVER_ROOM_DB = 15.0
MAX_ROOM_DB = -42.0
# Silence is judged without its clicks.
SILENCE_PERCENTILE = 75
# Samples at the limit of the format; a few may be there by chance.
CLIPPED, MAX_CLIPPED_RATIO = 0.985, 5e-4


class PictureProblem(enum.Enum):
    """What is wrong with a picture, most important first."""

    NO_FACE = "No face is visible."
    TWO_FACES = "There is more than one face in the picture."
    TOO_SMALL = "Your face is too small: move closer to the camera."
    TOO_DARK = "It is too dark: turn on more light."
    TURNED = "Look straight into the camera."
    ONE_SIDED_LIGHT = "The light comes from one side: turn towards it."
    BLURRED = "The picture is blurred: hold still, clean the lens, or turn on more light."


class SoundProblem(enum.Enum):
    """What is wrong with the sound of a sentence, most important first."""

    CLIPPING = "Your voice is too loud and distorts: lower the level of the microphone."
    TOO_QUIET = "Your voice is too quiet: move closer to the microphone."
    ROOM_TOO_LOUD = "The room is too loud: turn off what hums, or choose another room."


@dataclass(frozen=True, slots=True)
class FacePatch:
    """The face cut from a picture, at a fixed scale.

    Attributes:
        bgr: (h, w, 3) uint8.
        grey: (h, w) uint8.
        points_px: (n, 2) float32, the landmarks in pixels of the patch.
        mask: (h, w) uint8, 255 inside the outline of the face.
    """

    bgr: UInt8
    grey: UInt8
    points_px: Float32
    mask: UInt8


def check_picture(
    bgr: UInt8, points_px: Float32 | None, yaw_deg: float, pitch_deg: float, n_faces: int = 1
) -> PictureProblem | None:
    """The most important problem of one picture.

    Args:
        bgr: (H, W, 3) uint8.
        points_px: (478, 2) float32 landmarks in pixels of the picture; None without a face.
        yaw_deg: of the head, as in `Face`.
        pitch_deg: of the head, as in `Face`.
        n_faces: faces in the picture.

    Returns:
        The problem; None if the picture is good.
    """
    if points_px is None or not np.isfinite(points_px).all():
        return PictureProblem.NO_FACE
    if n_faces > 1:
        return PictureProblem.TWO_FACES
    if eyes_distance_px(points_px) < MIN_EYES_PX:
        return PictureProblem.TOO_SMALL
    patch = face_patch(bgr, points_px)
    if patch is None:
        return PictureProblem.NO_FACE
    problems = {
        PictureProblem.TOO_DARK: bright_level(patch) < MIN_BRIGHT,
        PictureProblem.TURNED: is_turned(yaw_deg, pitch_deg),
        PictureProblem.ONE_SIDED_LIGHT: side_ratio(patch) > MAX_SIDE_RATIO,
        PictureProblem.BLURRED: sharpness(patch) < MIN_SHARPNESS,
    }
    return next((problem for problem, is_so in problems.items() if is_so), None)


def check_sound(samples: Float32) -> SoundProblem | None:
    """The most important problem of the sound of a spoken sentence.

    Args:
        samples: (n,) float32 at 16 kHz, nominally in -1..1, with the pauses around the sentence.

    Returns:
        The problem; None if the sound is good.
    """
    if np.count_nonzero(np.abs(samples) >= CLIPPED) > MAX_CLIPPED_RATIO * len(samples):
        return SoundProblem.CLIPPING
    levels = block_levels_db(samples)
    speech_db, room_db = np.percentile(levels, (SPEECH_PERCENTILE, ROOM_PERCENTILE))
    if speech_db < MIN_SPEECH_DB:
        return SoundProblem.TOO_QUIET
    return SoundProblem.ROOM_TOO_LOUD if speech_db - room_db < MIN_SPEECH_OVER_ROOM_DB else None


def check_room(samples: Float32) -> SoundProblem | None:
    """Whether the room is too loud, during silence.

    Args:
        samples: (n,) float32 at 16 kHz, nominally in -1..1.
    """
    is_loud = np.percentile(block_levels_db(samples), SILENCE_PERCENTILE) > MAX_ROOM_DB
    return SoundProblem.ROOM_TOO_LOUD if is_loud else None


def block_levels_db(samples: Float32) -> Float32:
    """Level of each block of 10 ms, (n // 160,) float32 in dB of full scale; one block of silence if there is none."""
    blocks = samples[: len(samples) // BLOCK_SAMPLES * BLOCK_SAMPLES].reshape(-1, BLOCK_SAMPLES)
    return np.array([level_db(block) for block in blocks] or [level_db(samples[:0])], np.float32)


def eyes_distance_px(points_px: Float32) -> float:
    """Distance between the outer corners of the eyes, from landmarks (478, 2) or (478, 3)."""
    return float(np.linalg.norm(points_px[RIGHT.outer, :2] - points_px[LEFT.outer, :2]))


def is_turned(yaw_deg: float, pitch_deg: float) -> bool:
    """Whether the head is turned too far for the mouth to be seen well."""
    return abs(yaw_deg) > MAX_YAW_DEG or abs(pitch_deg - STRAIGHT_PITCH_DEG) > MAX_PITCH_DEG


def face_patch(bgr: UInt8, points_px: Float32) -> FacePatch | None:
    """Cut the face out, scaled so that the outer corners of the eyes are `EYES_PX` apart; None if it is outside.

    Args:
        bgr: (H, W, 3) uint8.
        points_px: (n, 2) float32 or more columns, in pixels of the picture.
    """
    points = points_px[:, :2]
    height, width = bgr.shape[:2]
    left, top = np.maximum(np.floor(points[list(FACE_OVAL)].min(axis=0)).astype(int), 0)
    right, bottom = np.minimum(np.ceil(points[list(FACE_OVAL)].max(axis=0)).astype(int), (width, height))
    if right - left < 2 or bottom - top < 2:
        return None
    scale = EYES_PX / max(eyes_distance_px(points), 1.0)
    size = (max(2, round((right - left) * scale)), max(2, round((bottom - top) * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    colours = np.asarray(cv2.resize(bgr[top:bottom, left:right], size, interpolation=interpolation), np.uint8)
    grey = np.asarray(cv2.cvtColor(colours, cv2.COLOR_BGR2GRAY), np.uint8)
    inside = ((points - (left, top)) * scale).astype(np.float32)
    return FacePatch(colours, grey, inside, filled(inside[list(FACE_OVAL)], (size[1], size[0])))


def filled(outline_px: Float32, shape: tuple[int, int]) -> UInt8:
    """A mask (h, w) uint8 with 255 inside a polygon (n, 2)."""
    mask: UInt8 = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round(outline_px).astype(np.int32)], 255)
    return mask


def bright_level(patch: FacePatch) -> float:
    """Grey level of the brightest tenth of the face, 0..255."""
    return float(np.percentile(patch.grey[patch.mask > 0], 90)) if patch.mask.any() else 0.0


def side_ratio(patch: FacePatch) -> float:
    """Median brightness of the brighter side of the face over that of the other; 1 or more."""
    midline = patch.points_px[list(MIDLINE)]
    bottom, top = midline[-1] + (0, patch.grey.shape[0]), midline[0] - (0, patch.grey.shape[0])
    left_half = np.concatenate([[top], midline, [bottom], [(-1, bottom[1]), (-1, top[1])]])
    is_left = filled(left_half.astype(np.float32), patch.grey.shape[:2]) > 0
    sides = [patch.grey[(patch.mask > 0) & side] for side in (is_left, ~is_left)]
    if min(map(len, sides)) < EYES_PX:
        return 1.0
    low, high = sorted(float(np.median(side)) for side in sides)
    return high / max(low, 1.0)


def sharpness(patch: FacePatch) -> float:
    """Energy of the fine detail of the face, relative to its contrast.

    The variance of the Laplacian (Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", 2000) over the
    variance of the grey levels, both inside the face. Contrast and exposure cancel out.
    """
    inside = cv2.erode(patch.mask, np.ones((5, 5), np.uint8)) > 0
    if not inside.any():
        return 0.0
    grey = patch.grey.astype(np.float32)
    return float(cv2.Laplacian(grey, cv2.CV_32F)[inside].var() / max(float(grey[inside].var()), 1.0))
