"""Morphs one picture into another along their optical flow, so that nothing appears twice as in a cross-fade."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from avatar_app.contracts.packets import Float32, UInt8

# Pictures are compared on this grey, so that the outline of the person is an edge.
BEHIND = 128.0
BLUR_PX = 0.8


@dataclass(frozen=True)
class Flow:
    """The optical flow between two pictures, both ways.

    Attributes:
        there: (H, W, 2) float32; the point p of the first picture lies at p + there[p] in the second.
        back: (H, W, 2) float32, from the second to the first.
    """

    there: Float32
    back: Float32


def measure_flow(first: UInt8, second: UInt8) -> Flow:
    """The optical flow between two pictures (H, W, 4) uint8 BGRA (DIS; Kroeger et al. 2016)."""
    a, b = _comparable(first), _comparable(second)
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return Flow(np.asarray(method.calc(a, b, None), np.float32), np.asarray(method.calc(b, a, None), np.float32))


def morph(first: UInt8, second: UInt8, flow: Flow, share: float) -> UInt8:
    """A picture between two pictures.

    Args:
        first: (H, W, 4) uint8 BGRA with straight alpha.
        second: the same.
        flow: between the two.
        share: 0 gives the first picture, 1 the second.
    """
    a = _moved(first, share * flow.back)
    b = _moved(second, (1 - share) * flow.there)
    weight_a, weight_b = (1 - share) * a[:, :, 3:], share * b[:, :, 3:]
    total = weight_a + weight_b
    mixed = np.empty(first.shape, np.float32)
    # Where both are transparent, the colours do not matter, but the JPEG file needs smooth ones.
    mixed[:, :, :3] = np.where(
        total > 0.5,
        (weight_a * a[:, :, :3] + weight_b * b[:, :, :3]) / np.maximum(total, 0.5),
        (1 - share) * a[:, :, :3] + share * b[:, :, :3],
    )
    mixed[:, :, 3:] = total
    return np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)


def _comparable(picture: UInt8) -> UInt8:
    """(H, W) uint8: grey, on an even background, with less noise."""
    alpha = picture[:, :, 3].astype(np.float32) / 255
    grey = cv2.cvtColor(np.ascontiguousarray(picture[:, :, :3]), cv2.COLOR_BGR2GRAY)
    grey = cv2.GaussianBlur(grey * alpha + BEHIND * (1 - alpha), (0, 0), BLUR_PX)
    return np.asarray(np.rint(grey), np.uint8)


def _moved(picture: UInt8, source: Float32) -> Float32:
    """(H, W, 4) float32: the picture, each pixel taken from a distance `source` (H, W, 2)."""
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    moved = cv2.remap(
        picture, x + source[:, :, 0], y + source[:, :, 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.float32)
