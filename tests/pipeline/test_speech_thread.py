"""The speech thread's work on a manual clock, with the real mel and gate and a student that remembers its inputs."""

import dataclasses

import numpy as np
import pytest

from avatar_app.contracts.clock import ManualClock
from avatar_app.contracts.handoff import Latest, Ring
from avatar_app.contracts.mouth import Mouth
from avatar_app.contracts.packets import AudioBlock
from avatar_app.contracts.units import NS_PER_S, ms_to_ns
from avatar_app.live.mel import MelHistory, melspectrogram
from avatar_app.live.mic.audio_file import read_audio
from avatar_app.live.runtime.meters import StageMeters
from avatar_app.live.speech_thread import SpeechLoop
from avatar_app.settings.paths import demo_sample
from tests.fakes.student import FakeStudent, fake_spec

T_START_NS = 7 * NS_PER_S


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return read_audio(demo_sample())[: 16_000 * 4]


class Bench:
    """A speech loop that takes sound in blocks; collects every mouth."""

    def __init__(self, fps: int = 25, lookahead_ms: int = 80) -> None:
        self.clock = ManualClock(T_START_NS)
        self.mouth: Latest[Mouth] = Latest()
        self.loop = SpeechLoop(self.clock, StageMeters(), self.mouth)
        self.loop.configure(fps, lookahead_ms)
        self.ring: Ring[AudioBlock] = Ring(1000)
        self._step = self.loop.run(lambda: self.ring)
        self.n_fed = 0
        self.mouths: list[Mouth] = []

    def feed(self, samples: np.ndarray, block: int = 160, did_restart: bool = False) -> None:
        for start in range(0, len(samples), block):
            piece = samples[start : start + block]
            t_ns = T_START_NS + self.n_fed * NS_PER_S // 16_000
            self.n_fed += len(piece)
            self.clock.sleep_until(T_START_NS + self.n_fed * NS_PER_S // 16_000)
            self.ring.put(AudioBlock(t_ns, self.n_fed - len(piece), piece, did_restart and start == 0))
            self._step(_NEVER)
            mouth = self.mouth.take()
            if mouth is not None:
                self.mouths.append(mouth)


class _NeverSet:
    def is_set(self) -> bool:
        return False


_NEVER = _NeverSet()


@pytest.mark.parametrize("fps", [25, 30, 50, 60])
def test_frames_when_sound_flows_then_every_instant_has_one_mouth(speech, fps):
    bench = Bench(fps)
    bench.loop.set_driver(FakeStudent())
    bench.feed(speech)
    numbers = [m.index for m in bench.mouths]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(numbers) >= fps * 4 - fps // 4
    for mouth in bench.mouths:
        assert abs(mouth.t_capture_ns - T_START_NS - mouth.index * NS_PER_S // fps) < ms_to_ns(1)


@pytest.mark.parametrize("lookahead_ms", [0, 40, 80, 160])
def test_window_when_a_mouth_is_made_then_it_ends_lookahead_after_the_instant(speech, lookahead_ms):
    bench = Bench(25, lookahead_ms)
    student = FakeStudent()
    bench.loop.set_driver(student)
    bench.feed(speech)
    whole = melspectrogram(speech)
    drawn = [m for m in bench.mouths if m.shape is not None]
    assert len(drawn) > 50
    for mouth, window in zip(drawn[20:60], student.windows[20:60], strict=True):
        newest = round((mouth.index / 25 + lookahead_ms / 1000) * 80)
        np.testing.assert_allclose(window, whole[:, newest - 15 : newest + 1], atol=1e-3)
    assert set(student.lookaheads_ms) == {lookahead_ms}


def test_mouth_when_made_then_not_later_than_lookahead_and_half_window(speech):
    bench = Bench(25, 40)
    bench.loop.set_driver(FakeStudent())
    bench.feed(speech)
    waits_ms = [(m.t_ready_ns - m.t_capture_ns) / 1e6 for m in bench.mouths]
    assert max(waits_ms) <= 40 + 25 + 6.25 + 10 + 0.1


def test_student_when_silent_then_not_run():
    bench = Bench()
    student = FakeStudent()
    bench.loop.set_driver(student)
    bench.feed(np.zeros(32_000, np.float32))
    assert student.windows == []
    assert all(m.weight == 0 and m.shape is None for m in bench.mouths)


def test_student_when_replaced_then_old_one_is_closed_and_no_frame_is_missing(speech):
    bench = Bench()
    first, second = FakeStudent(grey=1), FakeStudent(grey=2)
    bench.loop.set_driver(first)
    bench.feed(speech[:24_000])
    bench.loop.set_driver(second)
    bench.feed(speech[24_000:])
    assert first.is_closed
    assert not second.is_closed
    numbers = [m.index for m in bench.mouths]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.parametrize(("before_ms", "after_ms"), [(0, 160), (160, 0), (40, 80)])
def test_lookahead_when_changed_then_gap_is_at_most_two_frames(speech, before_ms, after_ms):
    bench = Bench(25, before_ms)
    bench.loop.set_driver(FakeStudent())
    bench.feed(speech[:24_000])
    bench.loop.configure(25, after_ms)
    bench.feed(speech[24_000:])
    gaps_ms = np.diff([m.t_ready_ns for m in bench.mouths]) / 1e6
    assert gaps_ms.max() <= 80


def test_frames_when_the_device_restarts_then_numbered_from_the_beginning(speech):
    bench = Bench()
    bench.loop.set_driver(FakeStudent())
    bench.feed(speech[:24_000])
    n = len(bench.mouths)
    bench.feed(speech[:24_000], did_restart=True)
    assert bench.mouths[n].index < 10
    assert abs(bench.mouths[-1].t_capture_ns - bench.clock.now_ns()) < ms_to_ns(200)


def test_frames_when_blocks_pile_up_then_only_the_newest_is_made_and_the_others_counted(speech):
    bench = Bench()
    bench.loop.set_driver(FakeStudent())
    bench.feed(speech, block=3200)
    assert bench.loop.state.n_dropped > 0
    assert np.diff([m.index for m in bench.mouths]).min() > 1


def test_mel_history_when_it_wraps_then_windows_are_right():
    history = MelHistory(32)
    columns = np.random.default_rng(0).uniform(-4, 4, (80, 200)).astype(np.float32)
    for start in range(0, 200, 3):
        history.append(columns[:, start : start + 3])
        newest = history.n_columns - 1
        if newest >= 20:
            np.testing.assert_array_equal(history.window(newest - 2, 16), columns[:, newest - 17 : newest - 1])


def test_lookahead_when_the_student_does_not_support_it_then_its_nearest_is_used(speech):
    """A published network supports 160 ms alone; another one may replace it at any time."""
    bench = Bench(lookahead_ms=80)
    single = FakeStudent(dataclasses.replace(fake_spec(), lookahead_ms=(160,)))
    many = FakeStudent()
    for student in (single, many):
        bench.loop.set_driver(student)
        bench.feed(speech[: 16_000 * 2])
    assert set(single.lookaheads_ms) == {160}
    assert set(many.lookaheads_ms) == {80}
