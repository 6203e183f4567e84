"""Separates the person from the background: alpha, and colours at the outline without the background's.

A segmentation model gives a coarse mask. Near its border, alpha is the place of a pixel's colour on the line from the
background's colour to the person's. The camera is still, so the background's colour is known where the person has
moved away; elsewhere both colours continue those nearby.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.studio.enrol.person.fill import fill_smoothly, guided_filter

# Width of the band in which alpha is computed, as shares of the picture's side: outwards and inwards.
OUTWARD_RATIO = 0.035
INWARD_RATIO = 0.02
# The model's probability at the border of a certain area.
SURE = 0.9
# Variance of a colour channel, of noise and compression. Where person and background differ less, alpha is the mask's.
NOISE_VARIANCE = 12.0**2
# Residues of alpha below and above are noise.
BLACK_POINT, WHITE_POINT = 0.1, 0.92
# Light and compression carry the background's hue this far into the person, as a share of the picture's side.
SPILL_RATIO = 0.04
# A difference of luma that means another material.
LUMA_LEVELS = 40.0
# Blue, green, red (ITU-R BT.601).
LUMA = np.array([0.114, 0.587, 0.299], np.float32)
N_PASSES = 2
GUIDED_RADIUS_PX, GUIDED_EPS = 2, 1e-4
# Change of a pixel between pictures, in grey levels, that counts as motion.
MOTION_LEVELS = 8.0


@dataclass(frozen=True)
class Plate:
    """The background of a still camera.

    Attributes:
        colours: (H, W, 3) float32 BGR.
        weight: (H, W) float32, 1 where some picture shows it.
    """

    colours: Float32
    weight: Float32


def background_plate(pictures: Sequence[UInt8], masks: Sequence[UInt8]) -> Plate:
    """The background behind a person, the median of the pictures that show it.

    Args:
        pictures: (H, W, 3) uint8 each, from a still camera.
        masks: (H, W) uint8 each, coarse, 255 in the person.
    """
    reach_px = max(1.0, OUTWARD_RATIO * masks[0].shape[0])
    shown = np.stack([_distance_px(mask < 128) > reach_px for mask in masks])
    count = shown.sum(axis=0)
    values = np.where(shown[..., None], np.stack(pictures), 255).astype(np.uint8)
    # Pixels with the person are sorted to the end, so the median of the others is at half of their count.
    order = np.sort(values, axis=0)
    middle = np.maximum(count - 1, 0) // 2
    colours = np.take_along_axis(order, middle[None, :, :, None], axis=0)[0].astype(np.float32)
    weight = (count > 0).astype(np.float32)
    return Plate(fill_smoothly(colours, weight), weight)


def matte(picture: UInt8, mask: UInt8, plate: Plate, solid: UInt8 | None = None) -> tuple[UInt8, UInt8]:
    """Alpha and colours of the person in a picture.

    Args:
        picture: (H, W, 3) uint8 BGR.
        mask: (H, W) uint8, coarse, 255 in the person.
        plate: the background.
        solid: (H, W) uint8, 255 where the person is certain, such as the face.

    Returns:
        (H, W) uint8 alpha, and (H, W, 3) uint8 BGR, straight.
    """
    colours, coarse = picture.astype(np.float32), np.asarray(mask / 255, np.float32)
    inside, outside = _certain(mask, solid)
    behind = _behind(colours, plate, outside)
    alpha = np.where(inside > 0, 1, np.where(outside > 0, 0, coarse)).astype(np.float32)
    for _ in range(N_PASSES):
        likely = np.asarray(np.where(alpha > WHITE_POINT, coarse / 2, 0), np.float32)
        front = fill_smoothly(colours, np.maximum(inside, likely))
        alpha = _alpha(colours, front, behind, coarse)
        alpha = np.where(inside > 0, 1, np.where(outside > 0, 0, alpha)).astype(np.float32)
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32) / 255
    alpha = guided_filter(grey, alpha, GUIDED_RADIUS_PX, GUIDED_EPS)
    alpha = np.clip((alpha - BLACK_POINT) / (WHITE_POINT - BLACK_POINT), 0, 1)
    alpha = np.where(outside > 0, 0, np.maximum(alpha, inside)).astype(np.float32)
    deep = fill_smoothly(colours, (_distance_px(alpha > WHITE_POINT) > SPILL_RATIO * len(mask)).astype(np.float32))
    clean = _without_spill(_without_background(colours, alpha, front, behind), alpha, deep, behind)
    return np.rint(255 * alpha).astype(np.uint8), np.rint(clean).astype(np.uint8)


def steady(alphas: UInt8, pictures: UInt8) -> UInt8:
    """Remove flicker: average alpha over three pictures where the picture does not change.

    Args:
        alphas: (n, H, W) uint8.
        pictures: (n, H, W, 3) uint8.
    """
    out = np.empty_like(alphas)
    for k in range(len(alphas)):
        total, weights = alphas[k].astype(np.float32), np.ones(alphas.shape[1:], np.float32)
        for near in {max(0, k - 1), min(len(alphas) - 1, k + 1)} - {k}:
            change = cv2.absdiff(pictures[near], pictures[k]).max(axis=2).astype(np.float32)
            share = np.exp(-((cv2.blur(change, (3, 3)) / MOTION_LEVELS) ** 2)).astype(np.float32)
            total += share * alphas[near]
            weights += share
        out[k] = np.rint(total / weights)
    return out


def _certain(mask: UInt8, solid: UInt8 | None) -> tuple[Float32, Float32]:
    """(H, W) float32 each: 1 where person, and where background are certain."""
    side = mask.shape[0]
    sure, unsure = round(255 * SURE), round(255 * (1 - SURE))
    inside = (_distance_px(mask >= 128) > INWARD_RATIO * side) & (mask > sure)
    outside = (_distance_px(mask < 128) > OUTWARD_RATIO * side) & (mask < unsure)
    if solid is not None:
        inside |= solid > 0
        outside &= solid == 0
    return inside.astype(np.float32), outside.astype(np.float32)


def _distance_px(is_in: np.ndarray) -> Float32:
    """(H, W) float32: distance of each pixel inside an area from its border."""
    return np.asarray(cv2.distanceTransform(is_in.astype(np.uint8), cv2.DIST_L2, 5), np.float32)


def _behind(colours: Float32, plate: Plate, outside: Float32) -> Float32:
    """The plate, with the light of this picture."""
    change = fill_smoothly(cv2.GaussianBlur((colours - plate.colours) * outside[:, :, None], (0, 0), 2), outside * 0.5)
    return np.asarray(plate.colours + change, np.float32)


def _alpha(colours: Float32, front: Float32, behind: Float32, coarse: Float32) -> Float32:
    """Place of each colour on the line from the background's to the person's; the mask's value where both are alike."""
    line = front - behind
    length = _dot(line, line)
    place = _dot(colours - behind, line)
    trust = length + NOISE_VARIANCE
    return np.asarray(np.clip((place + NOISE_VARIANCE * coarse) / trust, 0, 1), np.float32)


def _without_background(colours: Float32, alpha: Float32, front: Float32, behind: Float32) -> Float32:
    """The person's colours: solved from the mixture where alpha is high, continued from nearby where it is low."""
    share = alpha[:, :, None]
    solved = np.clip((colours - (1 - share) * behind) / np.maximum(share, 0.1), 0, 255)
    trust = np.clip((share - 0.1) / 0.8, 0, 1)
    return np.asarray(np.where(share >= 1, colours, front + trust * (solved - front)), np.float32)


def _without_spill(colours: Float32, alpha: Float32, deep: Float32, behind: Float32) -> Float32:
    """Remove the background's hue near the outline; brightness stays.

    Args:
        colours: (H, W, 3) float32 BGR.
        alpha: (H, W) float32.
        deep: (H, W, 3) float32, the person's colours away from the outline, continued.
        behind: (H, W, 3) float32, the background.
    """
    reach_px = SPILL_RATIO * alpha.shape[0]
    inward_px = _distance_px(alpha > WHITE_POINT)
    near = np.clip(1.5 - 1.5 * inward_px / reach_px, 0, 1)
    hue = _hue(behind)
    length = _dot(hue, hue) + NOISE_VARIANCE
    own, wanted = (_dot(_hue(part), hue) / length for part in (colours, deep))
    # The deep colour may be of another material, such as skin beside hair: there, remove hue, but do not add the other.
    alike = np.exp(-(((colours - deep) @ LUMA / LUMA_LEVELS) ** 2))
    excess = np.clip(own - np.where(wanted < 0, alike * wanted, wanted), 0, None) * near
    cleaned = colours - excess[:, :, None] * hue
    # Colour has half the resolution in most videos: the outermost pixels have a fringe of any hue.
    fringe = alike * np.clip(2 - 4 * inward_px / reach_px, 0, 1)
    return np.asarray(np.clip(cleaned + fringe[:, :, None] * (_hue(deep) - _hue(cleaned)), 0, 255), np.float32)


def _hue(bgr: Float32) -> Float32:
    """(H, W, 3) float32: the colours without their brightness."""
    return np.asarray(bgr - (bgr @ LUMA)[:, :, None], np.float32)


def _dot(a: Float32, b: Float32) -> Float32:
    """(H, W) float32: the scalar products of colours (H, W, 3)."""
    return np.asarray(np.einsum("hwc,hwc->hw", a, b), np.float32)
