"""What ends the program from outside ends it as its window does."""

import signal

import pytest

from avatar_app.app import _quit_on_signals

ENDING = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@pytest.fixture(autouse=True)
def handlers_put_back():
    # Without a handler of the program's own a signal would end the tests.
    kept = {name: signal.signal(getattr(signal, name), lambda *_: None) for name in ENDING}
    yield
    for name, handler in kept.items():
        signal.signal(getattr(signal, name), handler)


@pytest.mark.parametrize("name", ENDING)
def test_signal_when_it_comes_then_the_window_is_closed(name):
    closed = []
    _quit_on_signals(lambda: closed.append(name))
    signal.raise_signal(getattr(signal, name))
    assert closed == [name]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no terminal to be closed")
def test_hangup_when_it_was_ignored_from_the_start_then_the_program_goes_on():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _quit_on_signals(lambda: pytest.fail("closed"))
    signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
