"""Recordings from a real sound server whose buffers make the driver's time stamps jump."""

import wave

import numpy as np
import pytest

from tests.device.child import Child
from tests.fakes.recording import probe, sound

pytestmark = pytest.mark.device

# Records six seconds of the default microphone with generated pictures, and prints the path.
RECORD = """
import json, sys
from pathlib import Path
from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.handoff import Fan, Latest, Ring
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.live.mic import list_devices, open_mic
from avatar_app.live.record import VOICE_BLOCKS, Recorder, RecordOptions
from tests.fakes.recording import picture_at
clock, board, voice, pictures = MonotonicClock(), NoticeBoard(), Fan(), Latest()
mic = open_mic(next(d.label for d in list_devices() if d.label.startswith("default")), clock, board)
mic.start(Ring(1000), voice)
received = voice.add(1000)
n_received = 0
t_limit_ns = clock.now_ns() + 30_000_000_000
while n_received < 48_000 and clock.now_ns() < t_limit_ns:  # PulseAudio may be silent for two seconds
    block = received.take(0.1)
    n_received += len(block.samples) if block is not None else 0
assert n_received >= 48_000
voice.remove(received)
recorder = Recorder(clock, board)
options = RecordOptions(Path(FOLDER), 25, encoder="software", keep_free_mb=0)
recorder.start(options, pictures, voice.add(VOICE_BLOCKS))
t_start_ns = clock.now_ns()
for k in range(150):
    clock.sleep_until(t_start_ns + (k + 1) * 40_000_000)
    pictures.put(picture_at(t_start_ns + k * 40_000_000, k, 40 + k % 100, (128, 128), t_ready_ns=clock.now_ns()))
recorder.finish()
status = recorder.stop()
mic.stop()
print(json.dumps({"path": str(status.path)}), flush=True)
"""


@pytest.fixture
def noise(tmp_path):
    """Two minutes of noise without a pause."""
    path = tmp_path / "noise.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(np.random.default_rng(0).normal(0, 3000, 120 * 48_000).astype("<i2").tobytes())
    return path


@pytest.mark.parametrize("latency_ms", [100, 500])
def test_recording_when_the_sound_server_buffers_then_sound_is_whole(pulse, tmp_path, noise, latency_ms):
    player = pulse.speak(noise)
    child = Child(RECORD.replace("FOLDER", repr(str(tmp_path)), 1), pulse, PULSE_LATENCY_MSEC=str(latency_ms))
    try:
        line = child.wait_for(lambda line: line["path"])
    finally:
        child.stop()
        player.kill()
        player.wait(5)
    streams, _ = probe(line["path"])
    assert float(streams["video"]["duration"]) > 5
    assert float(streams["audio"]["duration"]) == pytest.approx(float(streams["video"]["duration"]), abs=0.6)
    _, samples = sound(line["path"])
    pieces = np.array_split(samples[: 5 * 48_000], 50)
    n_silent = sum(np.abs(piece).max() < 1e-3 for piece in pieces)
    assert n_silent <= 2
