import threading

import pytest

from avatar_app.contracts.clock import ManualClock
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live.frame import Pacer

NEVER = threading.Event()


@pytest.mark.parametrize("fps", [25, 30, 50, 60])
def test_ticks_when_never_late_then_grid_is_exact_after_an_hour(fps):
    clock = ManualClock(5)
    pacer = Pacer(clock, fps, 5)
    for _ in range(3600 * fps):
        tick = pacer.next_tick(NEVER)
    assert tick.t_ns == 5 + (3600 * fps - 1) * NS_PER_S // fps
    assert tick.n_missed == 0


def test_tick_when_a_little_late_then_caught_up():
    clock = ManualClock()
    pacer = Pacer(clock, 25, 0)
    pacer.next_tick(NEVER)
    clock.advance(70_000_000)
    late, following = pacer.next_tick(NEVER), pacer.next_tick(NEVER)
    assert (late.index, late.n_missed, following.t_ns) == (1, 0, 80_000_000)


def test_tick_when_whole_ticks_are_missed_then_skipped_and_counted():
    clock = ManualClock()
    pacer = Pacer(clock, 25, 0)
    pacer.next_tick(NEVER)
    clock.advance(130_000_000)
    tick = pacer.next_tick(NEVER)
    assert (tick.index, tick.n_missed) == (3, 2)
    assert pacer.next_tick(NEVER).t_ns == 160_000_000


def test_shift_when_called_then_later_ticks_move():
    pacer = Pacer(ManualClock(), 25, 0)
    pacer.next_tick(NEVER)
    pacer.shift(1_000_000)
    assert pacer.next_tick(NEVER).t_ns == 41_000_000


def test_tick_when_stop_is_set_then_none():
    stop = threading.Event()
    stop.set()
    assert Pacer(ManualClock(), 25, 1_000_000).next_tick(stop) is None
