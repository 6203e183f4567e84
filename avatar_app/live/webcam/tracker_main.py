"""Entry point of the tracker process: reads pictures, writes faces, until the pipe closes.

Run as `python -m avatar_app.live.webcam.tracker_main`. With the argument `--every-picture` the detector checks every
picture, which takes twice as long: for recordings, where the number of faces must be known at all times.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import BinaryIO

import cv2

from avatar_app.contracts.packets import Float32
from avatar_app.live.webcam.face import measure_face
from avatar_app.live.webcam.landmarks import CHECK_INTERVAL_FRAMES, Landmarks
from avatar_app.live.webcam.protocol import FACE, FAILED, NO_FACE, READY, DetectedFace, Reply, read_picture, write_reply
from avatar_app.live.webcam.rigid import RigidFace

EXIT_FAILED = 1
EVERY_PICTURE = "--every-picture"
# With a larger residual of the rigid model there is no face. A still face has 0.3 to 0.6.
MAX_ERROR_CM = 1.5


def main() -> int:
    """Reply to pictures until the program ends or closes the pipe."""
    # Ctrl-C in a terminal reaches this process too; the program ends it by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = _own_stdout()
    cv2.setNumThreads(1)
    try:
        landmarks = Landmarks(1 if EVERY_PICTURE in sys.argv[1:] else CHECK_INTERVAL_FRAMES)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        write_reply(replies, Reply(FAILED, problem=f"{type(error).__name__}: {error}"))
        return EXIT_FAILED
    model = RigidFace()
    write_reply(replies, Reply(READY))
    try:
        while (picture := read_picture(sys.stdin.buffer)) is not None:
            number, pixels = picture
            tracked = landmarks.track(pixels)
            write_reply(replies, _reply(number, tracked, model, landmarks.n_faces))
    except BrokenPipeError:
        pass
    return 0


def _reply(number: int, tracked: tuple[Float32, float] | None, model: RigidFace, n_faces: int) -> Reply:
    if tracked is None:
        return Reply(NO_FACE, number)
    landmarks_px, confidence = tracked
    face = measure_face(landmarks_px, model)
    if face.error_cm > MAX_ERROR_CM:
        return Reply(NO_FACE, number)
    return Reply(FACE, number, DetectedFace(face, confidence, landmarks_px, n_faces))


def _own_stdout() -> BinaryIO:
    """The pipe to the program; other output of this process goes to stderr."""
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return pipe


if __name__ == "__main__":
    raise SystemExit(main())
