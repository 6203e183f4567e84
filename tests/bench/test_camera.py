"""Cost of the virtual camera and of audio cleaning, relative to other work in the same run."""

import time

import cv2
import numpy as np
import pytest

from avatar_app.live.camera.canvas import Canvas
from avatar_app.live.camera.layout import LAYOUTS
from avatar_app.live.frame import Background, load_avatar
from avatar_app.live.mic.auto_gain import AutoGain
from avatar_app.live.mic.chain import SoundChain
from avatar_app.live.mic.level import Level
from tests.bench.test_ratios import medians_ms


@pytest.fixture(autouse=True)
def one_thread():
    """As in the program; work on other threads would not be counted."""
    n_before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(n_before)


def test_canvas_when_meeting_then_not_much_slower_than_rendering_the_avatar(capsys):
    renderer = load_avatar("nova").renderer()
    renderer.set_background(Background.transparent())
    pixels = renderer.render(5)
    opaque = pixels.copy()
    opaque[..., 3] = 255
    meeting, square = Canvas(LAYOUTS["meeting"]), Canvas(LAYOUTS["square-512"])
    turn = iter(range(100_000))
    found = medians_ms(
        {
            "compose": lambda: renderer.render(next(turn) % renderer.n_idle),
            "meeting": lambda: meeting.draw(opaque),
            "meeting with alpha": lambda: meeting.draw(pixels),
            "square": lambda: square.draw(opaque),
        },
        time.thread_time,
    )
    with capsys.disabled():
        print({name: f"{ms:.2f} ms, {3 * ms:.1f} % of a core at 30" for name, ms in found.items()})  # noqa: T201
    assert found["meeting"] / found["compose"] < 8
    assert found["square"] / found["meeting"] < 0.5


def test_auto_gain_when_sound_comes_then_faster_than_resampling_it_several_times():
    sound = np.random.default_rng(0).normal(0, 0.05, 160).astype(np.float32)
    stereo = np.repeat(np.repeat(sound, 3)[:, None], 2, axis=1)
    auto_gain, chain = AutoGain(), SoundChain(48_000, Level(48_000))
    found = medians_ms(
        {"gain": lambda: auto_gain.feed(sound), "chain": lambda: chain.feed(stereo, 0)}, time.thread_time
    )
    assert found["gain"] / found["chain"] < 3
