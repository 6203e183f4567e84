"""Speech features: shapes, times, cache, and what happens without their packages."""

from __future__ import annotations

import importlib.util
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from avatar_app.contracts.errors import MissingExtraError, StudioError
from avatar_app.studio.data import features
from avatar_app.studio.data.features import registry
from avatar_app.studio.data.features.feature import Features, at_rate
from avatar_app.studio.data.features.pretrained import PIECE_ROWS, EmbeddingExtractor, PhonemeExtractor
from avatar_app.studio.data.features.self_supervised import SelfSupervisedExtractor

pytestmark = pytest.mark.studio
RATE_HZ = 16_000


class FakeRecognizer:
    """191 "log-probabilities", all of them the energy of 320 samples."""

    def __init__(self):
        self.lengths = []

    def run(self, names, feeds):
        assert names == ["log_probs"]
        sound = feeds["waveform"][0]
        assert feeds["waveform_lengths"].tolist() == [len(sound)]
        self.lengths.append(len(sound))
        energy = np.abs(sound.reshape(-1, 320)).sum(1)
        return [np.repeat(energy[:, None], 191, axis=1)[None] - 17.5]


class FakeMel:
    """32 "bands", all of them the energy of 512 samples, every 160 samples."""

    def run(self, _names, feeds):
        sound = np.abs(feeds["input"][0])
        n = (len(sound) - 512) // 160 + 1
        energy = np.stack([sound[160 * k : 160 * k + 512].sum() for k in range(n)])
        return [np.repeat(energy[:, None], 32, axis=1)[None, None].astype(np.float32)]


class FakeEmbedding:
    """96 columns: the sum over the window, with most weight in the middle."""

    def __init__(self):
        self.shapes = []

    def run(self, _names, feeds):
        windows = feeds["input_1"]
        self.shapes.append(windows.shape)
        weight = np.hanning(windows.shape[1] + 2)[1:-1]
        total = ((windows[..., 0].mean(2) - 2) * weight).sum(1)
        return [np.repeat(total[:, None], 96, axis=1)[:, None, None].astype(np.float32)]


def click(t_s, seconds=2.0):
    samples = np.zeros(int(seconds * RATE_HZ), dtype=np.float32)
    samples[int(t_s * RATE_HZ) :][:8] = 0.9
    return samples


def middle_of_change(extractor, t_s):
    """The instant around which a click changes the rows."""
    rows = extractor.rows(click(t_s))
    change = np.abs(rows - extractor.rows(np.zeros(2 * RATE_HZ, dtype=np.float32))).sum(1)
    instants = (np.arange(len(rows)) + 0.5) / extractor.rate_hz
    return float((change * instants).sum() / change.sum())


EXTRACTORS = {
    "mel": lambda: registry._EXTRACTORS["mel"](),
    "mfcc": lambda: registry._EXTRACTORS["mfcc"](),
    "phonemes": lambda: PhonemeExtractor(FakeRecognizer()),
    "embedding": lambda: EmbeddingExtractor(FakeMel(), FakeEmbedding()),
}


@pytest.mark.parametrize("name", EXTRACTORS)
@pytest.mark.parametrize("n_samples", [0, 1, 4000, 16_001])
def test_rows_when_any_length_then_they_cover_the_sound(name, n_samples):
    extractor = EXTRACTORS[name]()
    rows = extractor.rows(np.zeros(n_samples, dtype=np.float32))
    assert rows.shape == (np.ceil(n_samples * extractor.rate_hz / RATE_HZ), extractor.width)
    assert rows.dtype == np.float32


@pytest.mark.parametrize("name", EXTRACTORS)
@pytest.mark.parametrize("t_s", [0.5, 1.013])
def test_rows_when_the_sound_clicks_then_the_row_of_that_instant_changes(name, t_s):
    extractor = EXTRACTORS[name]()
    assert middle_of_change(extractor, t_s) == pytest.approx(t_s, abs=0.5 / extractor.rate_hz + 0.002)


def test_mel_when_compared_with_the_live_columns_then_half_a_hop_later():
    from avatar_app.studio.data.mel import melspectrogram

    samples = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    values, rate_hz = features.compute("mel", samples)
    assert rate_hz == 80
    np.testing.assert_allclose(values[3:-3], melspectrogram(samples[100:]).T[3 : len(values) - 3], atol=1e-4)


def test_mfcc_when_the_sound_is_steady_then_no_differences():
    t = np.arange(RATE_HZ) / RATE_HZ
    values, _ = features.compute("mfcc", (0.1 * np.sin(2 * np.pi * 400 * t)).astype(np.float32))
    assert values.shape == (80, 39)
    assert np.abs(values[20:60, 13:]).max() < 0.05 < np.abs(values[20:60, :13]).max()


def test_phonemes_when_the_sound_is_long_then_pieces_fit_together():
    recognizer = FakeRecognizer()
    samples = np.random.default_rng(0).normal(0, 0.01, 320 * (PIECE_ROWS + 7)).astype(np.float32)
    rows = PhonemeExtractor(recognizer).rows(samples)
    assert len(recognizer.lengths) == 2
    whole = np.abs(samples.reshape(-1, 320)).sum(1) - 17.5
    np.testing.assert_allclose(rows[:, 0], np.maximum(whole, -16), atol=1e-5)


def test_embedding_when_the_sound_is_long_then_windows_in_batches():
    network = FakeEmbedding()
    rows = EmbeddingExtractor(FakeMel(), network).rows(np.zeros(3 * RATE_HZ, dtype=np.float32))
    assert rows.shape == (75, 96)
    assert network.shapes == [(64, 76, 32, 1), (11, 76, 32, 1)]


def test_compute_when_kept_then_not_computed_again(tmp_path, monkeypatch):
    calls = []

    class Counted:
        rate_hz, width = 50.0, 2

        def rows(self, samples):
            calls.append(len(samples))
            return np.full((3, 2), len(calls), dtype=np.float32)

    monkeypatch.setitem(registry._EXTRACTORS, "phonemes", Counted)
    registry._extractor.cache_clear()
    sound = click(0.5)
    first = features.compute("phonemes", sound, tmp_path)
    again = features.compute("phonemes", sound, tmp_path)
    other = features.compute("phonemes", click(0.6), tmp_path)
    assert [f.values[0, 0] for f in (first, again, other)] == [1, 1, 2]
    assert again.rate_hz == 50.0
    for file in tmp_path.iterdir():
        file.write_bytes(b"damaged")
    assert features.compute("phonemes", sound, tmp_path).values[0, 0] == 3
    registry._extractor.cache_clear()


@pytest.mark.parametrize(
    ("name", "package"), [("phonemes", "hama"), ("embedding", "openwakeword"), ("self-supervised:any", "transformers")]
)
def test_compute_when_the_package_is_missing_then_one_sentence_names_it(name, package, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *rest: None if n == package else find(n, *rest))
    registry._extractor.cache_clear()
    with pytest.raises(MissingExtraError, match=f"needs? the package {package}. Install it with: pip install"):
        features.compute(name, click(0.1))
    assert not features.is_available(name)


def test_compute_when_hama_has_no_library_then_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "hama", SimpleNamespace(__spec__=importlib.util.find_spec("json")))
    monkeypatch.setitem(sys.modules, "hama._engine", SimpleNamespace(available=lambda: False))
    registry._extractor.cache_clear()
    with pytest.raises(MissingExtraError, match="no library for this system"):
        features.compute("phonemes", click(0.1))


def test_compute_when_there_is_no_such_feature_then_names_the_others():
    with pytest.raises(StudioError, match=r"no speech feature .melt.\. Use one of: mel, mfcc"):
        features.compute("melt", click(0.1))


def test_at_rate_when_faster_then_between_the_rows_and_held_at_the_ends():
    slow = Features(np.array([[0.0], [1.0]], dtype=np.float32), 25.0)
    np.testing.assert_allclose(at_rate(slow, 50.0, 5)[:, 0], [0, 0.25, 0.75, 1, 1])


class FakeModel:
    """States of layer k: k plus the energy under each window of 400 samples."""

    config = SimpleNamespace(num_hidden_layers=2, hidden_size=6)

    def eval(self):
        return self

    def __call__(self, sound, output_hidden_states):
        assert output_hidden_states
        energy = sound.unfold(1, 400, 320).abs().sum(2)
        return SimpleNamespace(hidden_states=[(energy + k)[..., None].repeat(1, 1, 6) for k in range(3)])


@pytest.fixture
def transformers(monkeypatch):
    """The loaders of `transformers` that are used here."""

    def load(name):
        if name != "folder":
            raise OSError(f"{name} is no model\nlong explanation")
        return FakeModel()

    settings = SimpleNamespace(to_dict=lambda: {"do_normalize": False})
    fake = SimpleNamespace(
        __spec__=importlib.util.find_spec("json"),
        AutoModel=SimpleNamespace(from_pretrained=load),
        AutoFeatureExtractor=SimpleNamespace(from_pretrained=lambda _: settings),
    )
    monkeypatch.setitem(sys.modules, "transformers", fake)
    registry._extractor.cache_clear()


@pytest.mark.usefixtures("transformers")
def test_self_supervised_when_loaded_then_rows_at_their_instants_of_the_wanted_layer():
    extractor = SelfSupervisedExtractor("folder#1")
    # The windows of 400 samples overlap by 40 at each end; this click lies between.
    change = extractor.rows(click((50 * 320 + 50) / RATE_HZ))[:, 0] - 1
    assert np.flatnonzero(change).tolist() == [50]
    values, rate_hz = features.compute("self-supervised:folder#1", np.zeros(16_001, dtype=np.float32))
    assert (values.shape, rate_hz) == ((51, 6), 50.0)
    assert (values == 1).all()
    assert (SelfSupervisedExtractor("folder").rows(np.zeros(800, dtype=np.float32)) == 2).all()


@pytest.mark.usefixtures("transformers")
@pytest.mark.parametrize(
    ("source", "sentence"),
    [("other", "cannot be loaded: other is no model."), ("folder#3", "has 2 layers"), ("folder#x", "not a number")],
)
def test_self_supervised_when_it_cannot_be_loaded_then_one_sentence(source, sentence):
    with pytest.raises(StudioError, match=sentence):
        SelfSupervisedExtractor(source)


def test_self_supervised_when_transformers_is_real_then_a_tiny_random_model_works(tmp_path, monkeypatch):
    transformers = pytest.importorskip("transformers")
    # Its progress bars start a thread that stays.
    monkeypatch.setattr("tqdm.tqdm.monitor_interval", 0)
    config = transformers.HubertConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, conv_dim=(8,) * 7,
        num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    transformers.HubertModel(config).save_pretrained(tmp_path)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(tmp_path)
    values, rate_hz = features.compute(f"self-supervised:{tmp_path}#1", click(0.5, 1.0))
    assert (values.shape, values.dtype, rate_hz) == ((50, 16), np.float32, 50.0)


@pytest.mark.parametrize("name", ["phonemes", "embedding"])
def test_compute_when_the_package_is_installed_then_rows_of_its_network(name):
    if not features.is_available(name):
        pytest.skip("its package is not installed")
    registry._extractor.cache_clear()
    values, rate_hz = features.compute(name, np.random.default_rng(0).normal(0, 0.1, 16_001).astype(np.float32))
    assert values.shape == (np.ceil(16_001 * rate_hz / RATE_HZ), *features.widths((name,)))
    assert np.isfinite(values).all()
    assert values.std() > 0.1
