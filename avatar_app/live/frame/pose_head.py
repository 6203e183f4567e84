"""Renders the turned head: pictures of the grid, each warped to the target pose, mixed."""

from __future__ import annotations

import cv2
import numpy as np

from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.live.frame.pose_assets import PoseAssets
from avatar_app.live.frame.pose_field import PosedField, Source


class Head:
    """Renders the part of the portrait that turns. Thread: one.

    Large buffers are reused: allocating them would take a fifth of the time.
    """

    def __init__(self, assets: PoseAssets) -> None:
        self._nodes = assets.nodes
        height, width = assets.nodes.shape[2:4]
        self._size = (width, height)
        self._pixels = np.dstack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)
        self._places = np.empty((height, width, 2), np.float32)
        self._mixed, self._next = (np.empty((height, width, 4), np.uint8) for _ in range(2))

    def render(self, field: PosedField) -> UInt8:
        """Render one head.

        Returns:
            (h, w, 4) uint8 BGRA, straight; valid until the next call.
        """
        total = 0.0
        for source in field.sources:
            target = self._next if total else self._mixed
            self._warp(source, target)
            total += source.share
            if target is self._next:
                old, new = 1 - source.share / total, source.share / total
                cv2.addWeighted(self._mixed, old, self._next, new, 0, dst=self._mixed)
        return self._mixed

    def _warp(self, source: Source, target: UInt8) -> None:
        places: Float32 = self._places
        cv2.resize(source.shift, self._size, dst=places, interpolation=cv2.INTER_LINEAR)
        cv2.add(places, self._pixels, dst=places)
        node = self._nodes[source.row, source.column]
        cv2.remap(node, places, None, cv2.INTER_LINEAR, dst=target, borderMode=cv2.BORDER_REPLICATE)
