"""Parsing the output of `pactl`, and how the microphone uses it."""

import os
import sys
import threading
import time

import numpy as np
import pytest

from avatar_app.contracts.clock import ManualClock
from avatar_app.contracts.errors import AudioInputError
from avatar_app.contracts.handoff import Ring
from avatar_app.contracts.notices import Level, NoticeBoard
from avatar_app.contracts.units import s_to_ns
from avatar_app.live.audio import pulse
from avatar_app.live.audio.pulse import devices_of, sources_of
from avatar_app.live.mic import MicState
from avatar_app.live.mic import source_watch as source
from avatar_app.live.mic.device import DeviceMic
from avatar_app.live.mic.source_watch import watch_of
from avatar_app.live.mic.stream import Microphones
from tests.fakes.sounddevice import FakeSoundDevice

USB, CABLE = "alsa_input.usb", "cable.monitor"


def listing(*sources: str, recorded: str = "", process_id: int = 0) -> str:
    """The output of `pactl list` for some sources while a process records from one of them."""
    lines = ["Module #0", "\tName: module-native-protocol-unix", ""]
    for number, name in enumerate(sources):
        lines += [f"Source #{number}", "\tState: RUNNING", f"\tName: {name}", f"\tDescription: The {name}"]
        lines += ["\tProperties:", '\t\tdevice.description = "x"', ""]
    if recorded:
        lines += ["Source Output #7", "\tDriver: protocol-native.c", "\tClient: 9"]
        lines += [f"\tSource: {sources.index(recorded)}", "\tProperties:"]
        lines += [f'\t\tapplication.process.id = "{process_id or os.getpid()}"', ""]
    return "\n".join(lines)


class Server:
    """Stands in for a query of `pactl`."""

    def __init__(self, monkeypatch) -> None:
        self.output = ""
        self.n_started = self.n_polled = 0
        self._polled = threading.Condition()
        monkeypatch.setattr(source, "Query", lambda *arguments: self)
        monkeypatch.setattr(source, "has_tool", lambda: True)

    def start(self) -> None:
        self.n_started += 1

    def result(self) -> str | None:
        """Each poll of the microphone calls this."""
        with self._polled:
            self.n_polled += 1
            self._polled.notify_all()
        return self.output

    def wait_for_poll(self, n_more: int = 2) -> None:
        """Wait until the microphone has polled so many times, and so has used the current output."""
        with self._polled:
            n_wanted = self.n_polled + n_more
            assert self._polled.wait_for(lambda: self.n_polled >= n_wanted, 60)

    def close(self) -> None:
        pass


class Desk:
    """A microphone that leads to the server."""

    def __init__(self, server) -> None:
        self.server = server
        self.library = FakeSoundDevice("pulse")
        self.clock, self.notices = ManualClock(s_to_ns(1)), NoticeBoard()
        self.mic = DeviceMic("", self.clock, self.notices, None, Microphones(self.library))
        self.opened_with: list[str | None] = []
        make = self.library.InputStream
        self.library.InputStream = lambda **options: self._note(make(**options))
        self.mic.start(Ring(10))

    def _note(self, stream):
        self.opened_with.append(os.environ.get("PULSE_SOURCE"))
        return stream

    def deliver_until(self, is_so) -> None:
        """Deliver sound, and advance the clock with every poll of the server, until a condition holds."""
        t_limit_s = time.monotonic() + 60
        while not is_so():
            assert time.monotonic() < t_limit_s
            self.library.streams[-1].speak(np.full((480, 1), 0.1))
            self.clock.advance(s_to_ns(0.3))
            self.server.wait_for_poll()


SOURCES = """Source #1
\tState: SUSPENDED
\tName: out.monitor
\tDescription: Monitor of Loudspeakers
\tSample Specification: s16le 2ch 44100Hz
\tMonitor of Sink: out
\tProperties:
\t\tdevice.description = "Name: not this"

Source #2
\tName: alsa_input.usb
\tDescription: Blue Yeti: desk, Analogue Stereo
\tSample Specification: s24le 2ch 48000Hz
\tMonitor of Sink: n/a
\tProperties:
\t\tName: nor this

Source #3
\tName: alsa_input.headset
\tDescription: Blue Yeti: desk, Analogue Stereo
\tSample Specification: s16le 1ch 16000Hz
\tMonitor of Sink: n/a

Source #4
\tName: broken
\tSample Specification: what?
"""


@pytest.fixture
def listed(monkeypatch):
    """A server with two microphones of one description, and the monitor of a sink."""
    output = [SOURCES]
    monkeypatch.setattr(pulse, "query", lambda *arguments: output[0])
    monkeypatch.setattr(pulse, "has_tool", lambda: True)
    return output


def test_devices_of_when_sources_then_microphones_first_with_their_attributes():
    yeti = "Blue Yeti: desk, Analogue Stereo"
    found = devices_of(SOURCES, "Source")
    assert [(each.name, each.description, each.n_channels, each.rate_hz) for each in found] == [
        ("alsa_input.usb", f"{yeti} (alsa_input.usb)", 2, 48_000),
        ("alsa_input.headset", f"{yeti} (alsa_input.headset)", 1, 16_000),
        ("out.monitor", "Monitor of Loudspeakers", 2, 44_100),
    ]
    assert devices_of("", "Source") == devices_of("rubbish", "Source") == devices_of(SOURCES, "Sink") == ()


def test_devices_of_when_a_description_has_a_line_break_then_the_device_is_there():
    listing = SOURCES.replace("Monitor of Loudspeakers", "Monitor of\nLoudspeakers")
    assert "out.monitor" in [each.name for each in devices_of(listing, "Source")]


def test_devices_of_when_sinks_then_in_the_order_of_the_server():
    listing = SOURCES.replace("Source #", "Sink #").replace("Monitor of Sink", "Monitor Source")
    assert [each.label for each in devices_of(listing, "Sink")] == [
        "out.monitor, PulseAudio", "alsa_input.usb, PulseAudio", "alsa_input.headset, PulseAudio",
    ]  # fmt: skip


def test_microphones_when_the_server_has_some_then_titles_are_its_unique_descriptions(listed):
    titles = {device.label: device.title for device in Microphones(FakeSoundDevice("pulse", "Alpha")).devices()}
    assert titles == {
        "alsa_input.usb, PulseAudio": "Blue Yeti: desk, Analogue Stereo (alsa_input.usb)",
        "alsa_input.headset, PulseAudio": "Blue Yeti: desk, Analogue Stereo (alsa_input.headset)",
        "out.monitor, PulseAudio": "Monitor of Loudspeakers",
        "pulse, ALSA": "pulse, ALSA",
        "Alpha, ALSA": "Alpha, ALSA",
    }


def test_microphones_when_portaudio_cannot_reach_the_server_then_none_of_its(listed):
    assert [device.label for device in Microphones(FakeSoundDevice("Alpha")).devices()] == ["Alpha, ALSA"]


def test_microphone_when_it_is_a_source_then_opened_with_its_rate_and_channels(listed, server):
    library, opened_with = FakeSoundDevice("pulse"), []
    make = library.InputStream

    def note(**options):
        opened_with.append((os.environ.get("PULSE_SOURCE"), options["samplerate"], options["channels"]))
        return make(**options)

    library.InputStream = note
    mic = DeviceMic("alsa_input.headset, PulseAudio", ManualClock(s_to_ns(1)), NoticeBoard(), 0.0, Microphones(library))
    mic.start(Ring(10))
    try:
        assert opened_with == [("alsa_input.headset", 16_000, 1)]
        assert mic.status().source == "alsa_input.headset"
        assert mic.status().device == "Blue Yeti: desk, Analogue Stereo (alsa_input.headset)"
        assert "PULSE_SOURCE" not in os.environ
    finally:
        mic.stop()


def test_microphone_when_its_source_is_missing_then_error_names_the_others(listed):
    with pytest.raises(AudioInputError, match="no microphone named") as raised:
        Microphones(FakeSoundDevice("pulse")).check("gone, PulseAudio")
    assert "alsa_input.usb, PulseAudio" in raised.value.what_to_do
    Microphones(FakeSoundDevice("pulse")).check("alsa_input.usb, PulseAudio")


def test_microphone_when_the_server_has_none_then_error_advises_another(listed):
    listed[0] = ""
    with pytest.raises(AudioInputError, match="Connect it, or choose another microphone"):
        Microphones(FakeSoundDevice("pulse")).check("gone, PulseAudio")


@pytest.fixture
def server(monkeypatch):
    return Server(monkeypatch)


@pytest.fixture
def desk(server):
    server.output = listing(USB, CABLE, recorded=USB)
    made = Desk(server)
    made.deliver_until(lambda: made.mic.status().source == USB)
    yield made
    made.mic.stop()


def test_sources_when_listed_then_names_and_the_one_that_a_process_records_from():
    found = sources_of(listing(USB, CABLE, recorded=CABLE, process_id=42), 42)
    assert (found.own, dict(found.descriptions)) == (CABLE, {USB: f"The {USB}", CABLE: f"The {CABLE}"})
    assert sources_of(listing(USB, recorded=USB, process_id=42), 43).own == ""
    assert sources_of("", 42).own == sources_of("rubbish\n\tSource: 7\n", 42).own == ""


def test_watch_when_two_sources_have_one_description_then_name_is_added(server):
    watch = watch_of("pulse", "ALSA")
    server.output = listing(USB, CABLE, recorded=USB).replace(f"The {CABLE}", f"The {USB}")
    watch.poll(s_to_ns(1), is_open=True)
    assert watch.description == f"The {USB} ({USB})"


def test_sources_when_a_process_records_from_two_then_none_is_its_own():
    two = listing(USB, CABLE, recorded=USB) + "\n" + listing(USB, CABLE, recorded=CABLE)
    assert sources_of(two, os.getpid()).own == ""


def test_mic_when_server_switches_to_another_source_then_lost_until_its_own_is_back(desk, server):
    server.output = listing(CABLE, recorded=CABLE)
    desk.deliver_until(lambda: desk.mic.status().state is MicState.LOST)
    notice = desk.notices.current()[0]
    assert f"The {USB} is disconnected" in notice.text and "F5" in notice.what_to_do
    server.output = listing(CABLE)
    desk.clock.advance(s_to_ns(5))
    server.wait_for_poll()
    assert (desk.mic.status().state, desk.mic.status().source) == (MicState.LOST, "")
    server.output = listing(CABLE, USB)
    desk.clock.advance(s_to_ns(1.1))
    desk.deliver_until(lambda: desk.mic.status().state is MicState.RUNNING)
    assert desk.opened_with[-1] == USB
    assert "PULSE_SOURCE" not in os.environ
    assert desk.notices.current()[0].text == f"The microphone The {USB} is connected again."


def test_mic_when_another_program_selects_another_source_then_reported_and_used(desk, server):
    server.output = listing(USB, CABLE, recorded=CABLE)
    desk.deliver_until(lambda: desk.mic.status().source == CABLE)
    assert desk.mic.status().state is MicState.RUNNING
    notice = desk.notices.current()[0]
    assert (notice.level, notice.text) == (Level.INFO, f"The microphone is now The {CABLE}.")


def test_mic_when_server_does_not_answer_then_nothing_changes(desk, server):
    server.output = ""
    n_started = server.n_started
    desk.deliver_until(lambda: server.n_started > n_started + 2)
    assert (desk.mic.status().state, desk.mic.status().source) == (MicState.RUNNING, USB)
    assert not desk.notices.current()


@pytest.mark.parametrize(("name", "host_api"), [("USB Microphone", "ALSA"), ("default", "Core Audio")])
def test_watch_when_microphone_does_not_lead_to_a_server_then_none(server, name, host_api):
    assert watch_of(name, host_api) is None
    assert watch_of("pulse", "ALSA") is not None


def test_query_when_the_output_is_longer_than_a_pipe_holds_then_complete(monkeypatch):
    monkeypatch.setattr(pulse, "TOOL", sys.executable)
    query = pulse.Query("-c", "print('x' * 300_000)")
    query.start()
    query._process.wait(60)
    assert query.result() == "x" * 300_000 + "\n"


def test_query_when_tool_is_missing_then_no_result_and_no_error(monkeypatch):
    monkeypatch.setattr(pulse, "TOOL", "no-such-program")
    query = pulse.Query("list")
    query.start()
    assert query.result() is None
    assert pulse.query("list") == ""
    query.close()
    query.close()
