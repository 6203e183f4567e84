"""Takes and face crops of a person for tests: Nova before a striped wall, with landmarks that follow the head."""

from __future__ import annotations

import cv2
import numpy as np

from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.live.frame import Avatar
from avatar_app.studio.enrol.person.alignment import Neutral, neutral_landmarks
from avatar_app.studio.enrol.person.face_crop import crop_to_picture, landmarks_in_crop
from avatar_app.studio.enrol.person.material import FaceCrops, FaceTrack, Take
from tests.fakes.nova_face import LANDMARKS_FILE, SIZE_PX

RATE_HZ, FPS = 16_000, 25
WALL_BGR = (200, 120, 40)


def wall(height: int, width: int) -> UInt8:
    """A blue wall with light stripes, (height, width, 3)."""
    picture = np.full((height, width, 3), WALL_BGR, np.uint8)
    picture[:, ::16] += 30
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.5), np.uint8)


def before(colours: UInt8, alpha: UInt8, background: UInt8) -> UInt8:
    """A person before a background."""
    share = alpha[:, :, None] / 255
    return np.rint(colours * share + background * (1 - share)).astype(np.uint8)


def landmarks() -> Float32:
    """(478, 3) of Nova's first idle picture, 480 px large."""
    with np.load(LANDMARKS_FILE) as data:
        return np.asarray(data["landmarks_px"], np.float32)


def material(n: int = 40, size_px: int = 240, dx: float = 0.0) -> tuple[list[tuple[Take, FaceCrops]], Neutral]:
    """One silent take of the first pictures of Nova's idle loop, moved to the right by dx."""
    nova, background = Avatar.load("nova"), wall(size_px, size_px)
    move = np.array([[1, 0, dx], [0, 1, 0]], np.float32)
    pictures = []
    for k in range(n):
        parts = (cv2.resize(part, (size_px, size_px), interpolation=cv2.INTER_AREA) for part in nova.idle(k))
        colours, alpha = (cv2.warpAffine(part, move, (size_px, size_px)) for part in parts)
        pictures.append(before(colours, alpha, background))
    take = Take("a", np.stack(pictures), np.zeros(n * RATE_HZ // FPS, np.float32))
    marks = np.stack([_moved(nova, k) * (size_px / SIZE_PX) + (dx, 0, 0) for k in range(n)]).astype(np.float32)
    neutral = Neutral(neutral_landmarks(marks).astype(np.float32))
    return [(take, _crops(take, marks, neutral))], neutral


def _moved(nova: Avatar, k: int) -> Float32:
    """(478, 3) landmarks in idle picture k, by the place of the face crop in it."""
    first, here = (np.vstack((nova.spec.crop_to_portrait[number], (0, 0, 1))) for number in (0, k))
    moved, scale = landmarks().astype(np.float64), nova.spec.size_px / SIZE_PX
    flat = moved[:, :2] * scale
    moved[:, :2] = (np.column_stack((flat, np.ones(len(flat)))) @ (here @ np.linalg.inv(first)).T)[:, :2] / scale
    return np.asarray(moved, np.float32)


def _crops(take: Take, marks: Float32, neutral: Neutral) -> FaceCrops:
    n = len(take.pictures)
    track = FaceTrack(marks, np.ones(n, np.float32), np.ones(n, np.int64))
    to_picture = crop_to_picture(track, neutral)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    frames = [cv2.warpAffine(p, a, (256, 256), flags=flags) for p, a in zip(take.pictures, to_picture, strict=True)]
    return FaceCrops(
        np.stack(frames),
        to_picture,
        landmarks_in_crop(marks, to_picture),
        np.zeros((n, 3), np.float32),
        np.ones(n, bool),
    )
