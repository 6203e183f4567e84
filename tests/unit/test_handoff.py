import threading

import pytest

from avatar_app.contracts.handoff import Fan, Latest, Ring


def test_latest_when_two_are_put_then_newest_is_taken_and_loss_counted():
    box = Latest[int]()
    box.put(1)
    box.put(2)
    assert box.take() == 2
    assert box.take() is None
    assert (box.n_replaced, box.n_put) == (1, 2)


def test_latest_when_waiting_then_wakes_on_put():
    box = Latest[int]()
    threading.Timer(0.02, box.put, (7,)).start()
    assert box.take(timeout_s=5.0) == 7


def test_ring_when_full_then_oldest_is_lost_and_counted():
    ring = Ring[int](2)
    for item in (1, 2, 3):
        ring.put(item)
    assert (ring.take(), ring.take(), ring.take()) == (2, 3, None)
    assert ring.n_lost == 1


def test_ring_when_cleared_then_nothing_counts_as_lost():
    ring = Ring[int](4)
    ring.put(1)
    ring.clear()
    assert len(ring) == 0
    assert ring.n_lost == 0


def test_ring_when_capacity_is_zero_then_refused():
    with pytest.raises(ValueError, match="capacity"):
        Ring[int](0)


def test_fan_when_rings_come_and_go_then_each_gets_what_was_put_while_it_was_there():
    fan = Fan()
    fan.put(0)
    first, second = fan.add(4), fan.add(1)
    fan.put(1)
    fan.put(2)
    fan.remove(first)
    fan.remove(first)
    fan.put(3)
    assert [first.take(), first.take(), first.take()] == [1, 2, None]
    assert (second.take(), second.n_lost) == (3, 2)
