"""What the sound server says, and what the microphone makes of it."""

import os
import time

import numpy as np
import pytest

from avatar_app.contracts.clock import ManualClock
from avatar_app.contracts.handoff import Ring
from avatar_app.contracts.notices import Level, NoticeBoard
from avatar_app.contracts.units import s_to_ns
from avatar_app.live import pulse
from avatar_app.live.mic import MicState, source
from avatar_app.live.mic.device import DeviceMic
from avatar_app.live.mic.portaudio import PortAudio
from avatar_app.live.mic.source import watch_of
from avatar_app.live.pulse import sources_of
from tests.fakes.sounddevice import FakeSoundDevice

USB, CABLE = "alsa_input.usb", "cable.monitor"


def listing(*sources: str, heard: str = "", process_id: int = 0) -> str:
    """What `pactl list` says of these sources when a process hears one of them."""
    lines = ["Module #0", "\tName: module-native-protocol-unix", ""]
    for number, name in enumerate(sources):
        lines += [f"Source #{number}", "\tState: RUNNING", f"\tName: {name}", f"\tDescription: The {name}"]
        lines += ["\tProperties:", '\t\tdevice.description = "x"', ""]
    if heard:
        lines += ["Source Output #7", "\tDriver: protocol-native.c", "\tClient: 9"]
        lines += [f"\tSource: {sources.index(heard)}", "\tProperties:"]
        lines += [f'\t\tapplication.process.id = "{process_id or os.getpid()}"', ""]
    return "\n".join(lines)


class Server:
    """Answers as `pactl` does."""

    def __init__(self, monkeypatch) -> None:
        self.says = ""
        self.n_asked = 0
        monkeypatch.setattr(source, "Question", lambda *words: self)
        monkeypatch.setattr(source, "has_tool", lambda: True)

    def ask(self) -> None:
        self.n_asked += 1

    def answer(self) -> str | None:
        return self.says

    def close(self) -> None:
        pass


class Desk:
    """A microphone that is a door to the server."""

    def __init__(self) -> None:
        self.library = FakeSoundDevice("pulse")
        self.clock, self.notices = ManualClock(s_to_ns(1)), NoticeBoard()
        self.mic = DeviceMic("", self.clock, self.notices, None, PortAudio(self.library))
        self.opened_with: list[str | None] = []
        make = self.library.InputStream
        self.library.InputStream = lambda **options: self._note(make(**options))
        self.mic.start(Ring(10))

    def _note(self, stream):
        self.opened_with.append(os.environ.get("PULSE_SOURCE"))
        return stream

    def speak_until(self, is_so) -> None:
        """Sound comes, a second passes with every look, until something holds."""
        for _ in range(60):
            if is_so():
                return
            self.library.streams[-1].speak(np.full((480, 1), 0.1))
            self.clock.advance(s_to_ns(0.3))
            time.sleep(0.02)
        assert is_so()


@pytest.fixture
def server(monkeypatch):
    return Server(monkeypatch)


@pytest.fixture
def desk(server):
    server.says = listing(USB, CABLE, heard=USB)
    made = Desk()
    made.speak_until(lambda: made.mic.status().source == USB)
    yield made
    made.mic.stop()


def test_sources_when_listed_then_names_and_what_this_process_hears():
    found = sources_of(listing(USB, CABLE, heard=CABLE, process_id=42), 42)
    assert (found.own, dict(found.descriptions)) == (CABLE, {USB: f"The {USB}", CABLE: f"The {CABLE}"})
    assert sources_of(listing(USB, heard=USB, process_id=42), 43).own == ""
    assert sources_of("", 42).own == sources_of("rubbish\n\tSource: 7\n", 42).own == ""


def test_watch_when_two_sources_are_shown_alike_then_told_apart_by_name(server):
    watch = watch_of("pulse", "ALSA")
    server.says = listing(USB, CABLE, heard=USB).replace(f"The {CABLE}", f"The {USB}")
    watch.look(s_to_ns(1), is_open=True)
    assert watch.description == f"The {USB} ({USB})"


def test_sources_when_a_process_hears_two_then_none_is_its_own():
    two = listing(USB, CABLE, heard=USB) + "\n" + listing(USB, CABLE, heard=CABLE)
    assert sources_of(two, os.getpid()).own == ""


def test_mic_when_server_goes_on_with_another_source_then_lost_and_named_and_the_same_one_when_it_is_back(desk, server):
    server.says = listing(CABLE, heard=CABLE)
    desk.speak_until(lambda: desk.mic.status().state is MicState.LOST)
    notice = desk.notices.current()[0]
    assert f"The {USB} is gone" in notice.text and "F5" in notice.what_to_do
    server.says = listing(CABLE)
    desk.clock.advance(s_to_ns(5))
    time.sleep(0.1)
    assert (desk.mic.status().state, desk.mic.status().source) == (MicState.LOST, "")
    server.says = listing(CABLE, USB)
    desk.clock.advance(s_to_ns(1.1))
    desk.speak_until(lambda: desk.mic.status().state is MicState.RUNNING)
    assert desk.opened_with[-1] == USB
    assert "PULSE_SOURCE" not in os.environ
    assert desk.notices.current()[0].text == f"The microphone The {USB} is back."


def test_mic_when_user_chooses_another_source_elsewhere_then_told_and_taken(desk, server):
    server.says = listing(USB, CABLE, heard=CABLE)
    desk.speak_until(lambda: desk.mic.status().source == CABLE)
    assert desk.mic.status().state is MicState.RUNNING
    notice = desk.notices.current()[0]
    assert (notice.level, notice.text) == (Level.INFO, f"The microphone is now The {CABLE}.")


def test_mic_when_server_does_not_answer_then_nothing_changes(desk, server):
    server.says = ""
    n_asked = server.n_asked
    desk.speak_until(lambda: server.n_asked > n_asked + 2)
    assert (desk.mic.status().state, desk.mic.status().source) == (MicState.RUNNING, USB)
    assert not desk.notices.current()


@pytest.mark.parametrize(("name", "host_api"), [("USB Microphone", "ALSA"), ("default", "Core Audio")])
def test_watch_when_microphone_is_no_door_to_a_server_then_none(server, name, host_api):
    assert watch_of(name, host_api) is None
    assert watch_of("pulse", "ALSA") is not None


def test_question_when_tool_fails_or_is_missing_then_no_answer_and_no_error(monkeypatch):
    monkeypatch.setattr(pulse, "TOOL", "no-such-program")
    question = pulse.Question("list")
    question.ask()
    assert question.answer() is None
    assert pulse.ask("list") == ""
    question.close()
    question.close()
