"""The dataset of clips and voices, with generated pictures for the voices."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch", reason="needs the studio extra")

from avatar_app.studio.data.av_clips import draw_av_batch, generated_clips  # noqa: E402
from avatar_app.studio.data.dataset import load_dataset  # noqa: E402
from avatar_app.studio.data.utterances import Utterance  # noqa: E402
from avatar_app.studio.mouth import REST  # noqa: E402
from avatar_app.studio.nets.mouth_renderer import MouthRenderer, MouthRendererShape, save_mouth_renderer  # noqa: E402
from tests.studio.rendered_clips import write_clips  # noqa: E402

pytestmark = pytest.mark.studio


@pytest.fixture
def folders(data, tmp_path):
    """Thirty voices of a second, no flite; clips of 30 and 6 pictures; a mouth renderer with grey output."""
    nova = write_clips(data / "nova", n_pictures=(30, 6), splits=("train", "train"))
    for clip in (nova / "clips").iterdir():
        soundfile.write(clip / "audio.flac", np.random.default_rng(0).uniform(-0.1, 0.1, 20000), 16000)
    save_mouth_renderer(
        tmp_path / "picture", MouthRenderer(MouthRendererShape(n_hidden=4, n_code=2, widths=(4, 4, 4, 4))), {}
    )
    return data, tmp_path / "picture", tmp_path / "cache", None


def test_load_when_flite_is_missing_then_no_synthetic_voices(folders):
    dataset = load_dataset(*folders, 24)
    assert {clip.name.split("_")[0] for clip in dataset.train} == {"still", "v", "noise"}
    assert not list(folders[2].glob("synthetic*"))


def test_load_when_a_clip_is_shorter_than_a_sample_then_left_out_with_a_warning_and_samples_are_full(folders, caplog):
    dataset = load_dataset(*folders, 24)
    assert "still_001 is left out: it has 6 pictures, and a sample needs 24." in caplog.text
    assert [clip.name for clip in dataset.train][:2] == ["still_000", "v_F_10"]
    assert len(dataset.sampling_weights) == len(dataset.train)
    batch = draw_av_batch(dataset.train, dataset.sampling_weights, dataset.corpus, 40, 24, np.random.default_rng(0))
    assert batch.pictures.shape == (40, 24, 3, 48, 96)
    assert load_dataset(*folders, 26).held_out == []


def test_generated_clips_when_voices_differ_then_generated_again_and_mapped_pictures_stay(tmp_path):
    rest = np.full((256, 256, 3), 120, np.uint8)
    net = MouthRenderer(MouthRendererShape(n_hidden=4, n_code=2, widths=(4, 4, 4, 4))).eval()
    first, other = (_voice(name, n) for name, n in (("a", 30), ("b", 30)))
    clip = generated_clips([first], net, rest, tmp_path)[0]
    before = clip.pictures.copy()
    net.base.data += 0.5
    assert np.array_equal(generated_clips([first], net, rest, tmp_path)[0].pictures, before)
    assert not np.array_equal(generated_clips([other], net, rest, tmp_path)[0].pictures, before)
    assert np.array_equal(clip.pictures, before)


def _voice(name, n_pictures):
    n = 4 * n_pictures
    return Utterance(name, np.ones((n, 401), np.float16), np.tile(REST, (n, 1)), np.zeros(n, np.int64), 1.0)
