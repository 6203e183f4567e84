"""The badge that marks pictures as AI-generated."""

import numpy as np
import pytest

from avatar_app.live.frame import Badge


@pytest.mark.parametrize("alpha", [255, 0])
def test_badge_when_stamped_then_in_the_corner_alone_and_visible_on_a_transparent_picture(alpha):
    pixels = np.full((512, 512, 4), 90, np.uint8)
    pixels[..., 3] = alpha
    before = pixels.copy()
    Badge().stamp(pixels)
    ys, xs = np.nonzero((pixels != before).any(axis=2))
    assert ys.min() > 450
    assert xs.min() > 350
    assert max(ys.max(), xs.max()) < 500
    assert pixels[ys, xs, 3].max() > 150
    assert pixels[ys, xs, :3].max() > 200


def test_badge_when_the_picture_is_tiny_then_unchanged():
    pixels = np.zeros((16, 16, 4), np.uint8)
    Badge().stamp(pixels)
    assert not pixels.any()
