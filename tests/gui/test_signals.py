"""What ends the program from outside ends it as its window does.

In processes of their own: a signal that misses its handler would end the tests.
"""

import signal
import subprocess
import sys

import pytest

ENDING = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
RAISE = """
import signal, sys
from avatar_app.app import _quit_on_signals
number = getattr(signal, sys.argv[1])
if sys.argv[2] == "ignored":
    signal.signal(number, signal.SIG_IGN)
closed = []
_quit_on_signals(lambda: closed.append(sys.argv[1]))
signal.raise_signal(number)
print(closed, signal.getsignal(number) is signal.SIG_IGN)
"""


def output_of(name, before):
    done = subprocess.run([sys.executable, "-c", RAISE, name, before], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("name", ENDING)
def test_signal_when_received_then_the_window_closes(name):
    assert output_of(name, "as it is") == f"['{name}'] False"


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no terminal to be closed")
def test_hangup_when_it_was_ignored_at_the_start_then_stays_ignored():
    assert output_of("SIGHUP", "ignored") == "[] True"
