import numpy as np
import pytest

from avatar_app.contracts.packets import AudioBlock
from avatar_app.live.frame import SpeechGate

RATE_HZ = 16_000


def openness(samples: np.ndarray) -> np.ndarray:
    """Openness for every 10 ms."""
    return np.array(SpeechGate().feed(AudioBlock(0, 0, samples.astype(np.float32))))


def voice(duration_s: float, pitch_hz: float = 120.0, level: float = 0.1) -> np.ndarray:
    """A vowel: harmonics of a varying pitch, shaped by two formants."""
    t = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + 0.03 * np.sin(2 * np.pi * 5 * t))) / RATE_HZ
    gains = [
        (k, np.exp(-(((k * pitch_hz - 600) / 300) ** 2)) + 0.4 * np.exp(-(((k * pitch_hz - 1700) / 300) ** 2)))
        for k in range(1, 30)
    ]
    wave = sum((gain + 0.02) * np.sin(k * phase) for k, gain in gains)
    return level * wave / np.std(wave)


def room(duration_s: float, level: float = 0.001) -> np.ndarray:
    return level * np.random.default_rng(0).standard_normal(int(duration_s * RATE_HZ))


def spoken() -> np.ndarray:
    """A second of room noise, one of voice, one of room noise."""
    sound = room(3.0)
    sound[RATE_HZ : 2 * RATE_HZ] += voice(1.0)
    return sound


def test_gate_when_speech_begins_then_open_within_120_ms():
    opened = np.flatnonzero(openness(spoken())[100:] >= 1.0)
    assert opened[0] <= 12


def test_gate_when_speech_ends_then_closed_within_200_ms_and_gradually():
    closing = openness(spoken())[200:]
    assert closing[20:].max() == 0.0
    assert np.abs(np.diff(closing)).max() <= 0.15


@pytest.mark.parametrize("pitch_hz", [85.0, 120.0, 210.0, 300.0])
@pytest.mark.parametrize("level", [0.01, 0.3])
def test_gate_when_voice_is_low_high_soft_or_loud_then_open(pitch_hz, level):
    sound = room(2.0, 0.0005)
    sound[RATE_HZ:] += voice(1.0, pitch_hz, level)
    assert openness(sound)[130:].mean() > 0.9


@pytest.mark.parametrize(("above_db", "is_open"), [(7, False), (12, True)])
def test_gate_when_a_voice_is_little_or_well_above_the_noise_then_closed_or_open(above_db, is_open):
    """A voice in the next room is not the user: it must be 9 dB above the noise floor."""
    sound = room(4.0)
    sound[2 * RATE_HZ :] += voice(2.0, level=0.001 * np.sqrt(10 ** (above_db / 10) - 1))
    mean = openness(sound)[205:].mean()
    assert mean > 0.95 if is_open else mean < 0.02


def clicks(rng: np.random.Generator) -> np.ndarray:
    """Key clicks: bursts of 8 ms that ring."""
    sound = room(10.0)
    for start in rng.integers(RATE_HZ // 2, 9 * RATE_HZ, 60):
        t = np.arange(int(0.02 * RATE_HZ)) / RATE_HZ
        ring = np.sin(2 * np.pi * rng.uniform(1500, 5000) * t) + rng.standard_normal(len(t))
        sound[start : start + len(t)] += 0.3 * ring * np.exp(-t / 0.004)
    return sound


def breath(rng: np.random.Generator) -> np.ndarray:
    """Breath: noise that rises and falls, brighter than a voice."""
    t = np.arange(10 * RATE_HZ) / RATE_HZ
    air = np.diff(rng.standard_normal(len(t) + 1)) + 0.5 * rng.standard_normal(len(t))
    return 0.02 * air * np.clip(np.sin(2 * np.pi * t / 3), 0, 1) + room(10.0)


def hum(rng: np.random.Generator) -> np.ndarray:
    t = np.arange(10 * RATE_HZ) / RATE_HZ
    return 0.05 * sum(np.sin(2 * np.pi * 50 * k * t + rng.uniform(0, 6)) / k for k in range(1, 8)) + room(10.0)


@pytest.mark.parametrize("make", [clicks, breath, hum, lambda rng: 0.1 * rng.standard_normal(160_000)])
def test_gate_when_sound_is_not_speech_then_closed(make):
    assert openness(make(np.random.default_rng(1)))[50:].mean() < 0.02


def test_gate_when_silent_then_closed():
    assert not openness(np.zeros(RATE_HZ)).any()


def test_gate_when_sound_comes_in_blocks_of_any_size_then_the_same():
    sound = spoken().astype(np.float32)
    gate, answers = SpeechGate(), []
    for k in range(0, len(sound), 230):
        answers += gate.feed(AudioBlock(0, k, sound[k : k + 230]))
    assert np.array_equal(answers, openness(sound))


def test_gate_when_stream_restarts_then_reset():
    gate = SpeechGate()
    gate.feed(AudioBlock(0, 0, voice(1.0).astype(np.float32)))
    assert gate.openness == 1.0
    assert gate.feed(AudioBlock(0, 0, np.zeros(160, np.float32), did_restart=True)) == [0.0]
