"""The frame thread's work on a manual clock, with the real avatar."""

import dataclasses
import threading

import numpy as np
import pytest

from avatar_app.contracts.clock import ManualClock
from avatar_app.contracts.handoff import Latest
from avatar_app.contracts.mouth import Mouth
from avatar_app.contracts.packets import Picture
from avatar_app.contracts.units import NS_PER_S, ms_to_ns
from avatar_app.live.frame import Avatar, Background, PictureRenderer
from avatar_app.live.frame_thread import FrameLoop
from avatar_app.live.runtime.meters import StageMeters
from avatar_app.live.runtime.phase_lock import Margin
from tests.fakes.mouth import mouth_of
from tests.fakes.student import BOX, PLACE


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return Avatar.load("nova")


class Bench:
    """A frame loop whose sound has a clock of its own, which may run faster or slower."""

    def __init__(self, avatar: Avatar, fps: int = 25) -> None:
        self.clock = ManualClock(NS_PER_S)
        self.mouth: Latest[Mouth] = Latest()
        self.meters = StageMeters()
        self.loop = FrameLoop(self.clock, self.meters, self.mouth, fps)
        self.sink = self.loop.pictures.add()
        self.renderer = PictureRenderer(avatar)
        self.loop.set_renderer(self.renderer)
        self.loop.set_background(Background.colour("#204060"))
        self.pictures: list[Picture] = []

    def tick(self) -> Picture:
        self.loop.step(threading.Event())
        picture = self.sink.take()
        assert picture is not None
        self.pictures.append(picture)
        return picture

    def say(self, index: int, t_ns: int, grey: int = 255, weight: float = 1.0) -> None:
        pixels = np.full((BOX.h, BOX.w, 3), grey, np.uint8)
        self.mouth.put(mouth_of(pixels, PLACE, weight, t_ns, index))


def test_picture_when_there_is_no_mouth_then_idle_and_counted_as_repeat(avatar):
    bench = Bench(avatar)
    picture = bench.tick()
    assert picture.pixels.shape == (512, 512, 4)
    assert picture.is_repeat
    assert bench.loop.counts.n_repeated == 1


def test_picture_when_a_mouth_arrives_then_only_the_face_changes(avatar):
    bench = Bench(avatar)
    idle = bench.tick().pixels.copy()
    bench.loop._t_begin_ns = bench.clock.now_ns() + NS_PER_S // 25
    bench.say(0, bench.clock.now_ns())
    talking = bench.tick()
    changed = np.argwhere((talking.pixels != idle).any(axis=2))
    assert not talking.is_repeat
    assert len(changed) > 1000
    assert changed[:, 0].min() > 116 + 100


@pytest.mark.parametrize("fps", [25, 60])
def test_idle_picture_when_its_tick_is_due_then_decoded_earlier(avatar, fps, monkeypatch):
    """Decoding takes most of the time; it must not delay a mouth that is ready."""
    bench, t_decoded_ns = Bench(avatar, fps), {}
    decode = avatar.idle

    def decode_and_note(k: int):
        t_decoded_ns.setdefault(k, bench.clock.now_ns())
        return decode(k)

    monkeypatch.setattr(avatar, "idle", decode_and_note)
    shown: dict[int, int] = {}
    for k in range(12):
        bench.say(k, bench.clock.now_ns())
        bench.tick()
        t_ns = bench.pictures[-1].t_ready_ns
        shown.setdefault(bench.loop._idle_at(bench.renderer, t_ns), t_ns)
    assert shown.keys() <= t_decoded_ns.keys()
    late = [idle for idle, t_ns in shown.items() if t_decoded_ns[idle] >= t_ns]
    assert len(shown) > 4 and late == [min(shown, key=shown.get)]


def test_latency_when_mouth_was_ready_long_after_its_sound_then_counted_from_the_sound(avatar):
    bench = Bench(avatar)
    bench.tick()
    t_ready_ns = bench.clock.now_ns()
    t_capture_ns = t_ready_ns - ms_to_ns(90)
    mouth = mouth_of(np.zeros((BOX.h, BOX.w, 3), np.uint8), PLACE, 1.0, t_capture_ns)
    bench.mouth.put(dataclasses.replace(mouth, t_ready_ns=t_ready_ns))
    picture = bench.tick()
    assert picture.t_capture_ns == t_capture_ns
    shown_after_ms = (picture.t_ready_ns - t_capture_ns) / 1e6
    assert shown_after_ms > 90
    assert bench.meters.p50_p95("latency")[0] == pytest.approx(shown_after_ms)


def test_mouth_when_sound_stops_then_fades_to_rest_and_never_freezes(avatar):
    bench = Bench(avatar)
    bench.say(0, bench.clock.now_ns())
    bench.tick()
    for _ in range(15):
        bench.tick()
    assert bench.loop._mouth is not None
    assert bench.loop._mouth.shape is None


def test_fps_when_changed_then_next_ticks_follow_it(avatar):
    bench = Bench(avatar)
    bench.tick()
    bench.loop.set_fps(50)
    t_ns = [bench.tick().t_ready_ns for _ in range(10)]
    assert np.diff(t_ns[1:]).mean() == pytest.approx(NS_PER_S / 50, rel=0.01)


@pytest.mark.parametrize("ppm", [-300, 0, 300])
def test_grid_when_clocks_differ_then_phase_locks_and_repeats_nothing(avatar, ppm):
    """Five minutes of sound from another clock: after 30 seconds no picture is repeated or lost."""
    bench = Bench(avatar)
    bench.loop._render = lambda renderer, t_ns: np.zeros((1, 1, 4), np.uint8)
    period_ns = NS_PER_S / 25 * (1 + ppm * 1e-6)
    n_said, t_first_ns = 0, bench.clock.now_ns() + ms_to_ns(13)
    repeats = []
    for k in range(25 * 300):
        tick_ns = bench.clock.now_ns() + NS_PER_S // 25
        while t_first_ns + n_said * period_ns <= tick_ns:
            bench.say(n_said, int(t_first_ns + n_said * period_ns))
            n_said += 1
        if bench.tick().is_repeat:
            repeats.append(k)
    assert [k for k in repeats if k > 25 * 30] == []
    assert bench.mouth.n_replaced <= len(repeats) + 1


@pytest.mark.parametrize(("every", "wanted"), [(40, 12), (10_000, 0)], ids=["busy", "quiet"])
def test_grid_when_some_mouths_are_late_then_margin_grows_and_few_are_missed(avatar, every, wanted):
    """Five minutes in which every fortieth mouth, 187 in all, is eight milliseconds late."""
    bench = Bench(avatar)
    bench.loop._render = lambda renderer, t_ns: np.zeros((1, 1, 4), np.uint8)
    period_ns, t_first_ns = NS_PER_S // 25, bench.clock.now_ns() + ms_to_ns(13)
    n_said, n_repeats = 0, 0
    for _ in range(25 * 300):
        tick_ns = bench.clock.now_ns() + period_ns
        while (t_said_ns := t_first_ns + n_said * period_ns + ms_to_ns(8) * (n_said % every == every - 1)) <= tick_ns:
            bench.say(n_said, t_said_ns)
            n_said += 1
        n_repeats += bench.tick().is_repeat
    assert n_repeats <= wanted + 1
    waits_ms = (bench.clock.now_ns() - bench.loop._mouth.t_ready_ns) / 1e6 % 40
    assert (waits_ms > 7) == (wanted > 0)


def test_grid_when_the_first_mouth_is_the_early_one_of_five_then_locks_to_the_others(avatar):
    """Sound arrives in blocks of ten milliseconds: every fifth mouth is ready one block earlier than the others."""
    bench = Bench(avatar)
    bench.loop._render = lambda renderer, t_ns: np.zeros((1, 1, 4), np.uint8)
    period_ns, t_first_ns = NS_PER_S // 25, bench.clock.now_ns() + ms_to_ns(23)
    n_said, repeats = 0, []
    for k in range(100):
        tick_ns = bench.clock.now_ns() + period_ns
        while (t_said_ns := t_first_ns + n_said * period_ns - ms_to_ns(10) * (n_said % 5 == 0)) <= tick_ns:
            bench.say(n_said, t_said_ns)
            n_said += 1
        if bench.tick().is_repeat:
            repeats.append(k)
    assert len([k for k in repeats if k > 1]) <= 1
    assert bench.loop._phase_lock.margin.ns == ms_to_ns(5)


def test_margin_when_the_sound_had_stopped_then_no_mouth_counts_as_late():
    margin = Margin(NS_PER_S // 25)
    margin.note(3)
    assert margin.ns == ms_to_ns(5)
    margin.note(1)
    assert margin.ns == ms_to_ns(7)
    for _ in range(25 * 30):
        margin.note(0)
    assert margin.ns == pytest.approx(ms_to_ns(5), abs=1000)
    for _ in range(20):
        margin.note(2)
    assert margin.ns == ms_to_ns(15)


def test_background_when_changed_then_next_picture_shows_it(avatar):
    bench = Bench(avatar)
    bench.tick()
    bench.loop.set_background(Background.colour("#ff0000"))
    corner = bench.tick().pixels[2, 2]
    assert tuple(corner[:3]) == (0, 0, 255)
