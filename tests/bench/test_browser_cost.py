"""Cost of a picture for the browser source, relative to other encodings of alpha, in one run."""

import cv2

from avatar_app.bench.browser import measure
from avatar_app.contracts.packets import Picture
from avatar_app.live.browser.message import encode
from avatar_app.live.frame import load_avatar
from tests.bench.test_ratios import medians_ms


def test_encode_when_compared_with_png_then_several_times_faster_and_smaller():
    pixels = load_avatar("nova").renderer().render(0)
    picture = Picture(0, 0, 0, pixels)

    def png() -> bytes:
        return bytes(cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1])

    found = medians_ms({"ours": lambda: encode(picture), "png": png})
    assert found["png"] / found["ours"] > 3
    assert len(png()) / len(encode(picture)) > 3


def test_measure_when_two_view_then_both_get_the_pictures():
    found = measure(seconds=2, fps=10)
    assert found["fps_seen"] > 5
    assert 0 < found["age_p50_ms"] <= found["age_p95_ms"]
