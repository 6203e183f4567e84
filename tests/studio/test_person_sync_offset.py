"""The offset between sound and picture, with a known curve as the prediction, and with the published speech encoder."""

from pathlib import Path

import numpy as np
import pytest

from avatar_app.contracts.errors import StudioError
from avatar_app.live.mic.audio_file import read_audio
from avatar_app.settings.paths import demo_sample, models_dir
from avatar_app.studio.data.clips import Clip, read_params
from avatar_app.studio.enrol.person import sync_offset
from avatar_app.studio.enrol.person.mouth_parameters import opening_mm
from avatar_app.studio.enrol.person.sync_offset import (
    Offset,
    measure_offset,
    measure_offsets,
    opening_predictor,
    require_offset,
    shift_sound,
)
from avatar_app.studio.nets.speech_encoder import load_speech_encoder
from avatar_app.studio.publish.unpack import unpack

pytestmark = pytest.mark.studio

NOVA = Path(__file__).parents[3] / "shared" / "data" / "nova"
SPEECH = read_audio(demo_sample())[: 12 * 16_000]
N_PICTURES = len(SPEECH) // 640


def loudness(samples):
    """A stand-in for the speech encoder: mean amplitude in windows of 10 ms."""
    return np.abs(samples[: len(samples) // 160 * 160]).reshape(-1, 160).mean(axis=1).astype(np.float64)


def opening_of(samples, n_pictures=N_PICTURES):
    """Lips that follow the loudness, 25 a second."""
    t_s = (np.arange(n_pictures) + 0.5) / 25
    curve = loudness(samples)
    return np.interp(t_s, (np.arange(len(curve)) + 0.5) / 100, curve).astype(np.float32)


OPENING = opening_of(SPEECH)


@pytest.mark.parametrize("ms", [-430, -250, -85, 0, 35, 250, 480])
def test_offset_when_sound_is_shifted_then_found_within_three_ms(ms):
    found = measure_offset([OPENING], [shift_sound(SPEECH, -ms)], loudness)
    assert found.ms == pytest.approx(ms, abs=3)
    assert found.correlation > 0.8


def test_offset_when_corrected_then_none_is_left():
    late = shift_sound(SPEECH, -140)
    offset = measure_offset([OPENING], [late], loudness)
    assert abs(measure_offset([OPENING], [shift_sound(late, offset.ms)], loudness).ms) < 10


def test_offset_when_faces_are_missing_then_the_rest_decides():
    opening = OPENING.copy()
    opening[50:120] = np.nan
    opening[:3] = np.nan
    assert measure_offset([opening], [shift_sound(SPEECH, -80)], loudness).ms == pytest.approx(80, abs=12)
    assert measure_offset([np.full(50, np.nan, np.float32)], [SPEECH[:32_000]], loudness).correlation == 0


def test_offset_when_one_take_misleads_then_the_others_decide():
    rng = np.random.default_rng(0)
    thirds = np.array_split(np.arange(N_PICTURES), 3)
    openings = [OPENING[part] for part in thirds]
    openings[2] = rng.permutation(openings[2])
    sounds = [shift_sound(SPEECH[part[0] * 640 : (part[-1] + 1) * 640], -120) for part in thirds]
    assert measure_offset(openings, sounds, loudness).ms == pytest.approx(120, abs=12)


def test_offsets_when_videos_differ_then_long_ones_have_their_own_and_short_ones_share(monkeypatch):
    monkeypatch.setattr(sync_offset, "OWN_OFFSET_S", 4.0)
    parts = [np.arange(0, 75), np.arange(75, 150), np.arange(150, 200), np.arange(200, 300)]
    sounds = [SPEECH[part[0] * 640 : (part[-1] + 1) * 640] for part in parts]
    videos, shifts_ms = ["a", "a", "b", "silent"], [150, 150, 0, 0]
    sounds = [shift_sound(sound, -ms) for sound, ms in zip(sounds, shifts_ms, strict=True)]
    openings = [OPENING[part] for part in parts[:3]] + [np.full(100, 0.1, np.float32)]
    first, second, short, silent = measure_offsets(videos, openings, sounds, loudness)
    assert first == second and first.ms == pytest.approx(150, abs=8)
    # Too short, and without a clear offset.
    assert short == silent == measure_offset(openings, sounds, loudness)
    assert measure_offsets(videos, openings, sounds, loudness, 2)[2] == first


def test_offset_when_sound_is_music_or_another_voice_then_refused():
    other = read_audio(demo_sample())[12 * 16_000 : 24 * 16_000]
    t_s = np.arange(len(SPEECH)) / 16_000
    music = np.float32(0.3) * np.sin(2 * np.pi * 220 * t_s).astype(np.float32) * (1 + np.sign(np.sin(4 * np.pi * t_s)))
    for sound in (other[::-1], music.astype(np.float32), np.zeros_like(SPEECH)):
        padded = np.resize(sound, len(SPEECH))
        with pytest.raises(StudioError, match="does not fit the movement of the lips"):
            require_offset(measure_offset([OPENING], [padded], loudness), "me.mp4")


@pytest.mark.parametrize(("ms", "word"), [(300, "late"), (-260, "early")])
def test_offset_when_beyond_250_ms_then_refused_with_its_direction(ms, word):
    with pytest.raises(StudioError, match=rf"me\.mp4 is {abs(ms)} ms too {word}"):
        require_offset(Offset(ms, 0.6), "me.mp4")
    assert require_offset(Offset(ms / 2, 0.6), "me.mp4") == ms / 2


@pytest.mark.parametrize("ms", [-250, 0, 40])
def test_shift_when_by_ms_then_silence_fills_the_gap(ms):
    samples = np.arange(1, 16_001, dtype=np.float32)
    moved, n = shift_sound(samples, ms), ms * 16
    assert len(moved) == len(samples)
    if n >= 0:
        assert (moved[: len(samples) - n] == samples[n:]).all() and not moved[len(samples) - n :].any()
    else:
        assert (moved[-n:] == samples[:n]).all() and not moved[:-n].any()


def test_shift_when_longer_than_the_sound_then_silence():
    assert not shift_sound(np.ones(100, np.float32), 50).any()
    assert not shift_sound(np.ones(100, np.float32), -50).any()


@pytest.fixture(scope="module")
def predict(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nets")
    unpack(models_dir() / "nova-hd", folder)
    return opening_predictor(load_speech_encoder(folder / "speech-encoder" / "best"))


def test_predictor_when_speech_then_the_lips_open_and_close_in_silence(predict):
    sound = np.concatenate([np.zeros(32_000, np.float32), SPEECH[:64_000], np.zeros(32_000, np.float32)])
    opening_mm = predict(sound)
    assert len(opening_mm) == 800
    assert opening_mm[20:180].max() < 2 < opening_mm[200:600].max() - 2
    assert opening_mm[640:].max() < 2


def test_predictor_when_compared_with_the_loudness_then_no_look_ahead_remains(predict):
    assert abs(measure_offset([OPENING], [SPEECH], predict).ms) < 60


@pytest.mark.skipif(not NOVA.is_dir(), reason="the rendered clips are not available")
@pytest.mark.parametrize("ms", [-200, 0, 120])
def test_offset_when_published_encoder_hears_a_rendered_clip_then_found_within_20_ms(predict, ms):
    clips = [
        Clip(NOVA / "clips" / name, is_train=False)
        for name in ("still_000_103-1240-0000", "still_007_7780-274562-0000")
    ]
    openings = [opening_mm(read_params(clip)) for clip in clips]
    sounds = [shift_sound(read_audio(clip.folder / "audio.flac"), -ms) for clip in clips]
    found = measure_offset(openings, sounds, predict)
    assert found.ms == pytest.approx(ms, abs=20)
    assert found.correlation > 0.6
