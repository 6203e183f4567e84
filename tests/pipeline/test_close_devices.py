"""Stop, mute and turning the webcam off take effect before the call returns, even if devices and models are slow."""

import threading
import time

import numpy as np
import pytest

from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.errors import AudioInputError, ModelError
from avatar_app.contracts.notices import Level, Notice, NoticeBoard
from avatar_app.live import head_tracking as following
from avatar_app.live import loader
from avatar_app.live.mic import MicState, level
from avatar_app.live.mic import slot as mic_slot
from avatar_app.live.mic.chain import SoundChain
from avatar_app.live.mic.mic import MicStatus
from avatar_app.live.pipeline import LivePipeline
from avatar_app.live.runtime.slot import Applied, Refused
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings
from tests.pipeline.test_head_tracking import FakeWebcam

WAIT_S = 30
LOUD = np.full((160, 1), 0.5, np.float32)
SETTINGS = Settings(mic="Desk", model="nova-96", engine="onnxruntime-cpu", precision="fp32")


class SlowMic:
    """A microphone whose driver opens when the test lets it."""

    def __init__(self, name, controls, gate):
        self.name, self.gate = name, gate
        self.is_open = self.was_stopped = False
        self._chain = SoundChain(16_000, level.Level(16_000, controls))
        self._ring = None

    def start(self, ring, voice=None):
        self._ring = ring
        self.gate.enter()
        self.is_open = True

    def stop(self):
        self.is_open, self.was_stopped = False, True

    def speak(self):
        """The largest sample that the microphone passes on of a loud block."""
        blocks = [block for k in range(10) for block in self._chain.feed(LOUD, k * 10_000_000)]
        return max(float(np.abs(block.samples).max()) for block in blocks)

    def set_cleaning(self, cleaning):
        pass

    def status(self):
        state = MicState.RUNNING if self.is_open else MicState.STOPPED
        return MicStatus(state, self.name, 16_000, 1, -20.0, -10.0, 0, 0)


class Gate:
    """Blocks a slow part until the test opens it."""

    def __init__(self, is_open=False):
        self.begun, self._go_on = threading.Event(), threading.Event()
        if is_open:
            self.open()

    def enter(self):
        self.begun.set()
        assert self._go_on.wait(WAIT_S)

    def open(self):
        self._go_on.set()


class Desk:
    """A pipeline with slow parts."""

    def __init__(self, folder, monkeypatch) -> None:
        self.mic_gate, self.model_gate = Gate(is_open=True), Gate(is_open=True)
        self.mics: list[SlowMic] = []
        self.is_mic_missing, self.n_mics_missed = False, 0
        self.broken_models: set[str] = set()
        self._real_open = loader.open_driver
        monkeypatch.setattr(mic_slot, "open_mic", self._open_mic)
        monkeypatch.setattr(loader, "open_driver", self._open_driver)
        monkeypatch.setattr(following.HeadTracking.__init__, "__defaults__", (FakeWebcam,))
        monkeypatch.setattr(FakeWebcam, "made", [])
        self.notices = NoticeBoard()
        self.settings = SETTINGS
        self.pipeline = LivePipeline(self.settings, ProfilePaths(folder), MonotonicClock(), self.notices)

    def change(self, **changes) -> int:
        self.settings = self.settings.replace(**changes)
        return self.pipeline.apply(self.settings)

    def refused(self) -> list[Refused]:
        return [result for result in self.pipeline.take_results() if isinstance(result, Refused)]

    def settle(self) -> None:
        """Wait until no part is being opened."""
        for slot in self.pipeline._slots:
            slot.wait_until_idle()

    def wait_for(self, is_so) -> None:
        t_limit_s = time.monotonic() + WAIT_S
        while not is_so() and time.monotonic() < t_limit_s:
            time.sleep(0.01)
        assert is_so()

    def end(self) -> None:
        self.mic_gate.open()
        self.model_gate.open()
        self.pipeline.close()

    def _open_mic(self, name, clock, notices, controls):
        if self.is_mic_missing:
            self.n_mics_missed += 1
            raise AudioInputError("It is not there.", "Plug it in.")
        self.mics.append(SlowMic(name, controls, self.mic_gate))
        return self.mics[-1]

    def _open_driver(self, model, *rest, **options):
        self.model_gate.enter()
        if model in self.broken_models:
            raise ModelError(f"The model {model} is damaged.", "Choose another one.")
        return self._real_open(model, *rest, **options)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    made = Desk(tmp_path, monkeypatch)
    yield made
    made.end()


def test_stop_when_the_microphone_is_opening_then_it_is_closed_once_open_and_reported_open_until_then(desk):
    desk.mic_gate = Gate()
    desk.pipeline.start()
    assert desk.mic_gate.begun.wait(WAIT_S)
    desk.pipeline.stop()
    assert desk.pipeline.open_devices().has_mic, "the driver is still opening it"
    desk.mic_gate.open()
    desk.settle()
    assert desk.mics[0].was_stopped and not desk.mics[0].is_open
    assert not desk.pipeline.open_devices().has_mic


def test_stop_when_the_microphone_is_open_then_closed_before_it_returns(desk):
    desk.pipeline.start()
    desk.settle()
    assert desk.mics[0].is_open and desk.pipeline.open_devices().has_mic
    desk.pipeline.stop()
    assert not desk.mics[0].is_open and not desk.pipeline.open_devices().has_mic


def test_stop_when_the_microphone_was_lost_then_its_notice_is_removed(desk):
    desk.pipeline.start()
    desk.settle()
    desk.notices.post(Notice("mic", Level.WARNING, "The microphone Desk is gone.", "Plug it in again."))
    desk.pipeline.stop()
    assert desk.notices.current() == ()


def test_stop_when_the_webcam_is_open_then_closed_before_it_returns_and_opened_at_the_next_start(desk):
    desk.change(is_following=True, webcam="Desk")
    desk.pipeline.start()
    desk.settle()
    assert FakeWebcam.made[-1].is_on and desk.pipeline.open_devices().has_webcam
    desk.pipeline.stop()
    assert not any(webcam.is_on for webcam in FakeWebcam.made)
    assert not desk.pipeline.open_devices().has_webcam
    desk.pipeline.start()
    desk.settle()
    assert FakeWebcam.made[-1].is_on


def test_stop_when_the_webcam_fails_to_close_then_the_microphone_is_closed_anyway(desk, monkeypatch):
    desk.change(is_following=True, webcam="Desk")
    desk.pipeline.start()
    desk.settle()

    def fail(self):
        raise RuntimeError("the driver is broken")

    with monkeypatch.context() as patch:
        patch.setattr(FakeWebcam, "stop", fail)
        with pytest.raises(RuntimeError):
            desk.pipeline.stop()
    assert not desk.mics[0].is_open and not desk.pipeline.open_devices().has_mic


def test_microphone_when_it_cannot_be_opened_then_retried_with_a_notice_until_it_can(desk, monkeypatch):
    monkeypatch.setattr(mic_slot, "RETRY_NS", 0)
    desk.is_mic_missing = True
    desk.pipeline.start()
    desk.wait_for(lambda: desk.n_mics_missed > 2)
    assert [(notice.text, notice.is_lasting) for notice in desk.notices.current()] == [("It is not there.", True)]
    desk.is_mic_missing = False
    desk.wait_for(lambda: desk.mics and desk.mics[-1].is_open)
    desk.settle()
    assert desk.notices.current() == ()


def test_microphone_when_stopped_while_it_is_missing_then_not_retried(desk, monkeypatch):
    monkeypatch.setattr(mic_slot, "RETRY_NS", 0)
    desk.is_mic_missing = True
    desk.pipeline.start()
    desk.wait_for(lambda: desk.n_mics_missed > 0)
    desk.pipeline.stop()
    assert desk.pipeline._mic.join(WAIT_S)
    n_missed = desk.n_mics_missed
    desk.is_mic_missing = False
    desk.pipeline.close()
    assert desk.mics == [] and desk.n_mics_missed == n_missed


def test_camera_when_turned_off_while_stopped_then_none_is_open_and_none_opens_at_the_next_start(desk):
    desk.change(is_following=True, webcam="Desk")
    desk.pipeline.start()
    desk.settle()
    desk.pipeline.stop()
    desk.change(is_following=False)
    assert not any(webcam.is_on for webcam in FakeWebcam.made)
    desk.pipeline.start()
    desk.settle()
    assert not any(webcam.is_on for webcam in FakeWebcam.made)


def test_camera_when_turned_off_while_a_model_loads_then_closed_before_the_call_returns(desk):
    desk.change(is_following=True, webcam="Desk")
    desk.pipeline.start()
    desk.settle()
    desk.model_gate = Gate()
    desk.change(model="nova-hd")
    assert desk.model_gate.begun.wait(WAIT_S)
    desk.change(is_following=False)
    assert not any(webcam.is_on for webcam in FakeWebcam.made)
    assert not desk.pipeline.open_devices().has_webcam


def test_stop_when_a_model_loads_then_microphone_and_camera_are_closed_and_it_can_start_again(desk):
    desk.model_gate = Gate()
    desk.change(is_following=True, webcam="Desk")
    desk.pipeline.start()
    assert desk.model_gate.begun.wait(WAIT_S)
    desk.pipeline._webcam.wait_until_idle()
    desk.pipeline.stop()
    assert not any(mic.is_open for mic in desk.mics) and not any(webcam.is_on for webcam in FakeWebcam.made)
    desk.pipeline.start()
    desk.pipeline._mic.wait_until_idle()
    assert desk.mics[-1].is_open
    desk.model_gate.open()
    desk.settle()
    assert desk.pipeline.status().model == "nova-96"


def test_mute_when_the_microphone_is_opening_then_every_sample_is_silent(desk):
    desk.mic_gate = Gate()
    desk.pipeline.start()
    assert desk.mic_gate.begun.wait(WAIT_S)
    desk.change(is_muted=True)
    desk.mic_gate.open()
    desk.settle()
    assert desk.mics[0].speak() == 0


def test_mute_when_the_microphone_is_reopened_then_every_sample_is_silent(desk):
    desk.pipeline.start()
    desk.settle()
    assert desk.mics[0].speak() == pytest.approx(0.5, abs=0.01)
    desk.mic_gate = Gate()
    desk.pipeline.refresh_mic()
    assert desk.mic_gate.begun.wait(WAIT_S)
    desk.change(is_muted=True)
    desk.mic_gate.open()
    desk.settle()
    assert len(desk.mics) == 2 and not desk.mics[0].is_open
    assert desk.mics[1].speak() == 0


def test_mute_and_gain_when_another_microphone_is_chosen_then_both_still_apply(desk):
    desk.change(is_muted=True, mic_gain_db=-6.0)
    desk.pipeline.start()
    desk.settle()
    desk.change(mic="Head")
    desk.settle()
    assert (desk.mics[1].name, desk.mics[1].speak()) == ("Head", 0)
    desk.change(is_muted=False)
    assert desk.mics[1].speak() == pytest.approx(0.25, abs=0.01)


def test_model_when_a_correction_is_made_while_a_broken_one_loads_then_the_correction_stays(desk):
    desk.broken_models = {"nova-broken"}
    desk.pipeline.start()
    desk.settle()
    desk.model_gate = Gate()
    desk.change(model="nova-broken")
    assert desk.model_gate.begun.wait(WAIT_S)
    desk.change(model="nova-hd")
    desk.model_gate.open()
    desk.settle()
    assert desk.refused() == [] and desk.notices.current() == ()
    assert (desk.pipeline.settings.model, desk.pipeline.status().model) == ("nova-hd", "nova-hd")


def test_model_when_it_is_broken_then_refused_by_name_and_the_old_one_stays(desk):
    desk.broken_models = {"nova-broken"}
    desk.pipeline.start()
    desk.settle()
    number = desk.change(model="nova-broken")
    desk.settle()
    (refused,) = desk.refused()
    assert (refused.request, refused.settings.model) == (number, "nova-broken")
    assert refused.fields == ("model", "precision", "engine") and "is damaged" in refused.error.what
    assert (desk.pipeline.settings.model, desk.pipeline.status().model) == ("nova-96", "nova-96")


def test_apply_when_it_succeeds_then_one_result_with_its_number_and_the_settings_in_use(desk):
    desk.pipeline.start()
    desk.settle()
    started = {result.fields: result for result in desk.pipeline.take_results()}
    assert all(isinstance(result, Applied) for result in started.values())
    assert len({result.request for result in started.values()}) == 1
    number = desk.change(mic="Head")
    desk.settle()
    (result,) = desk.pipeline.take_results()
    assert (result.request, result.fields, result.settings.mic) == (number, ("mic",), "Head")
    assert number > started[("mic",)].request
    assert desk.pipeline.take_results() == ()
