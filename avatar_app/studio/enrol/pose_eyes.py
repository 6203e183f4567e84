"""Assets for gaze and blinks: lids from idle pictures that blink, and the eyeball without lids."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.enrol.pose_correspondence import Crop
from avatar_app.studio.enrol.pose_flow import Flow
from avatar_app.studio.enrol.pose_rig import Camera, Rig

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

WIDTH_PX, HEIGHT_PX = 88, 48
# Position of the iris in the picture of an eye.
IRIS = (44, 26)
RADII = (41.0, 17.5)
FULL_WITHIN = 0.68
# Number of lid pictures from open to closed; neighbours differ by little more than a pixel.
N_LIDS = 11
FINE = 4
# Lashes cover the upper edge of the opening by this much.
LASHES_PX = 1.0
# Radius of the iris relative to the eyeball of the rig.
IRIS_RATIO = 0.395
# Width of the edge of the iris.
EDGE_PX = 1.5
# Area around both eyes in the crop that does not move in a blink and contains no hair.
FACE_TOP, FACE_BOTTOM, FACE_SIDE = 60, 150, 36


@dataclass(frozen=True)
class Blink:
    """Faces at rest with eyes from open to closed.

    Attributes:
        levels: (n,) ascending from 0, open, to 1, closed.
        faces: (n, size, size, 3) uint8 BGR, crops.
    """

    levels: Float64
    faces: UInt8


def read_blink(rest: UInt8, files: list[Path], blink: Float32, turn: Float32, crop: Crop) -> Blink:
    """For each level of a blink, the idle picture with the least head rotation, registered with the face at rest.

    Args:
        rest: (size, size, 3) uint8 BGR, the crop at rest with open eyes.
        files: idle pictures in order.
        blink: (n,) in 0..1, level of the blink in each.
        turn: (n,) rotation of the head from rest in any unit.
        crop: the crop.

    Raises:
        StudioError: no idle picture has closed eyes, or a picture cannot be read.
    """
    best: dict[float, int] = {}
    for k in np.argsort(turn):
        best.setdefault(round(float(blink[k]), 2), int(k))
    levels = [0.0, *sorted(level for level in best if level > 0.05)]
    if levels[-1] < 0.97:
        raise StudioError("No idle picture has closed eyes.", "Use an idle loop with blinks.")
    faces = [rest, *(_registered(rest, files[best[level]], crop) for level in levels[1:])]
    return Blink(np.array(levels), np.stack(faces))


def eye_arrays(blink: Blink, rig: Rig, camera: Camera, crop: Crop) -> dict[str, NDArray[np.generic]]:
    """The arrays of `live.frame.pose_assets.EyeAssets`, by name."""
    corners = np.rint(crop.eyes - IRIS).astype(int)
    lids = np.stack([lid_steps(blink, corner) for corner in corners])
    openings = np.stack([_openings(rig, camera, crop, corner) for corner in corners])
    irises = crop.eyes - corners
    radius = iris_px(rig, camera)
    eyeballs = np.stack([_eyeball(lids[k, 0], openings[k, 0], irises[k], radius) for k in range(2)])
    mask = np.stack([_mask(iris) for iris in irises])
    return {
        "corners": corners.astype(np.float32), "irises": irises.astype(np.float32), "lids": lids,
        "openings": openings, "eyeballs": eyeballs, "mask": mask,
    }  # fmt: skip


def eyeball_px(rig: Rig, camera: Camera) -> float:
    """Radius of the eyeballs in the picture, in pixels."""
    ball = rig.neutral[rig.is_of("eye_l", "eye_r")]
    radius = (ball[:, 2].max() - ball[:, 2].min()) / 2
    return float(radius * camera.focal_px / (camera.distance + ball[:, 1].min()))


def iris_px(rig: Rig, camera: Camera) -> float:
    """Radius of the irises in the picture, in pixels."""
    return IRIS_RATIO * eyeball_px(rig, camera)


def irises_at_rest(rig: Rig, camera: Camera) -> Float32:
    """(2, 2) x, y of the irises in the portrait."""
    front = rig.neutral[rig.is_of("eye_l", "eye_r"), 1].min()
    points = rig.eyes.copy()
    points[:, 1] = front
    return camera.project(points).astype(np.float32)


def _registered(rest: UInt8, file: Path, crop: Crop) -> UInt8:
    """The face of an idle picture, registered around the eyes with the face at rest."""
    picture: UInt8 | None = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if picture is None:
        raise StudioError(f"The idle picture {file} cannot be read.", "Get the idle pictures again.")
    rows = slice(FACE_TOP, FACE_BOTTOM)
    expected, found = (cv2.cvtColor(face, cv2.COLOR_BGR2GRAY)[rows] for face in (rest, crop.cut(picture)))
    mask = np.zeros(expected.shape, np.uint8)
    mask[:, FACE_SIDE:-FACE_SIDE] = 255
    for x, y in np.rint(crop.eyes).astype(int):
        cv2.ellipse(mask, (int(x), int(y) - FACE_TOP), (38, 22), 0, 0, 360, 0, -1)
    end = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-6)
    try:
        _, fit = cv2.findTransformECC(expected, found, np.eye(2, 3, dtype=np.float32), cv2.MOTION_AFFINE, end, mask, 5)
    except cv2.error as error:
        raise StudioError(f"{file} does not show the face of the pose pictures.", "Use one head for both.") from error
    # From the area around the eyes to the whole picture.
    fit[:, 2] += (crop.left, crop.top + FACE_TOP) - fit[:, 1] * FACE_TOP
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    registered: UInt8 = cv2.warpAffine(picture, fit, (crop.size_px, crop.size_px), flags=flags)
    return registered


def lid_steps(blink: Blink, corner: NDArray[np.int64]) -> UInt8:
    """(N_LIDS, h, w, 3): the blink in equal steps, interpolated along the optical flow."""
    x, y = corner
    faces = blink.faces[:, y : y + HEIGHT_PX, x : x + WIDTH_PX]
    greys = [cv2.cvtColor(face, cv2.COLOR_BGR2GRAY) for face in faces]
    flow = Flow()
    steps = []
    for level in np.linspace(0, 1, N_LIDS):
        k = int(np.clip(np.searchsorted(blink.levels, level) - 1, 0, len(faces) - 2))
        t = float((level - blink.levels[k]) / (blink.levels[k + 1] - blink.levels[k]))
        there, back = flow(greys[k], greys[k + 1]), flow(greys[k + 1], greys[k])
        motion = np.asarray((1 - t) * there - t * back, np.float32)
        early, late = _shifted(faces[k], -t * motion), _shifted(faces[k + 1], (1 - t) * motion)
        steps.append(cv2.addWeighted(early, 1 - t, late, t, 0))
    return np.stack(steps)


def _shifted(picture: UInt8, by: Float32) -> UInt8:
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    places = np.dstack((x, y)) + by
    shifted: UInt8 = cv2.remap(
        picture, places.astype(np.float32), None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return shifted


def _openings(rig: Rig, camera: Camera, crop: Crop, corner: NDArray[np.int64]) -> UInt8:
    """(N_LIDS, h, w): share of each pixel that shows the eyeball, from the rig, 0..255."""
    left_top = np.add(corner, (crop.left, crop.top)).astype(np.float64)
    openings = []
    for level in np.linspace(0, 1, N_LIDS):
        vertices = rig.neutral + level * rig.blink
        ball = _depth(vertices, rig, rig.is_of("eye_l", "eye_r"), camera, left_top)
        front = _depth(vertices, rig, rig.is_of("eyelids", "skin"), camera, left_top)
        visible = (ball < front).astype(np.float32)
        # The rig has no lashes.
        down = np.array([[1, 0, 0], [0, 1, LASHES_PX * FINE]], np.float32)
        visible = np.minimum(visible, cv2.warpAffine(visible, down, visible.shape[::-1]))
        visible = cv2.GaussianBlur(visible, (0, 0), 0.5 * FINE)
        openings.append(cv2.resize(visible, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA))
    return np.asarray(np.rint(255 * np.stack(openings)), np.uint8)


def _depth(vertices: Float64, rig: Rig, is_part: NDArray[np.bool_], camera: Camera, corner: Float64) -> Float32:
    """(h * FINE, w * FINE): depth map of a part, from points on its triangles; gaps are closed."""
    shape = (HEIGHT_PX * FINE, WIDTH_PX * FINE)
    corners = vertices[rig.triangles[is_part[rig.triangles].all(axis=1)]]
    n = 12
    share = np.array([(i, j, n - i - j) for i in range(n + 1) for j in range(n + 1 - i)]) / n
    points = np.einsum("sk,tkd->tsd", share, corners).reshape(-1, 3)
    place = np.rint((camera.project(points) - corner + 0.5) * FINE - 0.5).astype(int)
    inside = ((place >= 0) & (place < shape[::-1])).all(axis=1)
    depth = np.full(shape, 1e3, np.float32)
    np.minimum.at(depth, (place[inside, 1], place[inside, 0]), points[inside, 1].astype(np.float32))
    closed: Float32 = cv2.erode(depth, np.ones((3, 3), np.uint8))
    return closed


def _eyeball(eye: UInt8, opening: UInt8, iris: Float64, radius: float) -> UInt8:
    """The eyeball without lids: the white is inpainted, the hidden part of the iris mirrored from its other half."""
    is_visible = cv2.erode(opening, np.ones((3, 3), np.uint8)) > 200
    y, x = np.mgrid[: eye.shape[0], : eye.shape[1]].astype(np.float32)
    distance = np.hypot(x - iris[0], y - iris[1])
    is_iris = distance <= radius + EDGE_PX
    white = cv2.inpaint(eye, (~is_visible | is_iris).astype(np.uint8), 4, cv2.INPAINT_TELEA)
    below = (x, 2 * np.float32(iris[1]) - y)
    mirrored = cv2.remap(eye, *below, cv2.INTER_LINEAR)
    is_mirrored = cv2.remap(is_visible.astype(np.uint8), *below, cv2.INTER_NEAREST) > 0
    whole = np.where(is_visible[:, :, None], eye, mirrored)
    whole = cv2.inpaint(whole, (is_iris & ~is_visible & ~is_mirrored).astype(np.uint8), 3, cv2.INPAINT_TELEA)
    share = np.clip((radius + EDGE_PX - distance) / EDGE_PX, 0, 1)[:, :, None]
    return np.asarray(np.rint(white + (whole.astype(np.float32) - white) * share), np.uint8)


def _mask(iris: Float64) -> UInt8:
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    radius = np.hypot((x - iris[0]) / RADII[0], (y - iris[1] + 2) / RADII[1])
    inside = np.clip((1 - radius) / (1 - FULL_WITHIN), 0, 1)
    return np.asarray(np.rint(255 * inside * inside * (3 - 2 * inside)), np.uint8)
