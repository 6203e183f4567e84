"""The program with a real microphone that is disconnected and reconnected."""

import signal
import subprocess
import sys

import pytest

from avatar_app.settings.paths import demo_sample
from tests.device.child import Child, at
from tests.end2end.program import DEADLINE_S, REPO, Lines

pytestmark = pytest.mark.device


# Opens the default microphone and prints its status ten times a second.
RECORD = """
import json, sys, time
import numpy as np
from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.handoff import Ring
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.live.mic import open_mic, list_devices
clock, board, ring = MonotonicClock(), NoticeBoard(), Ring(1000)
names = [d.label for d in list_devices()]
mic = open_mic(next(n for n in names if n.startswith("default")), clock, board)
mic.start(ring)
while True:
    time.sleep(0.1)
    blocks = []
    while (block := ring.take()) is not None:
        blocks.append(block)
    now_ns = clock.now_ns()
    s = mic.status()
    ages_ms = [(now_ns - b.t_capture_ns) / 1e6 for b in blocks]
    print(json.dumps({"state": s.state.value, "level_db": s.level_db, "n_blocks": len(blocks), "rate_hz": s.rate_hz,
        "source": s.source,
        "newest_age_ms": min(ages_ms) if ages_ms else None, "notices": [n.text for n in board.current()]}), flush=True)
"""


@pytest.fixture
def recorder(pulse):
    child = Child(RECORD, pulse)
    yield child
    child.stop()


def test_mic_when_sound_is_played_then_level_rises_and_blocks_are_recent(pulse, recorder, tmp_path):
    recorder.wait_for(lambda line: line["n_blocks"] > 5)
    player = pulse.hum(tmp_path / "hum.wav", "speech")
    # The server first delivers its buffer, so blocks are old at first. Up to 100 ms of their age is the pause between
    # two lines of the child.
    line = recorder.wait_for(lambda each: each["level_db"] > -30 and each["n_blocks"] and each["newest_age_ms"] < 150)
    player.kill()
    player.wait()
    assert line["state"] == "running"


def test_mic_when_device_is_unplugged_and_back_then_blocks_continue(pulse, recorder, tmp_path):
    recorder.wait_for(lambda line: line["n_blocks"] > 5)
    pulse.unplug()
    lost = recorder.wait_for(lambda line: line["state"] == "lost")
    assert any("is disconnected" in text for text in lost["notices"])
    pulse.plug_in()
    player = pulse.hum(tmp_path / "hum.wav", "speech")
    recorder.wait_for(lambda line: line["state"] == "running" and line["level_db"] > -30)
    player.kill()
    player.wait()


def test_mic_when_device_is_unplugged_and_another_source_is_there_then_lost_and_never_switched(
    pulse, recorder, tmp_path
):
    pulse.add_sink("other")
    recorder.wait_for(lambda line: line["source"] == "speech.monitor")
    pulse.unplug("speech")
    # Left alone, the server would record from the other one for ever.
    lost = recorder.wait_for(lambda line: line["state"] == "lost")
    assert any("is disconnected" in text for text in lost["notices"])
    # Longer than the pause between two retries.
    assert {line["state"] for line in recorder.next(30)} == {"lost"}
    pulse.plug_in()
    pulse.control("set-default-source", "other.monitor")
    player = pulse.hum(tmp_path / "hum.wav", "speech")
    recorder.wait_for(lambda line: line["state"] == "running" and line["level_db"] > -30)
    player.kill()
    player.wait()


def test_program_when_the_microphone_captures_speech_then_the_avatar_talks(pulse, tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-m", "avatar_app", "--profile-dir", str(tmp_path / "profile"), "--json-log"],
        cwd=REPO, env=at(pulse), stderr=subprocess.PIPE, encoding="utf-8",
    )  # fmt: skip
    log, player = Lines(child.stderr), None
    try:
        log.wait_for(lambda line: line["message"].startswith("microphone "))
        player = pulse.speak(demo_sample(), again=True)
        log.wait_for(lambda line: line["message"] == "first talking picture")
        child.send_signal(signal.SIGTERM)
        assert child.wait(DEADLINE_S) == 0
    finally:
        child.kill()
        child.wait()
        if player is not None:
            player.kill()
            player.wait()
        log.close()
