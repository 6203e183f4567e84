import numpy as np
import pytest

from avatar_app.contracts.student_spec import PatchBox
from avatar_app.live.frame import Avatar, Background, Compositor
from tests.fakes.avatar_folder import CROP_PX, SIZE_PX, write_avatar

BOX = PatchBox(8, 32, 48, 32)


@pytest.fixture(scope="module")
def avatar(tmp_path_factory):
    root = tmp_path_factory.mktemp("assets")
    write_avatar(root)
    return Avatar.load("disc", root)


@pytest.fixture
def compositor(avatar):
    return Compositor(avatar, BOX, CROP_PX)


def patch(grey: int, height: int = BOX.h, width: int = BOX.w):
    return np.full((height, width, 3), grey, np.uint8)


def test_compose_when_no_mouth_then_idle_with_straight_alpha(avatar, compositor):
    picture = compositor.compose(1, None, 0.0)
    colours, alpha = avatar.idle(1)
    assert np.array_equal(picture[:, :, :3], colours)
    assert np.array_equal(picture[:, :, 3], alpha)


def test_compose_when_weight_is_zero_then_idle(compositor):
    assert np.array_equal(compositor.compose(1, patch(255), 0.0), compositor.compose(1, None, 0.0))


def test_compose_when_mouth_is_drawn_then_only_the_box_changes(compositor):
    idle, talking = compositor.compose(0, None, 0.0), compositor.compose(0, patch(255), 1.0)
    changed = np.argwhere((idle != talking).any(axis=2))
    assert len(changed) > 500
    assert changed[:, 0].min() >= 32 + BOX.y and changed[:, 0].max() < 32 + BOX.y + BOX.h
    assert changed[:, 1].min() >= 32 + BOX.x and changed[:, 1].max() < 32 + BOX.x + BOX.w


def test_compose_when_mouth_is_drawn_then_middle_shows_it_and_edge_is_soft(compositor):
    talking = compositor.compose(0, patch(200), 1.0)
    idle = compositor.compose(0, None, 0.0)
    row = talking[80, 40:88, 1].astype(int)
    assert abs(int(talking[80, 64, 1]) - 200) <= 3
    steps = np.abs(np.diff(row - idle[80, 40:88, 1].astype(int)))
    assert steps.max() < 40


def test_compose_when_head_moves_then_patch_moves_with_it(avatar, compositor):
    dot = patch(128)
    dot[16, 24] = 255
    for k in range(avatar.n_idle):
        difference = (
            compositor.compose(k, dot, 1.0)[:, :, 1].astype(int) - compositor.compose(k, patch(128), 1.0)[:, :, 1]
        )
        y, x = np.unravel_index(difference.argmax(), difference.shape)
        assert (x, y) == (32 + BOX.x + 24 + k, 32 + BOX.y + 16)


def test_compose_when_idle_is_lighter_than_at_rest_then_patch_follows(avatar, compositor):
    rest = np.ascontiguousarray(avatar.reference[BOX.y : BOX.y + BOX.h, BOX.x : BOX.x + BOX.w])
    for k in range(avatar.n_idle):
        idle, talking = compositor.compose(k, None, 0.0), compositor.compose(k, rest, 1.0)
        assert np.abs(idle.astype(int) - talking).max() <= 3


def test_compose_when_background_is_opaque_then_outside_shows_it_and_soft_edge_mixes(avatar, compositor):
    compositor.set_background(Background.colour("#ff0000"))
    picture = compositor.compose(0, patch(255), 1.0)
    assert (picture[:, :, 3] == 255).all()
    assert (picture[0, 0] == (0, 0, 255, 255)).all()
    colours, alpha = avatar.idle(0)
    y, x = np.argwhere((alpha > 60) & (alpha < 200))[0]
    share = alpha[y, x] / 255
    expected = colours[y, x] * share + np.array([0, 0, 255]) * (1 - share)
    assert np.abs(picture[y, x, :3] - expected).max() <= 1


def test_compose_when_student_draws_half_size_then_same_place(avatar, compositor):
    small = Compositor(avatar, PatchBox(4, 16, 24, 16), CROP_PX // 2)
    large_picture = compositor.compose(0, patch(220), 1.0).astype(int)
    small_picture = small.compose(0, patch(220, 16, 24), 1.0).astype(int)
    assert np.abs(large_picture - small_picture).mean() < 1.0


def test_compose_when_called_again_then_earlier_picture_is_untouched(compositor):
    first = compositor.compose(0, patch(255), 1.0)
    kept = first.copy()
    compositor.compose(0, patch(0), 1.0)
    assert np.array_equal(first, kept)
    assert first.shape == (SIZE_PX, SIZE_PX, 4)
