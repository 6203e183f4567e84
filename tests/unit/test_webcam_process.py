"""The tracker process and its protocol, with a fake tracker."""

import io
import os
import select
import signal
import subprocess
import sys

import numpy as np
import pytest

from avatar_app.contracts.errors import CameraInputError
from avatar_app.live.webcam.protocol import (
    FACE,
    FAILED,
    NO_FACE,
    READY,
    DetectedFace,
    Reply,
    read_picture,
    read_reply,
    write_picture,
    write_reply,
)
from avatar_app.live.webcam.tracker_process import TrackerProcess
from tests.fakes.webcam import FACE_AHEAD

ECHO = """
import sys
from avatar_app.live.webcam.protocol import *
write_reply(sys.stdout.buffer, Reply(READY))
while (picture := read_picture(sys.stdin.buffer)) is not None:
    write_reply(sys.stdout.buffer, Reply(NO_FACE, picture[0], problem=str(picture[1].sum())))
"""
HANG = "import time; time.sleep(60)"
# Reached only on failure.
WAIT_S = 60


@pytest.fixture
def start():
    """Starts trackers that run code, and ends them after the test."""
    made = []

    def start(code):
        made.append(TrackerProcess((sys.executable, "-c", code)))
        return made[-1]

    yield start
    for one in made:
        one.close()


def gone(pid):
    """Whether a process ends."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(handle):
        return bool(select.select([handle], [], [], WAIT_S)[0])


def test_protocol_when_picture_is_written_then_the_same_is_read():
    pipe, picture = io.BytesIO(), np.random.default_rng(0).integers(0, 255, (47, 63, 3), np.uint8)
    write_picture(pipe, 7, picture)
    write_picture(pipe, 8, picture[:, ::2])
    pipe.seek(0)
    assert [np.array_equal(read_picture(pipe)[1], sent) for sent in (picture, picture[:, ::2])] == [True, True]
    assert read_picture(pipe) is None


@pytest.mark.parametrize("n_lost", [1, 1000, 47 * 63 * 3])
def test_protocol_when_stream_ends_in_a_picture_then_none(n_lost):
    pipe = io.BytesIO()
    write_picture(pipe, 7, np.zeros((47, 63, 3), np.uint8))
    assert read_picture(io.BytesIO(pipe.getvalue()[:-n_lost])) is None


def test_protocol_when_face_is_written_then_the_same_is_read():
    pipe, points = io.BytesIO(), np.random.default_rng(0).normal(size=(478, 3)).astype(np.float32)
    write_reply(pipe, Reply(FACE, 9, DetectedFace(FACE_AHEAD, 0.75, points, n_faces=2)))
    write_reply(pipe, Reply(FAILED, problem="no model"))
    pipe.seek(0)
    reply = read_reply(pipe.read)
    assert (reply.kind, reply.number, reply.detected.confidence) == (FACE, 9, 0.75)
    assert reply.detected.face.lids_left_cm == pytest.approx(FACE_AHEAD.lids_left_cm)
    assert np.array_equal(reply.detected.points_px, points)
    assert reply.detected.n_faces == 2
    assert read_reply(pipe.read) == Reply(FAILED, problem="no model")
    assert read_reply(pipe.read) is None


def test_process_when_pictures_are_sent_then_it_replies(start):
    tracker = start(ECHO)
    assert tracker.receive(WAIT_S).kind == READY
    for number in range(3):
        tracker.send(number, np.full((480, 640, 3), number, np.uint8))
        assert tracker.receive(WAIT_S) == Reply(NO_FACE, number, problem=str(number * 480 * 640 * 3))
    assert tracker.is_alive


def test_process_when_killed_then_detected_and_no_reply_comes(start):
    tracker = start(ECHO)
    tracker.receive(WAIT_S)
    os.kill(tracker.pid, signal.SIGKILL)
    assert tracker._is_over.wait(WAIT_S)
    assert not tracker.is_alive
    tracker.send(1, np.zeros((480, 640, 3), np.uint8))
    assert tracker.receive(0) is None


def test_process_when_it_hangs_then_send_does_not_block_and_close_ends_it(start):
    tracker = start(HANG)
    for number in range(5):
        tracker.send(number, np.zeros((480, 640, 3), np.uint8))
    # Nothing reads the pictures: a blocking send would block until the process ends.
    assert tracker.is_alive
    tracker.close()
    tracker.close()
    tracker._process.wait(WAIT_S / 2)  # sooner than it ends by itself


def test_process_when_it_reports_a_failure_then_its_message_is_received(start):
    code = (
        "import sys\nfrom avatar_app.live.webcam.protocol import *\n"
        "write_reply(sys.stdout.buffer, Reply(FAILED, 0, None, 'x'))"
    )
    assert start(code).receive(WAIT_S) == Reply(FAILED, problem="x")


def test_process_when_the_program_is_missing_then_error():
    with pytest.raises(CameraInputError, match="cannot be started"):
        TrackerProcess(("/no/such/program",))


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for a process that is not its own")
def test_process_when_the_program_is_killed_then_the_tracker_ends_too():
    code = (
        "import sys\nfrom avatar_app.live.webcam.tracker_process import TrackerProcess\n"
        f"tracker = TrackerProcess((sys.executable, '-c', {ECHO!r}))\n"
        f"tracker.receive({WAIT_S})\nprint(tracker.pid, flush=True)\nsys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], text=True, **pipes) as parent:
        pid = int(parent.stdout.readline())
        os.kill(pid, 0)
        parent.kill()
    assert gone(pid)
