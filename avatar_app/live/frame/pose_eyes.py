"""Renders the eyes of the face at rest: gaze and blinks."""

from __future__ import annotations

import cv2
import numpy as np

from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.live.frame.pose_assets import EyeAssets

# The iris moves as a whole; the white around it stretches over this distance, and the corners stay.
STRETCH_PX = 14.0
# Upper lids follow the eyes down: share of a blink per degree.
LID_PER_DEG = 0.016


class Eyes:
    """Renders both eyes. Thread: one."""

    def __init__(self, assets: EyeAssets) -> None:
        self._assets = assets
        height, width = assets.mask.shape[1:]
        y, x = np.mgrid[:height, :width].astype(np.float32)
        self._pixels = np.dstack((x, y))
        # Enlarged bicubically once, so that a bilinear warp is as sharp as a bicubic one, in a fifth of the time.
        self._balls = [cv2.resize(ball, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC) for ball in assets.eyeballs]

    def render(self, eye: int, gaze_yaw_deg: float, gaze_pitch_deg: float, blink: float) -> UInt8:
        """Render one eye.

        Args:
            eye: 0 for the one on the left of the picture, 1 for the other.
            gaze_yaw_deg: within the head, positive to the right edge.
            gaze_pitch_deg: positive down.
            blink: 0 open to 1 closed.

        Returns:
            (h, w, 3) uint8 BGR.
        """
        lowered = blink + (1 - blink) * LID_PER_DEG * max(0.0, gaze_pitch_deg)
        lid, opening = self._lid(eye, min(max(lowered, 0.0), 1.0))
        ball = self._eyeball(eye, gaze_yaw_deg, gaze_pitch_deg)
        share = opening.astype(np.float32) * np.float32(1 / 255)
        pixels: UInt8 = cv2.blendLinear(ball, lid, share, 1 - share)
        return pixels

    def _lid(self, eye: int, blink: float) -> tuple[UInt8, UInt8]:
        """Lids and opening, interpolated between two steps, which lie a pixel apart."""
        lids, openings = self._assets.lids[eye], self._assets.openings[eye]
        place = blink * (len(lids) - 1)
        k = min(int(place), len(lids) - 2)
        t = place - k
        mixed = (cv2.addWeighted(steps[k], 1 - t, steps[k + 1], t, 0) for steps in (lids, openings))
        return next(mixed), next(mixed)

    def _eyeball(self, eye: int, yaw_deg: float, pitch_deg: float) -> UInt8:
        shift = np.sin(np.radians([yaw_deg, pitch_deg])) * np.degrees(1) * self._assets.px_per_deg
        centre = self._assets.irises[eye] + shift
        x, y = self._pixels[:, :, 0] - centre[0], self._pixels[:, :, 1] - centre[1]
        distance = np.hypot(x, y) - self._assets.iris_px - 1
        stay = np.clip(distance / STRETCH_PX, 0, 1)
        follow = 1 - stay * stay * (3 - 2 * stay)
        places: Float32 = (2 * (self._pixels - follow[:, :, None] * shift) + 0.5).astype(np.float32)
        ball: UInt8 = cv2.remap(self._balls[eye], places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return ball
