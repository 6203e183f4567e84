"""Mouths for tests."""

import numpy as np

from avatar_app.contracts.mouth import Mouth, MouthShape, Patch, PatchPlace


def mouth_of(pixels: np.ndarray | None, place: PatchPlace, weight: float = 1.0, t_ns: int = 0, index: int = 0) -> Mouth:
    """A mouth of pixels, or a resting one."""
    shape = None if pixels is None else MouthShape(Patch(pixels, place))
    return Mouth(t_ns, t_ns, index, shape, weight)
