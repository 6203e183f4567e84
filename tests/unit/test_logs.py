import json
import logging
import subprocess
import sys

import pytest

from avatar_app.logs import N_REMEMBERED, REPEAT_S, RepeatFilter, start_logging


def record(text: str, t_s: float, level: int = logging.INFO) -> logging.LogRecord:
    made = logging.LogRecord("camera", level, "", 0, text, (), None)
    made.created = t_s
    return made


def test_filter_when_the_same_line_comes_again_and_again_then_once_a_minute_and_others_immediately():
    repeats = RepeatFilter()
    passed = [t_s for t_s in range(0, 200, 3) if repeats.filter(record("no camera", t_s))]
    assert passed == [0, REPEAT_S, 2 * REPEAT_S, 3 * REPEAT_S]
    assert repeats.filter(record("a camera", 190))


def test_filter_when_it_is_a_failure_then_always():
    repeats = RepeatFilter()
    assert all(repeats.filter(record("broken", t_s, logging.ERROR)) for t_s in range(3))


def test_filter_when_all_lines_differ_then_memory_stays_small():
    repeats = RepeatFilter()
    for k in range(2 * N_REMEMBERED):
        assert repeats.filter(record(str(k), k))
    assert len(repeats._seen) == N_REMEMBERED


def test_logging_when_started_then_terminal_and_memory_get_repeats_once(capsys):
    before = logging.getLogger().handlers[:]
    memory = start_logging(is_json=True)
    try:
        for _ in range(3):
            logging.getLogger("camera").info("no camera")
    finally:
        logging.getLogger().handlers[:] = before
    assert len(memory.lines()) == 1
    assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == ["no camera"]


def test_alsa_when_it_prints_an_error_then_in_the_log_and_not_on_stderr():
    code = """
import ctypes, logging, sys
from avatar_app.live.audio.alsa import LIBRARY, redirect_alsa_errors
try:
    library = ctypes.CDLL(LIBRARY)
except OSError:
    sys.exit(77)
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
redirect_alsa_errors()
pcm = ctypes.c_void_p()
library.snd_pcm_open(ctypes.byref(pcm), b"no-such-device", 0, 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 77:
        pytest.skip("no ALSA here")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "ALSA, in " in done.stdout and "Unknown PCM" in done.stdout
