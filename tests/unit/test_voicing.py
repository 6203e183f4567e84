"""Level, noise floor and voicing; the gate and the automatic gain answer as recorded in `tests/data/golden`."""

import math
from pathlib import Path

import numpy as np
import pytest

from avatar_app.contracts.packets import BLOCK_SAMPLES, AudioBlock
from avatar_app.live.audio.voicing import NoiseFloor, PitchDetector, level_db, periodicity
from avatar_app.live.frame import SpeechGate
from avatar_app.live.mic.audio_file import read_audio
from avatar_app.live.mic.auto_gain import AutoGain
from avatar_app.settings.paths import demo_sample

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "voicing.npz"
RATE_HZ = 16_000
# Gains of the built-in sample and level of the hum below it, in dB.
SOUNDS = {"soft": (-24, -90), "normal": (0, -70), "hum": (-6, -50)}


def sound(name):
    gain_db, hum_db = SOUNDS[name]
    speech = np.tile(read_audio(demo_sample()), 2)
    t = np.arange(len(speech)) / RATE_HZ
    hum = sum(np.sin(2 * np.pi * 100 * k * t) / k for k in range(1, 6))
    return (speech * 10 ** (gain_db / 20) + hum * 10 ** (hum_db / 20)).astype(np.float32)


def curves(samples):
    """Openness and gain for every 10 ms."""
    openness = SpeechGate().feed(AudioBlock(0, 0, samples, did_restart=True))
    auto_gain, gains_db = AutoGain(), []
    for start in range(0, len(samples), BLOCK_SAMPLES):
        auto_gain.feed(samples[start : start + BLOCK_SAMPLES])
        gains_db.append(auto_gain.gain_db)
    return np.array(openness), np.array(gains_db)


@pytest.mark.parametrize("name", SOUNDS)
def test_gate_and_auto_gain_when_they_share_the_voicing_then_as_before(name):
    openness, gains_db = curves(sound(name))
    with np.load(GOLDEN) as golden:
        np.testing.assert_allclose(openness, golden[f"{name}_openness"], atol=1e-6)
        np.testing.assert_allclose(gains_db, golden[f"{name}_gain_db"], atol=1e-4)
    assert np.ptp(openness) == 1.0


def test_level_when_full_scale_half_scale_or_silent_then_in_db_of_full_scale():
    assert level_db(np.ones(160, np.float32)) == pytest.approx(0, abs=1e-6)
    assert level_db(np.full(160, 0.5, np.float32)) == pytest.approx(-6.02, abs=0.01)
    assert level_db(np.zeros(160, np.float32)) == level_db(np.zeros(0, np.float32)) == pytest.approx(-120)


def test_floor_when_level_falls_then_a_fifth_of_the_way_and_never_below_the_minimum():
    floor = NoiseFloor(-50.0, -70.0, -30.0, 0.02)
    floor.update(-60.0)
    assert floor.level_db == pytest.approx(-52)
    for _ in range(200):
        floor.update(-100.0)
    assert floor.level_db == pytest.approx(-70)


def test_floor_when_level_rises_then_slowly_and_never_above_the_maximum():
    floor = NoiseFloor(-50.0, -70.0, -30.0, 0.02)
    floor.update(-10.0)
    assert floor.level_db == pytest.approx(-49.98)
    for _ in range(2000):
        floor.update(-10.0)
    assert floor.level_db == -30.0
    endless = NoiseFloor(-1.0, -70.0, math.inf, 2.0)
    endless.update(0.0)
    assert endless.level_db == 1.0


@pytest.mark.parametrize(("hz", "low", "high"), [(80, 0.9, 1.01), (150, 0.95, 1.01), (390, 0.95, 1.01)])
def test_periodicity_when_tone_of_a_human_pitch_then_near_one(hz, low, high):
    t = np.arange(640) / RATE_HZ
    assert low < periodicity((0.1 * np.sin(2 * np.pi * hz * t)).astype(np.float32)) < high


def test_periodicity_when_noise_or_silence_then_low_or_zero():
    rng = np.random.default_rng(0)
    measured = [periodicity(rng.standard_normal(640).astype(np.float32)) for _ in range(50)]
    assert np.median(measured) < 0.4
    assert periodicity(np.zeros(640, np.float32)) == 0.0


def test_detector_when_fed_in_blocks_then_measures_the_newest_40_ms():
    rng, detector = np.random.default_rng(1), PitchDetector()
    samples = rng.standard_normal(5 * 640).astype(np.float32)
    for start in range(0, len(samples), BLOCK_SAMPLES):
        detector.feed(samples[start : start + BLOCK_SAMPLES])
    assert detector.periodicity() == periodicity(samples[-640:])
