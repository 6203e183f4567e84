"""Clips and voices brought together, with pictures drawn for the voices."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch", reason="needs the studio extra")

from avatar_app.studio.data.scenes import draw_takes  # noqa: E402
from avatar_app.studio.data.stage import load_stage  # noqa: E402
from avatar_app.studio.nets.picture import PictureNet, PictureShape, save_picture_net  # noqa: E402
from tests.studio.rendered_clips import write_clips  # noqa: E402

pytestmark = pytest.mark.studio


@pytest.fixture
def folders(data, tmp_path):
    """Thirty voices of a second, flite missing; clips of 30 and 6 pictures; a network that draws grey."""
    nova = write_clips(data / "nova", n_pictures=(30, 6), splits=("train", "train"))
    for clip in (nova / "clips").iterdir():
        soundfile.write(clip / "audio.flac", np.random.default_rng(0).uniform(-0.1, 0.1, 20000), 16000)
    save_picture_net(tmp_path / "picture", PictureNet(PictureShape(n_hidden=4, n_code=2, widths=(4, 4, 4, 4))), {})
    return data, tmp_path / "picture", tmp_path / "cache", None


def test_load_when_flite_is_missing_then_goes_without_synthetic_voices(folders):
    stage = load_stage(*folders, 24)
    assert {scene.name.split("_")[0] for scene in stage.train} == {"still", "v", "noise"}
    assert not list(folders[2].glob("synthetic*"))


def test_load_when_a_scene_is_shorter_than_what_is_taken_then_left_out_with_a_line_and_takes_are_full(folders, caplog):
    stage = load_stage(*folders, 24)
    assert "still_001 is left out: it has 6 pictures, and 24 are taken at once." in caplog.text
    assert [scene.name for scene in stage.train][:2] == ["still_000", "v_F_10"]
    assert len(stage.odds) == len(stage.train)
    takes = draw_takes(stage.train, stage.odds, stage.corpus, 40, 24, np.random.default_rng(0))
    assert takes.pictures.shape == (40, 24, 3, 48, 96)
    assert load_stage(*folders, 26).held_out == []
