import json

import cv2
import numpy as np
import pytest

from avatar_app.contracts.mouth import PatchBox, PatchPlace
from avatar_app.live.frame import Avatar, Background, PictureRenderer
from tests.fakes.avatar_folder import CROP_PX, N_IDLE, SIZE_PX, idle_picture, write_avatar
from tests.fakes.mouth import mouth_of

BOX = PatchBox(8, 32, 48, 32)
PLACE = PatchPlace(BOX, CROP_PX)


@pytest.fixture(scope="module")
def avatar(tmp_path_factory):
    root = tmp_path_factory.mktemp("assets")
    write_avatar(root)
    return Avatar.load("disc", root)


@pytest.fixture
def renderer(avatar):
    return PictureRenderer(avatar)


def patch(grey: int, height: int = BOX.h, width: int = BOX.w):
    return np.full((height, width, 3), grey, np.uint8)


@pytest.fixture(scope="module")
def narrow_avatar(tmp_path_factory):
    """Its soft outline crosses the mouth, and its idle pictures have different stripes."""
    root = tmp_path_factory.mktemp("assets")
    folder = write_avatar(root)
    y, x = np.mgrid[:SIZE_PX, :SIZE_PX]
    for k in range(N_IDLE):
        alpha = np.clip((34 - np.hypot(x - 64 - k, y - 64)) * 16, 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"idle/{k}.png"), alpha)
        stripes = np.where((x + y + k) % 4 < 2, 8, -8)[:, :, None]
        colours = np.clip(idle_picture(k)[0] + stripes, 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"idle/{k}.jpg"), colours, [cv2.IMWRITE_JPEG_QUALITY, 100])
    return Avatar.load("disc", root)


def soft_patch(seed: int = 0):
    """Noise without edges, which would depend on the interpolation."""
    noise = np.random.default_rng(seed).uniform(0, 255, (BOX.h, BOX.w, 3))
    blurred = cv2.GaussianBlur(noise, (0, 0), 3)
    return np.clip(128 + 5 * (blurred - 128), 0, 255).astype(np.uint8)


def in_floats(avatar, k: int, pixels, weight: float, background: Background):
    """The expected picture, by the formula: the crop of this avatar moves by whole pixels, its light changes by 4 k."""
    colours, alpha = (picture.astype(np.float64) for picture in avatar.idle(k))
    share = np.zeros((SIZE_PX, SIZE_PX, 1))
    drawn = np.zeros((SIZE_PX, SIZE_PX, 3))
    rows, columns = slice(32 + BOX.y, 32 + BOX.y + BOX.h), slice(32 + k + BOX.x, 32 + k + BOX.x + BOX.w)
    share[rows, columns, 0] = avatar.mask[BOX.y : BOX.y + BOX.h, BOX.x : BOX.x + BOX.w] * weight / 255
    drawn[rows, columns] = pixels + 4.0 * k
    mixed = np.clip(colours + (drawn - colours) * share, 0, 255)
    behind = background.pixels(SIZE_PX)
    if behind is None:
        return np.dstack((mixed, alpha))
    cover = alpha[:, :, None] / 255
    return np.dstack((mixed * cover + behind * (1 - cover), np.full((SIZE_PX, SIZE_PX), 255.0)))


@pytest.mark.parametrize("background", [Background.transparent(), Background.colour("#00ff00"), Background.checker()])
@pytest.mark.parametrize("weight", [1.0, 0.4])
def test_render_when_any_background_and_weight_then_as_in_floats(narrow_avatar, background, weight):
    renderer = PictureRenderer(narrow_avatar)
    renderer.set_background(background)
    for k in range(N_IDLE):
        pixels = soft_patch(k)
        picture = renderer.render(k, mouth_of(pixels, PLACE, weight))
        assert np.abs(picture - in_floats(narrow_avatar, k, pixels, weight, background)).max() <= 2


def test_render_when_background_changes_while_the_idle_picture_stays_then_outline_and_mouth_follow(narrow_avatar):
    renderer = PictureRenderer(narrow_avatar)
    for background in (Background.transparent(), Background.colour("#00ff00"), Background.transparent()):
        renderer.set_background(background)
        picture = renderer.render(1, mouth_of(soft_patch(), PLACE))
        assert np.abs(picture - in_floats(narrow_avatar, 1, soft_patch(), 1.0, background)).max() <= 2


def test_render_when_mask_is_empty_in_the_box_then_idle(avatar):
    renderer, place = PictureRenderer(avatar), PatchPlace(PatchBox(0, 0, 8, 8), CROP_PX)
    assert np.array_equal(renderer.render(1, mouth_of(patch(255, 8, 8), place)), renderer.render(1))


def test_render_when_mouth_lies_beyond_the_outline_then_background_is_untouched(narrow_avatar):
    renderer = PictureRenderer(narrow_avatar)
    renderer.set_background(Background.colour("#0000ff"))
    outside = narrow_avatar.idle(0)[1] == 0
    talking = renderer.render(0, mouth_of(patch(255), PLACE))
    assert outside[32 + BOX.y : 32 + BOX.y + BOX.h, 32 + BOX.x : 32 + BOX.x + BOX.w].any()
    assert (talking[outside] == (255, 0, 0, 255)).all()


def test_render_when_mouth_lies_between_pixels_then_fine_lines_keep_their_contrast(tmp_path):
    """Lines of one pixel, shifted by a quarter: bilinear interpolation would leave 60 of their contrast of 120."""
    folder = write_avatar(tmp_path)
    about = json.loads((folder / "avatar.json").read_text(encoding="utf-8"))
    about["crop_to_portrait"][0][0][2] += 0.25
    (folder / "avatar.json").write_text(json.dumps(about), encoding="utf-8")
    columns = np.where(np.arange(BOX.w) % 2, 180, 60).astype(np.uint8)
    lines = np.ascontiguousarray(np.broadcast_to(columns[None, :, None], (BOX.h, BOX.w, 3)))
    picture = PictureRenderer(Avatar.load("disc", tmp_path)).render(0, mouth_of(lines, PLACE))
    row = picture[32 + BOX.y + BOX.h // 2, 32 + BOX.x + 12 : 32 + BOX.x + 36, 0].astype(int)
    assert np.ptp(row) >= 68


def test_render_when_no_mouth_then_idle_with_straight_alpha(avatar, renderer):
    picture = renderer.render(1)
    colours, alpha = avatar.idle(1)
    assert np.array_equal(picture[:, :, :3], colours)
    assert np.array_equal(picture[:, :, 3], alpha)


def test_render_when_weight_is_zero_then_idle(renderer):
    assert np.array_equal(renderer.render(1, mouth_of(patch(255), PLACE, 0.0)), renderer.render(1))


def test_render_when_there_is_a_mouth_then_only_the_box_changes(renderer):
    idle, talking = renderer.render(0), renderer.render(0, mouth_of(patch(255), PLACE))
    changed = np.argwhere((idle != talking).any(axis=2))
    assert len(changed) > 500
    assert changed[:, 0].min() >= 32 + BOX.y and changed[:, 0].max() < 32 + BOX.y + BOX.h
    assert changed[:, 1].min() >= 32 + BOX.x and changed[:, 1].max() < 32 + BOX.x + BOX.w


def test_render_when_there_is_a_mouth_then_middle_shows_it_and_edge_is_soft(renderer):
    talking = renderer.render(0, mouth_of(patch(200), PLACE))
    idle = renderer.render(0)
    row = talking[80, 40:88, 1].astype(int)
    assert abs(int(talking[80, 64, 1]) - 200) <= 3
    steps = np.abs(np.diff(row - idle[80, 40:88, 1].astype(int)))
    assert steps.max() < 40


def test_render_when_head_moves_then_patch_moves_with_it(avatar, renderer):
    dot = patch(128)
    dot[16, 24] = 255
    for k in range(avatar.n_idle):
        difference = (
            renderer.render(k, mouth_of(dot, PLACE))[:, :, 1].astype(int)
            - renderer.render(k, mouth_of(patch(128), PLACE))[:, :, 1]
        )
        y, x = np.unravel_index(difference.argmax(), difference.shape)
        assert (x, y) == (32 + BOX.x + 24 + k, 32 + BOX.y + 16)


def test_render_when_idle_is_lighter_than_at_rest_then_patch_follows(avatar, renderer):
    rest = np.ascontiguousarray(avatar.reference[BOX.y : BOX.y + BOX.h, BOX.x : BOX.x + BOX.w])
    for k in range(avatar.n_idle):
        idle, talking = renderer.render(k), renderer.render(k, mouth_of(rest, PLACE))
        assert np.abs(idle.astype(int) - talking).max() <= 3


def test_render_when_background_is_opaque_then_outside_shows_it_and_soft_edge_mixes(avatar, renderer):
    renderer.set_background(Background.colour("#ff0000"))
    picture = renderer.render(0, mouth_of(patch(255), PLACE))
    assert (picture[:, :, 3] == 255).all()
    assert (picture[0, 0] == (0, 0, 255, 255)).all()
    colours, alpha = avatar.idle(0)
    y, x = np.argwhere((alpha > 60) & (alpha < 200))[0]
    share = alpha[y, x] / 255
    expected = colours[y, x] * share + np.array([0, 0, 255]) * (1 - share)
    assert np.abs(picture[y, x, :3] - expected).max() <= 1


def test_render_when_the_patch_is_of_half_the_size_then_same_place(avatar, renderer):
    small = PatchPlace(PatchBox(4, 16, 24, 16), CROP_PX // 2)
    large_picture = renderer.render(0, mouth_of(patch(220), PLACE)).astype(int)
    small_picture = renderer.render(0, mouth_of(patch(220, 16, 24), small)).astype(int)
    assert np.abs(large_picture - small_picture).mean() < 1.0


def test_render_when_called_again_then_earlier_picture_is_untouched(renderer):
    first = renderer.render(0, mouth_of(patch(255), PLACE))
    kept = first.copy()
    renderer.render(0, mouth_of(patch(0), PLACE))
    assert np.array_equal(first, kept)
    assert first.shape == (SIZE_PX, SIZE_PX, 4)
