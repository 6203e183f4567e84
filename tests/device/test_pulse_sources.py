"""Three microphones of a real sound server, each listed by its name and opened when selected."""

import numpy as np
import pytest

from avatar_app.live.audio.pulse_devices import is_server_label
from tests.device.child import Child

pytestmark = pytest.mark.device

DESCRIPTIONS = {"desk": "Desk microphone", "head": "Headset of Björn", "room": "Room microphone, USB"}
# Opens the microphone of each label on stdin, and prints its source and level.
RECORD = """
import json, sys
from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.handoff import Ring
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.gui.panel.catalogue import catalogue
from avatar_app.live.mic import list_devices, open_mic
from pathlib import Path
clock, board = MonotonicClock(), NoticeBoard()
def report(**facts): print(json.dumps(facts), flush=True)
shown = catalogue(list_devices, Path(), Path()).mics()
report(options=[(option.value, option.text) for option in shown])
for label in sys.stdin:
    label, ring = label.rstrip("\\n"), Ring(1000)
    mic = open_mic(label, clock, board)
    mic.start(ring)
    while mic.status().state.value == "running":
        block = ring.take(timeout_s=0.5)
        status = mic.status()
        levels = {"level_db": status.level_db, "peak_db": status.peak_db}
        report(label=label, device=status.device, source=status.source, **levels)
        if block is not None and status.peak_db > -30:
            break
    mic.stop()
"""


@pytest.fixture
def three(pulse):
    pulse.unplug()
    for name, description in DESCRIPTIONS.items():
        pulse.add_sink(name, description)
    return pulse


def test_sources_when_listed_then_texts_are_the_descriptions_of_the_server(three):
    child = Child(RECORD, three)
    try:
        options = child.wait_for(lambda line: "options" in line)["options"]
    finally:
        child.stop()
    texts = {text for value, text in options if is_server_label(value)}
    assert texts == {f"Monitor of {description}" for description in DESCRIPTIONS.values()}
    assert len({text for _, text in options}) == len(options)


@pytest.mark.parametrize("selected", DESCRIPTIONS)
def test_source_when_selected_then_recorded_from(three, tmp_path, selected):
    default = next(name for name in DESCRIPTIONS if name != selected)
    three.control("set-default-source", f"{default}.monitor")
    child, label = Child(RECORD, three), f"{selected}.monitor, PulseAudio"
    player = three.hum(tmp_path / "hum.wav", selected)
    try:
        child.say(label)
        found = child.wait_for(lambda line: line.get("peak_db", -120) > -30)
        outputs = three.control("list", "source-outputs") if found else ""
    finally:
        player.kill()
        player.wait()
        child.stop()
    assert found["source"] == f"{selected}.monitor"
    assert found["device"] == f"Monitor of {DESCRIPTIONS[selected]}"
    assert outputs.count("Source Output #") <= 1


def test_source_when_others_have_sound_then_silence(three, tmp_path):
    child = Child(RECORD, three)
    player = three.hum(tmp_path / "hum.wav", "desk")
    try:
        child.say("head.monitor, PulseAudio")
        child.wait_for(lambda line: "level_db" in line)
        lines = child.next(30)
    finally:
        player.kill()
        player.wait()
        child.stop()
    levels = [line["level_db"] for line in lines if "level_db" in line]
    assert len(levels) > 20 and np.max(levels) < -60
