"""The synced voice through a real sound server: played to a null sink, and heard again from its monitor.

In a process of its own, because PortAudio reads where the server is only once.
"""

import json
import subprocess
import sys
import threading
import time

import pytest

from tests.end2end.program import REPO, environment

pytestmark = pytest.mark.device

CODE = """
import dataclasses, json, sys, time
from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.handoff import Fan, Ring
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.live.mic.device import DeviceMic
from avatar_app.live.mic.portaudio import PortAudio
from avatar_app.live.portaudio import SoundSystem
from avatar_app.live.voice import VoiceOutput, list_outputs
from avatar_app.live.voice.clapper import ClapListener, ClapMic, ClapPictures, clap_skew

system, clock, board, voice, heard = SoundSystem(), MonotonicClock(), NoticeBoard(), Fan(), Fan()
labels = [device.label for device in list_outputs(system)]
mic = ClapMic(voice, clock, board)
pictures = ClapPictures(mic, clock, board, delay_ms=120)
output = VoiceOutput("cable, PulseAudio", voice, pictures.delay_ns, clock, board, system)
ear = DeviceMic("default, ALSA", clock, board, 0.0, PortAudio(system=system))
listener, ring = ClapListener(), heard.add(1000)
ear.start(Ring(10), heard)
output.start()
mic.start()
pictures.start()

while True:
    time.sleep(0.25)
    listener.listen(ring)
    status = output.status()
    t_now_ns = clock.now_ns()
    skew = clap_skew([t for t in pictures.watcher.shown_ns], [t for t in listener.heard_ns])
    recent = [t for t in listener.heard_ns if t > t_now_ns - 2_500_000_000]
    print(json.dumps({
        "labels": labels, "state": status.state.value, "skew": dataclasses.asdict(skew), "n_heard_lately": len(recent),
        "last": [t for t in listener.heard_ns][-12:], "shown": [t for t in pictures.watcher.shown_ns][-40:],
        "delay_ms": status.delay_ms, "drift_ppm": status.drift_ppm, "n_restarts": status.n_restarts,
        "rate_hz": status.rate_hz, "n_channels": status.n_channels, "ear": ear.status().state.value,
        "notices": [notice.text for notice in board.current()],
    }), flush=True)
"""


class Clapping:
    """The child that claps, plays and listens; a JSON line four times a second."""

    def __init__(self, pulse) -> None:
        variables = {name: pulse.variables[name] for name in ("XDG_RUNTIME_DIR", "HOME")}
        self.child = subprocess.Popen(
            [sys.executable, "-c", CODE], cwd=REPO, env=environment(**variables), stdout=subprocess.PIPE, text=True
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
        while time.monotonic() < t_limit_s and self.child.poll() is None:
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
def clapping(pulse):
    pulse.add_sink("cable")
    pulse.add_sink("speakers")
    pulse.control("set-default-sink", "speakers")
    pulse.control("set-default-source", "cable.monitor")
    made = Clapping(pulse)
    yield made
    made.stop()


def skews_ms(line: dict) -> list[float]:
    """Of the last claps that were heard; positive when the sound came first."""
    return [(min(line["shown"], key=lambda t: abs(t - heard)) - heard) / 1e6 for heard in line["last"]]


def is_in_sync(line: dict) -> bool:
    """Most of the last claps within the limits; a busy machine may shift one or two."""
    within = [-45 <= skew_ms <= 15 for skew_ms in skews_ms(line)]
    return len(within) >= 8 and sum(within) >= 0.8 * len(within)


def is_on_cable(pulse) -> bool:
    """Whether the only stream plays to the cable."""
    sinks = {line.split("\t")[1]: line.split("\t")[0] for line in pulse.control("list", "short", "sinks").splitlines()}
    streams = [line.split("\t")[1] for line in pulse.control("list", "short", "sink-inputs").splitlines()]
    return streams == [sinks.get("cable")]


def test_voice_when_claps_are_played_to_a_sink_then_heard_there_with_their_pictures(pulse, clapping):
    line = clapping.wait_for(is_in_sync, 60)
    assert {"cable, PulseAudio", "speakers, PulseAudio"} <= set(line["labels"])
    assert (line["state"], line["rate_hz"], line["n_channels"]) == ("running", 48_000, 2)
    assert line["delay_ms"] > 120
    assert abs(line["drift_ppm"]) < 500
    assert line["n_restarts"] == 0
    assert is_on_cable(pulse)


def test_voice_when_its_sink_is_unloaded_and_back_then_silent_elsewhere_and_in_sync_again(pulse, clapping):
    clapping.wait_for(lambda line: line["n_heard_lately"] >= 2, 30)
    pulse.unplug("cable")
    # Left alone, the server would play to the speakers for ever; one look a second sees to it.
    lost = clapping.wait_for(lambda line: line["state"] == "lost", 4)
    assert any("cable, PulseAudio is gone" in text for text in lost["notices"])
    time.sleep(4)
    assert not pulse.control("list", "short", "sink-inputs").strip(), "the voice plays somewhere else"
    pulse.add_sink("cable")
    pulse.control("set-default-source", "cable.monitor")
    back = clapping.wait_for(lambda line: line["state"] == "running", 8)
    assert any("is back" in text for text in back["notices"])
    clapping.wait_for(lambda line: line["n_heard_lately"] >= 2, 20)
    clapping.wait_for(is_in_sync, 60)
    assert is_on_cable(pulse)
