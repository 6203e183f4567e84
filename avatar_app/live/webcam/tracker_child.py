"""The tracker's process: pictures in, faces out, until the pipe ends.

Run as `python -m avatar_app.live.webcam.tracker_child`.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import BinaryIO

import cv2

from avatar_app.contracts.packets import Float32
from avatar_app.live.webcam.face import measure_face
from avatar_app.live.webcam.landmarks import Landmarks
from avatar_app.live.webcam.rigid import RigidFace
from avatar_app.live.webcam.wire import FACE, FAILED, NOTHING, READY, Found, Reply, read_picture, write_reply

EXIT_FAILED = 1
# A face whose stiff parts are so far from any face's is none. A still one has 0.3 to 0.6.
MAX_ERROR_CM = 1.5


def main() -> int:
    """Answer pictures until the program ends or hangs up."""
    # Ctrl-C in a terminal reaches this process too; its program ends it by its pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = _own_stdout()
    cv2.setNumThreads(1)
    try:
        landmarks = Landmarks()
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        write_reply(answers, Reply(FAILED, problem=f"{type(error).__name__}: {error}"))
        return EXIT_FAILED
    model = RigidFace()
    write_reply(answers, Reply(READY))
    try:
        while (picture := read_picture(sys.stdin.buffer)) is not None:
            number, pixels = picture
            found = landmarks.track(pixels)
            write_reply(answers, _reply(number, found, model))
    except BrokenPipeError:
        pass
    return 0


def _reply(number: int, found: tuple[Float32, float] | None, model: RigidFace) -> Reply:
    if found is None:
        return Reply(NOTHING, number)
    landmarks, confidence = found
    face = measure_face(landmarks, model)
    if face.error_cm > MAX_ERROR_CM:
        return Reply(NOTHING, number)
    return Reply(FACE, number, Found(face, confidence, landmarks[:, :2]))


def _own_stdout() -> BinaryIO:
    """The pipe to the program, out of reach of whatever else in this process prints."""
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return pipe


if __name__ == "__main__":
    raise SystemExit(main())
