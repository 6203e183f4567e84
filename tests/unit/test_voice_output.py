import threading

import numpy as np
import pytest

from avatar_app.contracts.clock import ManualClock
from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.handoff import Fan
from avatar_app.contracts.notices import Level, NoticeBoard
from avatar_app.contracts.packets import VoiceBlock
from avatar_app.contracts.units import ms_to_ns, s_to_ns
from avatar_app.live.audio.pulse_devices import monitor_of
from avatar_app.live.audio.sound_device import INPUT, OUTPUT
from avatar_app.live.audio.sound_system import SoundSystem
from avatar_app.live.voice import NO_VOICE, VoiceOutput, VoiceState, list_outputs, output
from tests.fakes.sounddevice import FakeSoundDevice, listed

LABEL = "Cable, ALSA"
RATE_HZ = 48_000
STEP_NS = ms_to_ns(10)


class Desk:
    """An output on a sound system that the test controls, and a microphone that counts."""

    def __init__(self, name: str = "Cable", delay_ms: float | None = 100.0, **options) -> None:
        self.library = FakeSoundDevice("Alpha", outputs=("Cable", "Speakers"), **options)
        self.clock = ManualClock(s_to_ns(1))
        self.notices = NoticeBoard()
        self.system = SoundSystem(self.library, self.clock)
        self.system._run_child = lambda command: listed("Alpha", outputs=("Speakers",))
        self.fan: Fan[VoiceBlock] = Fan()
        self.delay_ms = delay_ms
        self.latency_s = 0.02
        self._n_fed = self._n_settled = self._n_steps = 0
        self._stepped = threading.Condition()
        self.make_voice(name)

    def make_voice(self, name: str, **options) -> None:
        """A voice whose steps are counted."""
        self.voice = VoiceOutput(name, self.fan, self._delay_ns, self.clock, self.notices, self.system, **options)
        step, ring, stamps = self.voice._worker._step, self.voice._ring, self.voice._stamps

        def counted(stop: threading.Event) -> None:
            step(stop)
            with self._stepped:
                self._n_steps += 1
                if not len(ring) and not len(stamps):
                    self._n_settled = self._n_fed
                self._stepped.notify_all()

        self.voice._worker._step = counted

    def _delay_ns(self) -> float | None:
        return None if self.delay_ms is None else ms_to_ns(self.delay_ms)

    def run(self, n_steps: int, rate_hz: int = RATE_HZ, did_restart: bool = False) -> np.ndarray:
        """Run steps of 10 ms; returns what the output played."""
        played = []
        for _ in range(n_steps):
            self.clock.advance(STEP_NS)
            played.append(self.stream.ask(latency_s=self.latency_s))
            n = rate_hz // 100
            ramp = np.float32(self.clock.now_ns() / 1e9 - 0.01) + np.arange(n, dtype=np.float32) / rate_hz
            block = VoiceBlock(self.clock.now_ns() - STEP_NS, rate_hz, ramp / 100, did_restart=did_restart)
            did_restart = False
            with self._stepped:
                self._n_fed += 1
                self.fan.put(block)
                # The worker fills after it has taken all: another 60 ms of sound wait then.
                assert self._stepped.wait_for(lambda: self._n_settled == self._n_fed, 60)
        return np.concatenate(played)

    @property
    def stream(self):
        return self.library.streams[-1]

    def wait_for(self, is_so) -> None:
        """Wait until a condition holds after a step of the voice's thread."""
        with self._stepped:
            assert self._stepped.wait_for(is_so, 60)

    def wait_for_steps(self, n: int = 2) -> None:
        """Wait until the voice's thread has finished so many more steps."""
        with self._stepped:
            n_wanted = self._n_steps + n
            assert self._stepped.wait_for(lambda: self._n_steps >= n_wanted, 60)

    def late_ms(self, played: np.ndarray) -> float:
        """Time from the capture of the last sample to its output, 20 ms after the driver read it."""
        return 1000 * (self.clock.now_ns() / 1e9 + 0.02 + 0.01 - float(played[-1, 0]) * 100)


@pytest.fixture
def desk():
    made = Desk()
    yield made
    made.voice.stop()


def test_voice_when_sound_is_captured_then_played_with_the_delay_of_the_pictures(desk):
    desk.voice.start()
    assert desk.late_ms(desk.run(60)) == pytest.approx(100, abs=1)
    status = desk.voice.status()
    assert (status.state, status.device, status.rate_hz, status.n_channels) == (VoiceState.RUNNING, LABEL, RATE_HZ, 1)
    assert status.delay_ms == pytest.approx(100, abs=1)
    assert (status.n_restarts, status.n_lost) == (0, 0)


@pytest.mark.parametrize("n_channels", [2, 6])
def test_voice_when_output_has_several_channels_then_the_same_in_each(n_channels):
    desk = Desk(n_channels=n_channels)
    desk.voice.start()
    played = desk.run(40)
    desk.voice.stop()
    assert played.shape[1] == n_channels
    assert played[-1, 0] > 0
    assert (played == played[:, :1]).all()


@pytest.mark.parametrize("in_hz", [16_000, 44_100])
def test_voice_when_microphone_has_another_rate_or_changes_it_then_on_time(desk, in_hz):
    desk.voice.start()
    desk.run(40)
    assert desk.late_ms(desk.run(60, in_hz, did_restart=True)) == pytest.approx(100, abs=1)


def test_voice_when_output_has_another_rate_then_on_time():
    desk = Desk(rate_hz=44_100)
    desk.voice.start()
    played = desk.run(60)
    desk.voice.stop()
    assert desk.late_ms(played) == pytest.approx(100, abs=1)


def test_voice_when_delay_is_unknown_then_late_rather_than_early():
    desk = Desk(delay_ms=None)
    desk.voice.start()
    played = desk.run(60)
    desk.voice.stop()
    assert desk.late_ms(played) == pytest.approx(200, abs=1)


@pytest.mark.parametrize(("latency_s", "late_ms"), [(0.045, 75), (0, 110), (5.0, 110)])
def test_voice_when_output_is_slow_or_reports_no_time_then_its_latency_is_part_of_the_delay(desk, latency_s, late_ms):
    """`late_ms` takes 20 ms of latency: slower outputs get sound earlier; an unknown latency counts as 10 ms."""
    desk.latency_s = latency_s
    desk.voice.start()
    assert desk.late_ms(desk.run(60)) == pytest.approx(late_ms, abs=1)


def test_voice_when_name_is_empty_then_off_and_no_output_is_opened():
    desk = Desk(name="")
    desk.voice.start()
    assert (desk.voice.status().state, desk.voice.status().device) == (NO_VOICE.state, "")
    assert not desk.library.streams
    desk.voice.stop()


def test_start_when_output_is_unknown_then_error_and_nothing_runs():
    desk = Desk(name="Cabel, ALSA")
    with pytest.raises(OutputError, match="Cable, ALSA"):
        desk.voice.start()
    assert desk.voice.status().state is VoiceState.STOPPED
    desk.voice.stop()


def test_voice_when_unplugged_then_lost_with_a_notice_and_no_other_output(desk):
    desk.voice.start()
    desk.run(5)
    desk.library.unplug("Cable")
    desk.wait_for(lambda: desk.voice.status().state is VoiceState.LOST)
    notice = desk.notices.current()[0]
    assert LABEL in notice.text and "3 seconds" in notice.what_to_do
    desk.clock.advance(s_to_ns(3.1))
    desk.wait_for_steps()
    assert desk.voice.status().state is VoiceState.LOST
    assert [stream.name for stream in desk.library.streams] == ["Cable"]


def test_voice_when_plugged_in_again_then_plays_on_time(desk):
    desk.voice.start()
    desk.run(20)
    desk.library.unplug("Cable")
    desk.wait_for(lambda: desk.voice.status().state is VoiceState.LOST)
    desk.library.plugged.append("Cable")
    desk.clock.advance(s_to_ns(3.1))
    desk.wait_for(lambda: desk.voice.status().state is VoiceState.RUNNING)
    assert desk.late_ms(desk.run(60)) == pytest.approx(100, abs=1)
    assert desk.notices.current()[0].level is Level.INFO
    assert desk.voice.status().n_restarts == 1


def test_voice_when_stopped_while_the_driver_opens_it_again_then_closed_after_it_is_open(desk):
    begun, go_on = threading.Event(), threading.Event()
    desk.voice.start()
    desk.library.opening = lambda: (begun.set(), go_on.wait(30))
    desk.clock.advance(s_to_ns(4))
    desk.wait_for(lambda: desk.voice.status().state is VoiceState.LOST)
    desk.clock.advance(s_to_ns(3.1))
    assert begun.wait(30)
    desk.voice.stop()
    go_on.set()
    assert desk.voice._worker.join(30)
    assert len(desk.library.streams) == 2 and not any(stream.is_open for stream in desk.library.streams)
    assert desk.voice.status().state is VoiceState.STOPPED


def test_voice_when_driver_stops_reading_then_lost_and_reconnected(desk):
    desk.voice.start()
    desk.run(5)
    desk.clock.advance(s_to_ns(3.5))
    desk.wait_for(lambda: desk.voice.status().state is VoiceState.LOST)
    desk.clock.advance(s_to_ns(3.1))
    desk.wait_for(lambda: desk.voice.status().state is VoiceState.RUNNING)
    assert len(desk.library.streams) == 2


def test_voice_when_driver_has_repeated_underruns_then_larger_buffer(desk):
    desk.voice.start()
    for _ in range(130):
        desk.clock.advance(STEP_NS)
        desk.stream.ask(is_underflow=True)
        desk.wait_for_steps(1)
    desk.wait_for(lambda: len(desk.library.streams) == 2 and desk.stream.is_open)
    assert [stream.latency for stream in desk.library.streams] == ["low", "high"]
    assert not desk.notices.current()


def test_voice_when_interrupted_for_a_microphone_then_reopened_without_notice(desk):
    desk.voice.start()
    desk.run(5)
    desk.library.plugged.append("Gamma")
    desk.system._run_child = lambda command: listed("Alpha", "Gamma")
    assert desk.system.make_known(OUTPUT, "Speakers, ALSA") is False
    assert desk.system.make_known(INPUT, "Gamma, ALSA") is True
    desk.wait_for(lambda: len(desk.library.streams) == 2 and desk.stream.is_open)
    assert not desk.notices.current()


def test_voice_when_devices_are_much_slower_than_the_pictures_then_a_notice_reports_the_lateness(desk):
    desk.delay_ms = 0
    desk.voice.start()
    desk.run(40)
    desk.voice._player._required_ns = ms_to_ns(80)
    for second in range(14):
        desk.clock.advance(s_to_ns(1.1))
        desk.stream.ask()
        desk.wait_for_steps()
        # No notice in the first seconds: a microphone that was just opened is late.
        assert second > 5 or not desk.notices.current()
    assert any("80 ms after the picture" in notice.text for notice in desk.notices.current())


def test_stop_when_called_twice_then_fine_and_nothing_is_fed(desk):
    desk.voice.start()
    desk.run(5)
    desk.voice.stop()
    desk.voice.stop()
    assert desk.voice.status().state is VoiceState.STOPPED
    assert not any(stream.is_open for stream in desk.library.streams)
    assert not desk.notices.current()
    assert not desk.fan._rings


def test_outputs_when_there_is_no_sound_server_then_portaudios_alone(desk):
    assert [device.label for device in list_outputs(desk.system)] == [LABEL, "Speakers, ALSA"]


def test_voice_when_microphone_records_its_sink_then_paused_with_a_notice_until_it_no_longer_does(monkeypatch):
    desk = Desk()
    source = ["cable.monitor"]
    monkeypatch.setattr(output, "monitor_of", lambda label: "cable.monitor")
    desk.make_voice("Cable", mic_source=lambda: source[0])
    desk.voice.start()
    desk.clock.advance(s_to_ns(1.1))
    desk.wait_for(lambda: desk.voice.status().state is VoiceState.LOST)
    notice = desk.notices.current()[0]
    assert notice.level is Level.ERROR and "feedback" in notice.text and LABEL in notice.text
    assert desk.voice.status().is_feedback
    desk.clock.advance(s_to_ns(3.1))
    desk.wait_for_steps()
    assert desk.voice.status().state is VoiceState.LOST
    source[0] = "usb"
    desk.clock.advance(s_to_ns(3.1))
    desk.wait_for(lambda: desk.voice.status().state is VoiceState.RUNNING)
    desk.wait_for(lambda: "again" in desk.notices.current()[0].text)
    assert not desk.voice.status().is_feedback
    desk.voice.stop()


def test_monitor_when_output_is_a_sink_then_its_source_else_empty():
    assert monitor_of("cable, PulseAudio") == "cable.monitor"
    assert monitor_of("Cable, ALSA") == ""
