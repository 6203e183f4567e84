"""Clips and voices brought together, with pictures drawn for the voices."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch", reason="needs the studio extra")

from avatar_app.studio.data.av_clips import draw_takes, drawn_scenes  # noqa: E402
from avatar_app.studio.data.dataset import load_stage  # noqa: E402
from avatar_app.studio.data.speech_corpus import Utterance  # noqa: E402
from avatar_app.studio.mouth import REST  # noqa: E402
from avatar_app.studio.nets.mouth_renderer import PictureNet, PictureShape, save_picture_net  # noqa: E402
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


def test_drawn_when_voices_are_others_then_drawn_anew_and_what_is_mapped_stays(tmp_path):
    rest = np.full((256, 256, 3), 120, np.uint8)
    net = PictureNet(PictureShape(n_hidden=4, n_code=2, widths=(4, 4, 4, 4))).eval()
    first, other = (_voice(name, n) for name, n in (("a", 30), ("b", 30)))
    scene = drawn_scenes([first], net, rest, tmp_path)[0]
    before = scene.pictures.copy()
    net.base.data += 0.5
    assert np.array_equal(drawn_scenes([first], net, rest, tmp_path)[0].pictures, before)
    assert not np.array_equal(drawn_scenes([other], net, rest, tmp_path)[0].pictures, before)
    assert np.array_equal(scene.pictures, before)


def test_drawn_when_cache_is_from_before_voices_were_named_then_taken_as_theirs_when_as_many(tmp_path):
    rest = np.full((256, 256, 3), 120, np.uint8)
    net = PictureNet(PictureShape(n_hidden=4, n_code=2, widths=(4, 4, 4, 4))).eval()
    before = drawn_scenes([_voice("a", 30)], net, rest, tmp_path)[0].pictures.copy()
    (tmp_path / "drawn.json").write_text('{"n_pictures": 30}\n')
    net.base.data += 0.5
    assert np.array_equal(drawn_scenes([_voice("a", 30)], net, rest, tmp_path)[0].pictures, before)
    assert json.loads((tmp_path / "drawn.json").read_text()) == {"voices": [["a", 30]]}
    (tmp_path / "drawn.json").write_text('{"n_pictures": 30}\n')
    assert len(drawn_scenes([_voice("a", 20)], net, rest, tmp_path)[0].pictures) == 20


def _voice(name, n_pictures):
    n = 4 * n_pictures
    return Utterance(name, np.ones((n, 401), np.float16), np.tile(REST, (n, 1)), np.zeros(n, np.int64), 1.0)
