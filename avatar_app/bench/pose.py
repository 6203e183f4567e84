"""Time to render a picture of a turned, speaking head on one thread."""

from __future__ import annotations

import math
import time
from typing import Any

import cv2
import numpy as np

from avatar_app.contracts.head_pose import AvatarPose
from avatar_app.contracts.mouth import Mouth, MouthShape, Patch, PatchBox, PatchPlace
from avatar_app.contracts.renderer import Renderer
from avatar_app.live.frame import Background, load_avatar

FPS = 30
PLACE = PatchPlace(PatchBox(32, 144, 192, 112), 256)


def measure(seconds: float, avatar_id: str = "nova") -> dict[str, Any]:
    """Milliseconds per picture while the head turns through its whole range and the mouth changes.

    Raises:
        AvatarError: the avatar has no poses, or they cannot be used.
    """
    n_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        renderer = load_avatar(avatar_id).renderer(turns_head=True)
        renderer.set_background(Background.colour("#6e6e6e"))
        times_ms = [_one_ms(renderer, k) for k in range(max(30, int(seconds * FPS)))]
    finally:
        cv2.setNumThreads(n_threads)
    # The first pictures fill the caches.
    p50, p95 = np.percentile(times_ms[10:], (50, 95))
    return {"p50_ms": round(float(p50), 2), "p95_ms": round(float(p95), 2), "n_pictures": len(times_ms)}


def pose_at(t_s: float) -> AvatarPose:
    """A head pose that moves through the whole range."""
    wave = [math.sin(t_s * speed) for speed in (1.7, 1.1, 0.9, 2.0, 3.0, 4.0)]
    blink = max(0.0, wave[5])
    return AvatarPose(15 * wave[0], 9 * wave[1], 10 * wave[2], 12 * wave[3], 6 * wave[4], blink, blink, wave[3], 1.0)


def _one_ms(renderer: Renderer, k: int) -> float:
    pixels = np.full((PLACE.box.h, PLACE.box.w, 3), 60 + k % 100, np.uint8)
    mouth = Mouth(0, 0, k, MouthShape(Patch(pixels, PLACE)), 1.0)
    t_start = time.perf_counter()
    renderer.render(k % renderer.n_idle, mouth, pose_at(k / FPS))
    return 1e3 * (time.perf_counter() - t_start)
