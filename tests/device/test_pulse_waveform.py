"""The microphone delivers the waveform that a real sound server plays, with correct time stamps."""

import sys
import time

import numpy as np
import pytest
import soundfile

from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.handoff import Ring
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import LIVE_RATE_HZ
from avatar_app.live.mic.audio_file import read_audio
from avatar_app.settings.paths import demo_sample

pytestmark = pytest.mark.device
# PortAudio reads the ALSA configuration again when this path changes.
ALSA_CONFIG = "</usr/share/alsa/alsa.conf>\npcm.!default { type pulse }\nctl.!default { type pulse }\n"


@pytest.fixture
def mic(pulse, tmp_path, monkeypatch):
    pytest.importorskip("sounddevice", reason="PortAudio is missing", exc_type=OSError)
    from avatar_app.live.mic.device import DeviceMic
    from avatar_app.live.mic.stream import Microphones

    (tmp_path / "alsa.conf").write_text(ALSA_CONFIG)
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "alsa.conf"))
    monkeypatch.setenv("PULSE_SERVER", f"unix:{pulse.variables['XDG_RUNTIME_DIR']}/pulse/native")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(pulse.home / ".config"))
    monkeypatch.setenv("HOME", str(pulse.home))
    made = DeviceMic("default, ALSA", MonotonicClock(), NoticeBoard(), None, Microphones())
    yield made
    made.stop()


def record(ring: Ring, seconds: float) -> list:
    """Blocks of some seconds of sound."""
    blocks = []
    while len(blocks) < 100 * seconds:
        block = ring.take(timeout_s=60)
        assert block is not None
        blocks.append(block)
    return blocks


def similarity(recorded: np.ndarray, spoken: np.ndarray) -> float:
    """Highest normalised correlation of `spoken` with any section of `recorded`."""
    n = len(recorded) + len(spoken)
    product = np.fft.irfft(np.fft.rfft(recorded, n) * np.conj(np.fft.rfft(spoken, n)), n)[: len(recorded) - len(spoken)]
    best = int(np.argmax(product))
    there = recorded[best : best + len(spoken)]
    return float(product[best] / (np.linalg.norm(there) * np.linalg.norm(spoken) + 1e-9))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PulseAudio is Linux's")
def test_mic_when_speech_is_played_then_the_same_waveform_without_gaps(pulse, mic):
    ring = Ring(4000)
    mic.start(ring)
    record(ring, 2.5)
    speaking = pulse.speak(demo_sample())
    blocks = record(ring, 4.5)
    speaking.kill()
    speaking.wait(10)
    sound = np.concatenate([block.samples for block in blocks])
    assert similarity(sound, read_audio(demo_sample())[: 3 * LIVE_RATE_HZ]) > 0.98
    assert [block.index - blocks[0].index for block in blocks] == [160 * k for k in range(len(blocks))]
    assert blocks[-1].t_capture_ns <= time.monotonic_ns()
    spacing_ns = np.diff([block.t_capture_ns for block in blocks])
    # The server may shift its clock when a player connects: one jump, which the time stamps follow.
    assert (np.abs(spacing_ns - 10_000_000) > 5_000_000).sum() <= 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PulseAudio is Linux's")
def test_mic_when_its_two_channels_are_inverted_then_the_speech_at_its_original_level(pulse, mic, tmp_path):
    spoken = read_audio(demo_sample())
    soundfile.write(tmp_path / "inverted.wav", np.stack((spoken, -spoken), axis=1), LIVE_RATE_HZ)
    ring = Ring(4000)
    mic.start(ring)
    record(ring, 2.5)
    speaking = pulse.speak(tmp_path / "inverted.wav")
    recorded = np.concatenate([block.samples for block in record(ring, 4.5)])
    speaking.kill()
    speaking.wait(10)
    assert mic.status().n_channels == 2
    # Either polarity is correct.
    assert max(similarity(sign * recorded, spoken[: 3 * LIVE_RATE_HZ]) for sign in (1, -1)) > 0.98
    assert np.abs(recorded).max() > 0.7 * np.abs(spoken[: 3 * LIVE_RATE_HZ]).max()
