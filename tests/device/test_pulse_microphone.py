"""The program with a real microphone, and what it does when that is pulled out."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from avatar_app.settings.paths import demo_sample
from tests.end2end.program import REPO, environment

pytestmark = pytest.mark.device


class Listener:
    """A child that opens the default microphone and tells what it hears, a JSON line every tenth of a second."""

    CODE = """
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
        "newest_age_ms": min(ages_ms) if ages_ms else None, "notices": [n.text for n in board.current()]}), flush=True)
"""

    def __init__(self, variables) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-c", self.CODE], cwd=REPO, env=environment(**variables), stdout=subprocess.PIPE, text=True
        )
        self.lines: list[dict] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.child.stdout:
            self.lines.append(json.loads(line))

    def wait_for(self, is_so, timeout_s: float) -> dict:
        """The first line from now on for which something holds."""
        seen, t_limit_s = len(self.lines), time.monotonic() + timeout_s
        while time.monotonic() < t_limit_s:
            for line in self.lines[seen:]:
                if is_so(line):
                    return line
            time.sleep(0.05)
        raise AssertionError(f"not seen within {timeout_s} s; the last line: {self.lines[-1:]}")

    def stop(self) -> None:
        self.child.kill()
        self.child.wait(10)
        self._reader.join(10)
        self.child.stdout.close()


@pytest.fixture
def listener(pulse):
    listening = Listener({"XDG_RUNTIME_DIR": pulse.variables["XDG_RUNTIME_DIR"], "HOME": pulse.variables["HOME"]})
    yield listening
    listening.stop()


def test_mic_when_somebody_speaks_then_level_rises_and_blocks_are_fresh(pulse, listener):
    listener.wait_for(lambda line: line["n_blocks"] > 5, 20)
    player = pulse.speak(demo_sample())
    # The server hands over what it had gathered before it got going: blocks are old for the first second.
    heard = listener.wait_for(lambda line: line["level_db"] > -30 and line["newest_age_ms"] < 150, 10)
    time.sleep(1)
    player.kill()
    player.wait(5)
    assert heard["state"] == "running"
    ages_ms = [line["newest_age_ms"] for line in listener.lines[-5:] if line["n_blocks"]]
    # Up to 100 ms of it is this test's own waiting between two looks.
    assert max(ages_ms) < 200


def test_mic_when_device_is_unplugged_and_back_then_speaks_again_within_5_s(pulse, listener):
    listener.wait_for(lambda line: line["n_blocks"] > 5, 20)
    pulse.unplug()
    lost = listener.wait_for(lambda line: line["state"] == "lost", 8)
    assert any("is gone" in text for text in lost["notices"])
    pulse.plug_in()
    player = pulse.speak(demo_sample())
    listener.wait_for(lambda line: line["state"] == "running" and line["level_db"] > -30, 5)
    player.kill()
    player.wait(5)


def test_program_when_spoken_to_through_the_microphone_then_the_face_talks(pulse, tmp_path):
    variables = {"XDG_RUNTIME_DIR": pulse.variables["XDG_RUNTIME_DIR"], "HOME": pulse.variables["HOME"]}
    child = subprocess.Popen(
        [sys.executable, "-m", "avatar_app", "--profile-dir", str(tmp_path / "profile"), "--json-log"],
        cwd=REPO, env=environment(**variables), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(4)
    player = pulse.speak(demo_sample())
    time.sleep(5)
    player.kill()
    player.wait(5)
    child.send_signal(signal.SIGTERM)
    _, err = child.communicate(timeout=20)
    messages = [json.loads(line)["message"] for line in err.splitlines() if line.startswith("{")]
    assert child.returncode == 0, err
    assert any(message.startswith("microphone ") for message in messages), messages
    assert "first talking picture" in messages
    assert os.environ.get("HOME") != variables["HOME"]
