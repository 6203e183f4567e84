"""The real window with a film in the camera's place."""

import json

import cv2
import numpy as np
import pytest

from avatar_app.gui.widgets.theme import DARK
from avatar_app.live.webcam.package import is_installed
from tests.end2end.program import run
from tests.fakes.webcam import nova_before_grey, write_video


def is_lit(shot):
    """Whether the lamp in the bar below the picture is lit."""
    picture = cv2.imread(str(shot)).astype(int)
    bar = picture[-90:, : picture.shape[1] - 340]
    green = np.array([int(DARK.good[k : k + 2], 16) for k in (5, 3, 1)])
    return int((abs(bar - green).max(2) < 24).sum()) > 40


@pytest.mark.skipif(not is_installed(), reason="needs `avatar-app webcam setup`")
def test_window_when_a_film_is_the_camera_then_follows_it_with_the_lamp_lit_for_this_start_only(tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps({"version": 1, "theme": "dark"}))
    film = write_video(tmp_path / "me.mp4", [nova_before_grey(k) for k in range(30)], fps=30)
    shots = tmp_path / "on.png", tmp_path / "off.png"
    common = "--mic", "demo", "--profile-dir", tmp_path, "--json-log", "--screenshot"
    on = run("--duration", 7, *common, shots[0], "--camera", f"file:{film}")
    off = run("--duration", 3, *common, shots[1])
    assert (on.code, off.code) == (0, 0), on.err + off.err
    assert not [line for line in on.log if line["level"] in ("error", "critical")], on.err
    assert "webcam me.mp4" in on.messages()
    assert "webcam me.mp4" not in off.messages()
    assert [is_lit(shot) for shot in shots] == [True, False]
    assert json.loads((tmp_path / "settings.json").read_text()).get("is_following") is not True
