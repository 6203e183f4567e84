"""Entry point of the process that finds the person in pictures: reads pictures, writes masks, until the pipe closes.

Run as `python -m avatar_app.studio.enrol.person.person_mask_main`. It is a process of its own because mediapipe needs
other versions of packages than the program (`packaging/decisions/0015`).
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, BinaryIO

import cv2
import numpy as np

from avatar_app.contracts.packets import UInt8
from avatar_app.live.webcam.landmarks import import_mediapipe
from avatar_app.live.webcam.protocol import read_picture
from avatar_app.studio.enrol.person.person_mask_protocol import FAILED, MASK, READY, write_reply

EXIT_FAILED = 1
# The model for square pictures; the other one is for wide ones and has half the rows.
SQUARE_MODEL = 0


def main() -> int:
    """Reply to pictures until the program ends or closes the pipe."""
    # Ctrl-C in a terminal reaches this process too; the program ends it by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = _own_stdout()
    cv2.setNumThreads(1)
    try:
        model = import_mediapipe().solutions.selfie_segmentation.SelfieSegmentation(model_selection=SQUARE_MODEL)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        write_reply(replies, FAILED, f"{type(error).__name__}: {error}".encode())
        return EXIT_FAILED
    write_reply(replies, READY)
    try:
        while (picture := read_picture(sys.stdin.buffer)) is not None:
            write_reply(replies, MASK, _mask(model, picture[1]).tobytes())
    except BrokenPipeError:
        pass
    return 0


def _mask(model: Any, bgr: UInt8) -> UInt8:
    """(H, W) uint8, 255 where the model is sure that there is a person."""
    found = model.process(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)).segmentation_mask
    return np.asarray(np.rint(255 * np.clip(found, 0, 1)), np.uint8)


def _own_stdout() -> BinaryIO:
    """The pipe to the program; other output of this process goes to stderr."""
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return pipe


if __name__ == "__main__":
    raise SystemExit(main())
