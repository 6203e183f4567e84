import sys
import threading
import time

import numpy as np
import pytest

from avatar_app.contracts.clock import ManualClock
from avatar_app.contracts.errors import AudioInputError, MissingExtraError
from avatar_app.contracts.handoff import Ring
from avatar_app.contracts.notices import Level, NoticeBoard
from avatar_app.contracts.units import s_to_ns
from avatar_app.live.mic import Cleaning, MicControls, MicState
from avatar_app.live.mic.device import DeviceMic
from avatar_app.live.mic.stream import Microphones
from tests.fakes.sounddevice import FakeSoundDevice, listed

LABEL = "Alpha, ALSA"


class Desk:
    """A microphone on a sound system that the test controls."""

    def __init__(self, name: str = "", **options) -> None:
        self.system = FakeSoundDevice("Alpha", "Beta", **options)
        self.clock = ManualClock(s_to_ns(1))
        self.notices = NoticeBoard()
        self.microphones = Microphones(self.system)
        self.controls = MicControls()
        self.mic = DeviceMic(name, self.clock, self.notices, self.controls, self.microphones)
        self.ring = Ring(1000)
        self._steps = threading.Semaphore(0)
        self._count_steps()

    def deliver(self, value: float = 0.5, n_pieces: int = 20, **options) -> None:
        stream = self.system.streams[-1]
        for _ in range(n_pieces):
            stream.speak(np.full((stream.rate_hz // 100, stream.n_channels), value), **options)

    def deliver_in_real_time(self, n_pieces: int, **options) -> None:
        """Deliver pieces, and advance the clock by their 10 ms after each."""
        for _ in range(n_pieces):
            self.deliver(n_pieces=1, **options)
            self.clock.advance(s_to_ns(0.01))

    def take(self) -> list:
        blocks = []
        while (block := self.ring.take(timeout_s=30 if not blocks else 0.05)) is not None:
            blocks.append(block)
        return blocks

    def wait_for(self, is_so) -> None:
        t_limit_s = time.monotonic() + 30
        while not is_so() and time.monotonic() < t_limit_s:
            self.wait_for_step()
        assert is_so()

    def pass_time(self, seconds: float) -> None:
        """Advance the clock in steps that the microphone's thread follows."""
        for _ in range(round(seconds / 0.5)):
            self.clock.advance(s_to_ns(0.5))
            self.wait_for_step()

    def wait_for_step(self) -> None:
        """Wait until the microphone's thread has started and finished a step."""
        while self._steps.acquire(blocking=False):
            pass
        for _ in range(2):
            assert self._steps.acquire(timeout=30)

    def _count_steps(self) -> None:
        step = self.mic._worker._step

        def counted(stop) -> None:
            step(stop)
            self._steps.release()

        self.mic._worker._step = counted


@pytest.fixture
def desk():
    made = Desk()
    yield made
    made.mic.stop()


def test_mic_when_sound_is_delivered_then_blocks_arrive_and_status_names_the_device(desk):
    desk.mic.start(desk.ring)
    desk.deliver()
    blocks = desk.take()
    assert len(blocks) >= 15
    assert np.allclose(blocks[10].samples, 0.5, atol=0.01)
    status = desk.mic.status()
    assert (status.state, status.device, status.rate_hz, status.n_channels) == (MicState.RUNNING, LABEL, 48_000, 1)
    assert status.level_db == pytest.approx(-6, abs=0.5)


def test_mic_when_driver_reports_adc_time_then_blocks_have_it(desk):
    desk.mic.start(desk.ring)
    desk.deliver_in_real_time(n_pieces=2, age_s=0.035)
    assert desk.take()[0].t_capture_ns == pytest.approx(s_to_ns(1) - 35_000_000, abs=400_000)


def test_mic_when_driver_reports_no_time_then_newest_sample_is_now(desk):
    desk.mic.start(desk.ring)
    desk.deliver_in_real_time(n_pieces=2, age_s=0)
    assert desk.take()[0].t_capture_ns == pytest.approx(s_to_ns(1) - 10_000_000, abs=400_000)


def test_mic_when_unplugged_then_lost_and_notice_names_it_and_no_other_device_is_opened(desk):
    desk.mic.start(desk.ring)
    desk.system.unplug("Alpha")
    desk.wait_for(lambda: desk.mic.status().state is MicState.LOST)
    notice = desk.notices.current()[0]
    assert LABEL in notice.text and "3 seconds" in notice.what_to_do
    n_starts = desk.system.n_starts
    desk.clock.advance(s_to_ns(3.1))
    desk.wait_for(lambda: desk.system.n_starts > n_starts)
    desk.wait_for_step()
    assert desk.mic.status().state is MicState.LOST
    assert [stream.name for stream in desk.system.streams] == ["Alpha"]


def test_mic_when_plugged_in_again_then_blocks_continue(desk):
    desk.mic.start(desk.ring)
    desk.deliver()
    desk.take()
    desk.system.unplug("Alpha")
    desk.wait_for(lambda: desk.mic.status().state is MicState.LOST)
    desk.system.plugged.append("Alpha")
    desk.clock.advance(s_to_ns(3.1))
    desk.wait_for(lambda: desk.mic.status().state is MicState.RUNNING)
    desk.deliver()
    blocks = desk.take()
    assert blocks[0].did_restart
    assert desk.notices.current()[0].level is Level.INFO


def test_mic_when_stopped_while_the_driver_opens_it_again_then_closed_after_it_is_open(desk):
    begun, go_on = threading.Event(), threading.Event()
    desk.mic.start(desk.ring)
    desk.deliver()
    desk.take()
    desk.system.opening = lambda: (begun.set(), go_on.wait(30))
    desk.pass_time(2)
    desk.wait_for(lambda: desk.mic.status().state is MicState.LOST)
    desk.clock.advance(s_to_ns(3.1))
    assert begun.wait(30)
    desk.mic.stop()
    assert desk.mic.status().state is MicState.STOPPED
    go_on.set()
    assert desk.mic._worker.join(30)
    assert len(desk.system.streams) == 2 and not any(stream.is_open for stream in desk.system.streams)
    assert desk.mic.status().state is MicState.STOPPED


def test_mic_when_device_stalls_then_lost_and_reconnected(desk):
    desk.mic.start(desk.ring)
    desk.deliver()
    desk.take()
    desk.pass_time(2)
    desk.wait_for(lambda: desk.mic.status().state is MicState.LOST)
    desk.clock.advance(s_to_ns(3.1))
    desk.wait_for(lambda: desk.mic.status().state is MicState.RUNNING)
    assert len(desk.system.streams) == 2


def test_mic_when_opened_but_nothing_is_delivered_then_larger_buffer_without_notice(desk):
    desk.mic.start(desk.ring)
    desk.clock.advance(s_to_ns(0.7))
    desk.wait_for(lambda: len(desk.system.streams) == 2)
    desk.wait_for_step()
    assert desk.mic.status().state is MicState.RUNNING
    assert [(stream.latency, stream.is_open) for stream in desk.system.streams] == [("low", False), ("high", True)]
    desk.deliver()
    assert desk.take()[0].did_restart
    assert not desk.notices.current()


def test_mic_when_reopened_and_nothing_is_delivered_then_lost_after_three_seconds(desk):
    desk.mic.start(desk.ring)
    desk.clock.advance(s_to_ns(0.7))
    desk.wait_for(lambda: len(desk.system.streams) == 2)
    desk.wait_for_step()
    desk.pass_time(2.0)
    assert (desk.mic.status().state, len(desk.system.streams)) == (MicState.RUNNING, 2)
    desk.pass_time(1.5)
    desk.wait_for(lambda: desk.mic.status().state is MicState.LOST)


def test_mic_when_the_program_was_suspended_then_not_lost(desk):
    desk.mic.start(desk.ring)
    desk.deliver()
    desk.take()
    desk.clock.advance(s_to_ns(12))
    desk.wait_for_step()
    desk.wait_for_step()
    assert (desk.mic.status().state, len(desk.system.streams)) == (MicState.RUNNING, 1)
    assert desk.notices.current() == ()


def test_mic_when_deliveries_pause_shortly_then_stays_open(desk):
    desk.mic.start(desk.ring)
    desk.deliver()
    desk.take()
    desk.clock.advance(s_to_ns(0.7))
    desk.wait_for_step()
    assert [stream.latency for stream in desk.system.streams] == ["low"]


def test_mic_when_samples_are_nan_then_silence_and_counted(desk):
    desk.mic.start(desk.ring)
    desk.deliver(value=float("nan"), n_pieces=10)
    assert not np.concatenate([block.samples for block in desk.take()]).any()
    assert desk.mic.status().n_bad_samples == 4800


def test_mic_when_driver_loses_sound_then_counted(desk):
    desk.mic.start(desk.ring)
    desk.deliver(n_pieces=2, overflow=True)
    desk.take()
    assert desk.mic.status().n_overflows == 2


def test_mic_when_muted_then_silence(desk):
    desk.mic.start(desk.ring)
    desk.controls.is_muted = True
    desk.deliver()
    assert not np.concatenate([block.samples for block in desk.take()]).any()


def test_stop_when_called_twice_then_fine_and_stream_is_closed(desk):
    desk.mic.start(desk.ring)
    desk.mic.stop()
    desk.mic.stop()
    assert desk.mic.status().state is MicState.STOPPED
    assert not any(stream.is_open for stream in desk.system.streams)


@pytest.mark.parametrize("n_channels", [2, 8])
def test_mic_when_device_has_several_channels_then_all_are_opened(n_channels):
    desk = Desk(n_channels=n_channels)
    desk.mic.start(desk.ring)
    assert desk.mic.status().n_channels == n_channels
    desk.mic.stop()


def test_mic_when_sound_server_offers_dozens_of_channels_then_two():
    desk = Desk(n_channels=32)
    desk.mic.start(desk.ring)
    assert desk.mic.status().n_channels == 2
    desk.mic.stop()


@pytest.mark.parametrize("name", ["Beta, ALSA", "Beta"])
def test_mic_when_named_then_that_device_is_opened(name):
    desk = Desk(name)
    desk.mic.start(desk.ring)
    assert desk.system.streams[-1].name == "Beta"
    desk.mic.stop()


def test_check_when_name_is_unknown_then_error_names_a_similar_one():
    with pytest.raises(AudioInputError, match="Alpha, ALSA"):
        Microphones(FakeSoundDevice("Alpha")).check("Alhpa, ALSA")


def test_check_when_plugged_in_after_start_then_found():
    system = FakeSoundDevice("Alpha")
    system.plugged.append("Gamma")
    Microphones(system).check("Gamma, ALSA")
    assert system.n_starts == 2


def test_check_when_two_devices_share_a_name_then_error_asks_for_the_label():
    with pytest.raises(AudioInputError, match="More than one"):
        Microphones(FakeSoundDevice("Alpha", "Alpha")).check("Alpha")


def test_devices_when_there_are_none_then_error_on_check():
    microphones = Microphones(FakeSoundDevice())
    assert microphones.devices() == ()
    with pytest.raises(AudioInputError, match="no microphone"):
        microphones.check("")


def test_devices_when_listed_then_labels_and_default():
    devices = Microphones(FakeSoundDevice("Alpha", "Beta")).devices()
    assert [device.label for device in devices] == ["Alpha, ALSA", "Beta, ALSA"]
    assert [device.is_default for device in devices] == [True, False]


def test_mic_when_cleaning_is_on_then_kept_after_a_reconnect(desk):
    pytest.importorskip("pywebrtc_audio", reason="the clean extra is not installed")
    desk.mic.set_cleaning(Cleaning("strong"))
    desk.mic.start(desk.ring)
    rng = np.random.default_rng(0)

    def level_of_noise():
        desk.ring.clear()
        stream = desk.system.streams[-1]
        for _ in range(150):
            stream.speak(rng.normal(0, 0.05, (stream.rate_hz // 100, stream.n_channels)))
        sound = np.concatenate([block.samples for block in desk.take()])
        return float(sound[-4000:].std())

    cleaned = level_of_noise()
    desk.system.unplug("Alpha")
    desk.wait_for(lambda: desk.mic.status().state is MicState.LOST)
    desk.system.plugged.append("Alpha")
    desk.clock.advance(s_to_ns(4))
    desk.wait_for(lambda: desk.mic.status().state is MicState.RUNNING)
    assert level_of_noise() == pytest.approx(cleaned, rel=0.3)
    desk.mic.set_cleaning(Cleaning())
    assert level_of_noise() > 3 * cleaned


def test_mic_when_cleaning_is_not_installed_then_error_and_nothing_changes(desk, monkeypatch):
    monkeypatch.setitem(sys.modules, "pywebrtc_audio", None)
    desk.mic.start(desk.ring)
    with pytest.raises(MissingExtraError):
        desk.mic.set_cleaning(Cleaning("mild"))
    desk.deliver()
    assert desk.take()


def test_mic_when_interrupted_for_another_device_then_reopened_without_notice(desk, monkeypatch):
    desk.mic.start(desk.ring)
    desk.deliver()
    desk.take()
    system = desk.microphones._system
    desk.system.plugged.append("Gamma")
    monkeypatch.setattr(system, "_run_child", lambda command: listed("Gamma"))
    desk.microphones.check("Gamma, ALSA")
    desk.wait_for(lambda: len(desk.system.streams) == 2 and desk.system.streams[-1].is_open)
    desk.deliver()
    assert desk.take()[0].did_restart
    assert not desk.notices.current()
