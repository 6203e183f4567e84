import os
import struct

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
def test_colour_when_text_is_not_a_colour_then_error(text):
    with pytest.raises(SettingsError, match="#rrggbb"):
        Background.colour(text)


def test_pixels_when_picture_is_wide_then_its_middle_fills_the_square(tmp_path):
    wide = np.zeros((100, 300, 3), np.uint8)
    wide[:, 100:200] = (10, 200, 30)
    cv2.imwrite(str(tmp_path / "wide.png"), wide)
    pixels = Background.picture(tmp_path / "wide.png").pixels(50)
    assert pixels.shape == (50, 50, 3)
    assert np.abs(pixels[:, 2:-2].astype(int) - (10, 200, 30)).max() <= 2


@pytest.mark.parametrize(
    ("width", "height", "fault"),
    [
        (1920, 1, "small"), (1, 1920, "small"), (8000, 1, "small"), (8000, 15, "small"), (40_000, 40_000, "large"),
        (10_000, 10_000, "large"), (30_000, 100, "large"), (2000, 20, "long"), (20, 2000, "long"),
    ],
)  # fmt: skip
def test_picture_when_its_size_is_extreme_then_refused_and_never_decoded(tmp_path, monkeypatch, width, height, fault):
    # Only the header of a real picture: the rest is never read.
    png = cv2.imencode(".png", np.zeros((20, 20), np.uint8))[1].tobytes()
    (tmp_path / "a.png").write_bytes(png[:16] + struct.pack(">II", width, height) + png[24:])
    monkeypatch.setattr(cv2, "imdecode", None)
    with pytest.raises(SettingsError, match=f"{width} x {height} pixels, which is too {fault}"):
        Background.picture(tmp_path / "a.png")


@pytest.mark.parametrize("shape", [(16, 16), (20, 400), (3000, 3000), (4200, 4300)])
def test_picture_when_its_size_is_allowed_then_a_square_no_larger_than_a_portrait_is_kept(tmp_path, shape):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((*shape, 3), 90, np.uint8))
    background = Background.picture(tmp_path / "a.png")
    assert background.pixels(512).shape == (512, 512, 3) and (background.pixels(512) == 90).all()
    assert background._source.shape[0] == background._source.shape[1] <= 2048


def test_picture_when_used_again_then_decoded_again_only_if_its_file_changed(tmp_path, monkeypatch):
    decoded, decode = [], cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda *given: decoded.append(1) or decode(*given))
    file = tmp_path / "a.png"
    for colour in (10, 20):
        cv2.imwrite(str(file), np.full((20, 20, 3), colour, np.uint8))
        os.utime(file, ns=(colour, colour))
        for _ in range(3):
            assert (Background.picture(file).pixels(8) == colour).all()
    assert len(decoded) == 2


@pytest.mark.parametrize("path", ["~nosuchuser/a.png", "a\0b.png", "", "/", "\ud800"])
def test_picture_when_the_path_is_unusual_then_error(path):
    with pytest.raises(SettingsError, match="background picture"):
        Background.picture(path)


@pytest.mark.parametrize("content", [None, b"", b"no picture"])
def test_picture_when_unreadable_then_error_names_it(tmp_path, content):
    path = tmp_path / "bad.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"bad\.png"):
        Background.picture(path)
