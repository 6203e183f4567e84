import numpy as np
import pytest

from avatar_app.contracts.errors import SettingsError
from avatar_app.live.camera.canvas import Canvas
from avatar_app.live.camera.layout import LAYOUTS, Layout, layout_of
from avatar_app.live.camera.placeholder import draw_placeholder


def portrait(size_px=512, colour=(40, 90, 160), alpha=255):
    pixels = np.empty((size_px, size_px, 4), np.uint8)
    pixels[:] = (*colour, alpha)
    return pixels


def chessboard(size_px=512):
    pixels = portrait(size_px)
    tiles = np.indices((size_px, size_px)).sum(axis=0) // 64 % 2
    pixels[..., :3] = (tiles * 200 + 20)[..., None]
    return pixels


@pytest.mark.parametrize("name", LAYOUTS)
def test_draw_when_any_layout_then_size_is_the_camera_s(name):
    layout = layout_of(name)
    assert Canvas(layout).draw(chessboard()).shape == (layout.height_px, layout.width_px, 3)


def test_draw_when_meeting_then_avatar_is_centred_and_not_stretched():
    pixels = portrait(720)
    pixels[200:520, 200:520, :3] = 255
    frame = Canvas(Layout(fill="colour")).draw(pixels)
    rows, columns = np.nonzero(frame.min(axis=2) > 250)
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (200, 520, 480, 800)


def test_draw_when_tall_camera_then_avatar_is_centred_too():
    pixels = portrait(720)
    pixels[200:520, 200:520, :3] = 255
    frame = Canvas(Layout(720, 1280, fill="colour")).draw(pixels)
    rows, columns = np.nonzero(frame.min(axis=2) > 250)
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (480, 800, 200, 520)


def test_draw_when_edges_are_extended_then_no_seam_is_visible():
    """Neighbouring columns at the seams differ less than those inside the picture."""
    ramp = portrait(720)
    ramp[..., :3] = np.linspace(20, 220, 720).astype(np.uint8)[:, None, None]
    frame = Canvas(Layout()).draw(ramp).astype(int)
    steps = np.abs(np.diff(frame, axis=1)).max(axis=(0, 2))
    assert steps[250:1030].max() <= 6
    # The far sides are more blurred than the picture, and darker.
    assert frame[:, :40].std(axis=0).mean() < 0.8 * frame[:, 640].std(axis=0).mean()
    assert frame[:, 2].mean() < 0.9 * frame[:, 640].mean()


def test_draw_when_fill_is_a_colour_then_sides_have_exactly_it():
    frame = Canvas(Layout(fill="colour", colour="#102030")).draw(chessboard())
    assert (frame[:, :240] == (0x30, 0x20, 0x10)).all()
    assert (frame[:, -240:] == (0x30, 0x20, 0x10)).all()


def test_draw_when_avatar_is_partly_transparent_then_blended_with_the_colour():
    frame = Canvas(Layout(512, 512, colour="#c86432")).draw(portrait(colour=(200, 0, 100), alpha=51))
    expected = np.array((200, 0, 100)) * 51 / 255 + np.array((0x32, 0x64, 0xC8)) * 204 / 255
    assert np.abs(frame.reshape(-1, 3).astype(int) - expected).max() <= 1.5


def test_draw_when_alpha_is_kept_then_unchanged_and_the_sides_are_transparent():
    frame = Canvas(Layout(keeps_alpha=True), keeps_alpha=True).draw(portrait(720, alpha=77))
    assert frame.shape == (720, 1280, 4)
    assert (frame[:, 280:1000] == (40, 90, 160, 77)).all()
    assert not frame[:, :280].any()
    assert not frame[:, 1000:].any()


def test_draw_when_picture_is_no_square_then_its_central_square_is_used():
    wide = np.concatenate([portrait(512, (0, 0, 255)), portrait(512), portrait(512, (0, 255, 0))], axis=1)
    assert (Canvas(Layout(512, 512)).draw(wide) == (40, 90, 160)).all()


@pytest.mark.parametrize("n_channels", [3, 4])
def test_placeholder_when_drawn_then_avatar_is_dim_and_blurred_and_label_is_bright(n_channels):
    frame = np.ascontiguousarray(chessboard(720)[..., :n_channels])
    placeholder = draw_placeholder(frame)
    assert placeholder.shape == frame.shape
    top = placeholder[:400, :, :3].astype(int)
    assert top.mean() < 0.6 * frame[..., :3].mean()
    assert np.abs(np.diff(top, axis=1)).max() <= 8  # no sharp edge of the avatar is left
    assert placeholder[520:680, :, :3].max() > 200  # but the label can be read


def test_placeholder_when_picture_is_transparent_then_only_the_label_is_visible():
    placeholder = draw_placeholder(np.zeros((512, 512, 4), np.uint8))
    assert placeholder[:256, :, 3].max() == 0
    assert placeholder[..., 3].max() > 200


@pytest.mark.parametrize(
    "wrong", [{"width_px": 1281}, {"height_px": 32}, {"fps": 0}, {"fill": "stretch"}, {"colour": "green"}]
)
def test_layout_when_no_camera_supports_it_then_error(wrong):
    with pytest.raises(SettingsError) as caught:
        Layout(**wrong)
    assert caught.value.what_to_do


def test_layout_of_when_name_is_unknown_then_known_ones_are_listed():
    with pytest.raises(SettingsError, match="meeting, square-512"):
        layout_of("portrait")
    assert layout_of("square-720", colour="#000000", keeps_alpha=True) == Layout(
        720, 720, colour="#000000", keeps_alpha=True
    )
