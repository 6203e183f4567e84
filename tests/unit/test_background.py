import cv2
import numpy as np
import pytest

from avatar_app.contracts.errors import SettingsError
from avatar_app.live.frame import Background


def test_pixels_when_transparent_then_none():
    assert Background.transparent().pixels(64) is None


def test_pixels_when_checker_then_two_greys_in_squares():
    pixels = Background.checker().pixels(100)
    assert pixels.shape == (100, 100, 3)
    assert (pixels[0, 0] != pixels[0, 16]).all()
    assert (pixels[0, 0] == pixels[16, 16]).all()


def test_pixels_when_colour_then_that_colour_in_bgr():
    assert (Background.colour("#102030").pixels(8) == (0x30, 0x20, 0x10)).all()


@pytest.mark.parametrize("text", ["", "red", "#12345", "#12345g", "1234567"])
def test_colour_when_text_is_no_colour_then_sentence(text):
    with pytest.raises(SettingsError, match="#rrggbb"):
        Background.colour(text)


def test_pixels_when_picture_is_wide_then_its_middle_fills_the_square(tmp_path):
    wide = np.zeros((100, 300, 3), np.uint8)
    wide[:, 100:200] = (10, 200, 30)
    cv2.imwrite(str(tmp_path / "wide.png"), wide)
    pixels = Background.picture(tmp_path / "wide.png").pixels(50)
    assert pixels.shape == (50, 50, 3)
    assert np.abs(pixels[:, 2:-2].astype(int) - (10, 200, 30)).max() <= 2


@pytest.mark.parametrize("content", [None, b"", b"no picture"])
def test_picture_when_unreadable_then_sentence_names_it(tmp_path, content):
    path = tmp_path / "bad.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"bad\.png"):
        Background.picture(path)
