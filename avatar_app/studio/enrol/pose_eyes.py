"""Eyes that can look anywhere and close: lids from idle pictures that blink, the eyeball freed from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.enrol.pose_carry import Crop
from avatar_app.studio.enrol.pose_flow import Flow
from avatar_app.studio.enrol.pose_rig import Camera, Rig

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

WIDTH_PX, HEIGHT_PX = 88, 48
# Where the iris lies in an eye's picture.
IRIS = (44, 26)
RADII = (41.0, 17.5)
FULL_WITHIN = 0.68
# Lids for so many steps from open to closed: neighbours are little more than a pixel apart.
N_LIDS = 11
FINE = 4
# The lashes hang over the opening.
LASHES_PX = 1.0
# Of the eyeball's radius in the rig; what shows is a little flatter.
IRIS_RATIO = 0.395
# Width of the iris' edge.
EDGE_PX = 1.5
# Around both eyes, in the crop: what does not move when lids do, without hair.
FACE_TOP, FACE_BOTTOM, FACE_SIDE = 60, 150, 36


@dataclass(frozen=True)
class Blink:
    """Faces at rest, from open eyes to closed ones.

    Attributes:
        levels: (n,) rising from 0 to 1.
        faces: (n, size, size, 3) uint8 BGR, crops.
    """

    levels: Float64
    faces: UInt8


def read_blink(rest: UInt8, files: list[Path], blink: Float32, turn: Float32, crop: Crop) -> Blink:
    """The idle picture of least turn for each degree of blinking, moved to where the face at rest lies.

    Args:
        rest: (size, size, 3) uint8 BGR, the crop at rest, eyes open.
        files: idle pictures, in order.
        blink: (n,) 0..1 for each.
        turn: (n,) how far each head is from rest, any unit.
        crop: the crop.

    Raises:
        StudioError: in no idle picture are the eyes closed, or one cannot be read.
    """
    best: dict[float, int] = {}
    for k in np.argsort(turn):
        best.setdefault(round(float(blink[k]), 2), int(k))
    levels = [0.0, *sorted(level for level in best if level > 0.05)]
    if levels[-1] < 0.97:
        raise StudioError("The eyes are closed in no idle picture.", "Use an idle loop that blinks.")
    faces = [rest, *(_moved(rest, files[best[level]], crop) for level in levels[1:])]
    return Blink(np.array(levels), np.stack(faces))


def eye_arrays(blink: Blink, rig: Rig, camera: Camera, crop: Crop) -> dict[str, NDArray[np.generic]]:
    """The arrays of `live.frame.pose_assets.EyeAssets`, by name."""
    corners = np.rint(crop.eyes - IRIS).astype(int)
    lids = np.stack([_lids(blink, corner) for corner in corners])
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
    """Radius of the eyeballs in the picture."""
    ball = rig.neutral[rig.is_of("eye_l", "eye_r")]
    radius = (ball[:, 2].max() - ball[:, 2].min()) / 2
    return float(radius * camera.focal_px / (camera.distance + ball[:, 1].min()))


def iris_px(rig: Rig, camera: Camera) -> float:
    """Radius of the irises in the picture."""
    return IRIS_RATIO * eyeball_px(rig, camera)


def irises_at_rest(rig: Rig, camera: Camera) -> Float32:
    """(2, 2) x, y in the portrait."""
    front = rig.neutral[rig.is_of("eye_l", "eye_r"), 1].min()
    points = rig.eyes.copy()
    points[:, 1] = front
    return camera.project(points).astype(np.float32)


def _moved(rest: UInt8, file: Path, crop: Crop) -> UInt8:
    """An idle picture's face, fitted to the one at rest around the eyes."""
    picture: UInt8 | None = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if picture is None:
        raise StudioError(f"The idle picture {file} cannot be read.", "Get the idle pictures again.")
    rows = slice(FACE_TOP, FACE_BOTTOM)
    wanted, seen = (cv2.cvtColor(face, cv2.COLOR_BGR2GRAY)[rows] for face in (rest, crop.cut(picture)))
    mask = np.zeros(wanted.shape, np.uint8)
    mask[:, FACE_SIDE:-FACE_SIDE] = 255
    for x, y in np.rint(crop.eyes).astype(int):
        cv2.ellipse(mask, (int(x), int(y) - FACE_TOP), (38, 22), 0, 0, 360, 0, -1)
    end = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-6)
    try:
        _, fit = cv2.findTransformECC(wanted, seen, np.eye(2, 3, dtype=np.float32), cv2.MOTION_AFFINE, end, mask, 5)
    except cv2.error as error:
        raise StudioError(f"{file} does not show the face of the pose pictures.", "Use one head for both.") from error
    # From the strips to the whole pictures.
    fit[:, 2] += (crop.left, crop.top + FACE_TOP) - fit[:, 1] * FACE_TOP
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    moved: UInt8 = cv2.warpAffine(picture, fit, (crop.size_px, crop.size_px), flags=flags)
    return moved


def _lids(blink: Blink, corner: NDArray[np.int64]) -> UInt8:
    """(N_LIDS, h, w, 3): the blink in even steps; pictures between two steps are moved along the flow."""
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
    """(N_LIDS, h, w): how much of each pixel shows the eyeball, by the rig."""
    left_top = np.add(corner, (crop.left, crop.top)).astype(np.float64)
    openings = []
    for level in np.linspace(0, 1, N_LIDS):
        vertices = rig.neutral + level * rig.blink
        ball = _depth(vertices, rig, rig.is_of("eye_l", "eye_r"), camera, left_top)
        front = _depth(vertices, rig, rig.is_of("eyelids", "skin"), camera, left_top)
        seen = (ball < front).astype(np.float32)
        # Lashes are no part of the rig.
        down = np.array([[1, 0, 0], [0, 1, LASHES_PX * FINE]], np.float32)
        seen = np.minimum(seen, cv2.warpAffine(seen, down, seen.shape[::-1]))
        seen = cv2.GaussianBlur(seen, (0, 0), 0.5 * FINE)
        openings.append(cv2.resize(seen, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA))
    return np.asarray(np.rint(255 * np.stack(openings)), np.uint8)


def _depth(vertices: Float64, rig: Rig, is_part: NDArray[np.bool_], camera: Camera, corner: Float64) -> Float32:
    """(h * FINE, w * FINE): how near the nearest point of a part lies; the part is sown with points, then closed."""
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
    """What lies behind the lids: the white, spread, and on it the iris, made whole by its other half."""
    is_seen = cv2.erode(opening, np.ones((3, 3), np.uint8)) > 200
    y, x = np.mgrid[: eye.shape[0], : eye.shape[1]].astype(np.float32)
    distance = np.hypot(x - iris[0], y - iris[1])
    is_iris = distance <= radius + EDGE_PX
    white = cv2.inpaint(eye, (~is_seen | is_iris).astype(np.uint8), 4, cv2.INPAINT_TELEA)
    below = (x, 2 * np.float32(iris[1]) - y)
    mirrored = cv2.remap(eye, *below, cv2.INTER_LINEAR)
    is_mirrored = cv2.remap(is_seen.astype(np.uint8), *below, cv2.INTER_NEAREST) > 0
    whole = np.where(is_seen[:, :, None], eye, mirrored)
    whole = cv2.inpaint(whole, (is_iris & ~is_seen & ~is_mirrored).astype(np.uint8), 3, cv2.INPAINT_TELEA)
    share = np.clip((radius + EDGE_PX - distance) / EDGE_PX, 0, 1)[:, :, None]
    return np.asarray(np.rint(white + (whole.astype(np.float32) - white) * share), np.uint8)


def _mask(iris: Float64) -> UInt8:
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    radius = np.hypot((x - iris[0]) / RADII[0], (y - iris[1] + 2) / RADII[1])
    inside = np.clip((1 - radius) / (1 - FULL_WITHIN), 0, 1)
    return np.asarray(np.rint(255 * inside * inside * (3 - 2 * inside)), np.uint8)
