import threading
import time

from avatar_app.contracts.clock import ManualClock, MonotonicClock
from avatar_app.contracts.errors import AvatarError
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live.runtime import worker as worker_module
from avatar_app.live.runtime.worker import Watchdog, Worker


def _wait_for(condition, timeout_s=5.0):
    t_end_s = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < t_end_s:
        time.sleep(0.005)
    return condition()


def test_worker_when_step_fails_once_then_reported_and_continues(monkeypatch):
    monkeypatch.setattr(worker_module, "RETRY_S", 0.01)
    board, calls, recovered = NoticeBoard(), [], []

    def step(stop: threading.Event) -> None:
        calls.append(1)
        stop.wait(0.005)
        if len(calls) == 2:
            raise AvatarError("Gone.", "Bring it back.")

    worker = Worker("test", step, MonotonicClock(), board, lambda: recovered.append(1))
    worker.start()
    assert _wait_for(lambda: len(calls) > 4)
    worker.stop()
    worker.stop()
    assert recovered == [1]
    assert [n.what_to_do for n in board.current()] == ["Bring it back."]


def test_worker_when_it_recovers_after_a_failure_then_the_notice_is_cleared(monkeypatch):
    monkeypatch.setattr(worker_module, "RETRY_S", 0.0)
    clock, board, calls = ManualClock(), NoticeBoard(), []

    def step(stop: threading.Event) -> None:
        calls.append(len(board.current()))
        if len(calls) == 1:
            raise KeyError("x")
        clock.advance(NS_PER_S)
        if len(calls) == 12:
            stop.set()

    worker = Worker("frame", step, clock, board)
    worker.start()
    worker._thread.join(30)
    worker.stop()
    # Up for five seconds of good steps, then gone, and posted again after another failure.
    assert calls[:6] == [0, 1, 1, 1, 1, 1] and calls[-1] == 0


def test_worker_when_unknown_failure_then_the_notice_has_no_inner_terms(monkeypatch):
    monkeypatch.setattr(worker_module, "RETRY_S", 0.01)
    board = NoticeBoard()

    def step(stop: threading.Event) -> None:
        raise KeyError("x")

    worker = Worker("frame", step, MonotonicClock(), board)
    worker.start()
    assert _wait_for(lambda: bool(board.current()))
    worker.stop()
    text = board.current()[0].text
    assert text.startswith("The picture failed")
    assert "KeyError" not in text and "frame" not in text


def test_worker_when_started_after_a_stop_that_timed_out_then_never_two_threads_in_one_step():
    go_on, entered, together, inside = threading.Event(), threading.Semaphore(0), [], []

    def step(stop: threading.Event) -> None:
        inside.append(1)
        together.append(len(inside))
        entered.release()
        go_on.wait(30)
        stop.wait(0.001)
        inside.pop()

    worker = Worker("test", step, MonotonicClock(), NoticeBoard())
    worker.start()
    assert entered.acquire(timeout=30)
    assert not worker.stop(timeout_s=0.01)
    worker.start()
    go_on.set()
    for _ in range(20):
        assert entered.acquire(timeout=30)
    assert worker.stop(timeout_s=30)
    assert max(together) == 1


def test_worker_when_stopped_while_its_step_runs_then_the_step_is_signalled_and_the_thread_ends():
    entered, told = threading.Event(), []

    def step(stop: threading.Event) -> None:
        entered.set()
        told.append(stop.wait(30))

    worker = Worker("test", step, MonotonicClock(), NoticeBoard())
    worker.start()
    assert entered.wait(30)
    worker.request_stop()
    assert worker.join(30) and told == [True]


def test_watchdog_when_step_hangs_then_a_notice_until_it_ends():
    clock, board, go_on = ManualClock(), NoticeBoard(), threading.Event()
    worker = Worker("speech", lambda stop: void(go_on.wait(5), stop.wait(0.005)), clock, board)
    watchdog = Watchdog([worker], clock, board)
    worker.start()
    clock.advance(NS_PER_S)
    watchdog.check()
    assert [n.key for n in board.current()] == ["stall-speech"]
    go_on.set()
    assert _wait_for(lambda: worker.stalled_ns() == 0)
    watchdog.check()
    worker.stop()
    assert board.current() == ()


def void(*_: object) -> None:
    """Ignore the results of calls with side effects."""


def test_stop_when_another_thread_is_starting_it_then_waits_and_ends_it(monkeypatch):
    is_starting, may_start = threading.Event(), threading.Event()
    start_thread = threading.Thread.start

    def start_slowly(thread):
        if thread.name == "slow":
            is_starting.set()
            may_start.wait(30)
        start_thread(thread)

    monkeypatch.setattr(threading.Thread, "start", start_slowly)
    worker = Worker("slow", lambda stop: stop.wait(0.01), MonotonicClock(), NoticeBoard())
    starter = threading.Thread(target=worker.start)
    starter.start()
    assert is_starting.wait(30)
    stopped = []
    stopper = threading.Thread(target=lambda: stopped.append(worker.stop(30)))
    stopper.start()
    stopper.join(0.05)
    may_start.set()
    starter.join(30)
    stopper.join(30)
    assert stopped == [True]
    assert "slow" not in {thread.name for thread in threading.enumerate()}
