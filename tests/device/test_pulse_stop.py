"""Stop closes the microphone, even right after the start."""

import os

import pytest

from tests.device import random_soak
from tests.device.child import Child

pytestmark = pytest.mark.device

# To run a hundred cycles: STOP_CYCLES=100 python3 packaging/test.py tests/device -k stop
N_CYCLES = int(os.environ.get("STOP_CYCLES", "12"))

# Starts and stops the live path after random times, and counts the recording streams of the server each time.
CYCLES = """
import json, random, subprocess, sys, tempfile, time
from pathlib import Path
from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.live.pipeline import LivePipeline
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings
def listeners():
    done = subprocess.run(["pactl", "list", "short", "source-outputs"], capture_output=True, text=True, check=True)
    return len(done.stdout.splitlines())
random.seed(18)
settings = Settings(mic="default, ALSA", model="nova-96", engine="onnxruntime-cpu", precision="fp32")
with tempfile.TemporaryDirectory() as folder:
    pipeline = LivePipeline(settings, ProfilePaths(Path(folder)), MonotonicClock(), NoticeBoard())
    for cycle in range(%d):
        pipeline.start()
        time.sleep(random.uniform(0, 1.5) if cycle %% 3 else random.uniform(0, 0.3))
        t_stop = time.monotonic()
        pipeline.stop()
        stop_ms = 1e3 * (time.monotonic() - t_stop)
        was_correct = pipeline.open_devices().has_mic or not listeners()
        while pipeline.open_devices().has_mic:
            time.sleep(0.005)
        print(json.dumps({"cycle": cycle, "stop_ms": stop_ms, "closed_ms": 1e3 * (time.monotonic() - t_stop),
            "was_correct": was_correct, "n_listeners": listeners()}), flush=True)
    time.sleep(2)
    print(json.dumps({"cycle": "end", "n_listeners": listeners(), "was_correct": True}), flush=True)
    pipeline.close()
"""


@pytest.mark.timeout(60 + 6 * N_CYCLES)
def test_stop_when_called_soon_after_the_start_then_no_microphone_is_open_and_none_opens_later(pulse):
    child = Child(CYCLES % N_CYCLES, pulse)
    try:
        lines = [child.lines.next() for _ in range(N_CYCLES + 1)]
    finally:
        child.stop()
    assert [line["cycle"] for line in lines if line["n_listeners"]] == []
    assert all(line["was_correct"] for line in lines)


@pytest.mark.timeout(240)
def test_program_when_everything_is_pressed_at_random_then_no_error_and_no_device_is_left_open(pulse):
    del pulse  # says whether there is a sound server here; the soak starts one of its own
    found = random_soak.run(minutes=0.4, seed=18, n_busy_loops=0)
    assert (found["code"], found["errors"], found["open_at_the_end"]) == (0, [], "")
    assert found["counts"].get("open while stopped", 0) == 0
    assert found["unfinished"] == [] and found["sound_differs"] == {}
