import threading

import pytest

from avatar_app.contracts.clock import ManualClock, MonotonicClock
from avatar_app.contracts.units import NS_PER_S, ms_to_ns, samples_to_ns


def test_manual_clock_when_slept_then_jumps_and_never_goes_back():
    clock = ManualClock(5)
    assert clock.sleep_until(100)
    assert clock.sleep_until(50)
    assert clock.now_ns() == 100
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)


def test_manual_clock_when_stopped_then_sleep_reports_it():
    stop = threading.Event()
    stop.set()
    assert not ManualClock().sleep_until(10, stop)


def test_monotonic_clock_when_instant_is_past_then_returns_immediately():
    clock = MonotonicClock()
    assert clock.sleep_until(clock.now_ns() - NS_PER_S)


def test_monotonic_clock_when_stop_is_set_then_sleep_ends_early():
    clock, stop = MonotonicClock(), threading.Event()
    stop.set()
    t_ns = clock.now_ns()
    assert not clock.sleep_until(t_ns + 60 * NS_PER_S, stop)
    assert clock.now_ns() - t_ns < 10 * NS_PER_S


def test_units_when_converted_then_exact():
    assert ms_to_ns(12.5) == 12_500_000
    assert samples_to_ns(16_000, 16_000) == NS_PER_S
