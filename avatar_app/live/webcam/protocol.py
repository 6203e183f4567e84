"""The binary protocol between the program and the tracker process, over a pair of pipes.

A request is a header and a picture. A reply is a header and either the measurements of a face with its landmarks, or a
message. One picture is in flight at a time. Either side ends when its stream ends.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import BinaryIO

import numpy as np

from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.live.webcam.face import N_LANDMARKS, Face

PICTURE = struct.Struct("<IHH")
REPLY = struct.Struct("<cII")
READY, NO_FACE, FACE, FAILED = b"R", b"N", b"F", b"X"
KINDS = (READY, NO_FACE, FACE, FAILED)
N_MEASUREMENTS = len(Face.__dataclass_fields__)
FACE_FLOATS = 2 + N_MEASUREMENTS + 3 * N_LANDMARKS
FACE_BYTES = 4 * FACE_FLOATS
MAX_PICTURE_BYTES = 100_000_000


@dataclass(frozen=True, slots=True)
class DetectedFace:
    """A face in one picture.

    Attributes:
        face: its measurements.
        confidence: 0..1.
        points_px: (478, 3) float32, x and y in pixels of the picture, z on the same scale.
        n_faces: faces in the picture that are large enough to matter, at the last check.
    """

    face: Face
    confidence: float
    points_px: Float32
    n_faces: int = 1


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply of the tracker.

    Attributes:
        kind: READY after its start, FACE or NO_FACE for a picture, FAILED before it ends.
        number: of the picture.
        detected: with FACE.
        problem: with FAILED.
    """

    kind: bytes
    number: int = 0
    detected: DetectedFace | None = None
    problem: str = ""


def write_picture(pipe: BinaryIO, number: int, bgr: UInt8) -> None:
    """Send a picture (H, W, 3) uint8, at most 65535 pixels a side."""
    height, width = bgr.shape[:2]
    pipe.write(PICTURE.pack(number, height, width))
    pipe.write(np.ascontiguousarray(bgr).data)
    pipe.flush()


def read_picture(pipe: BinaryIO) -> tuple[int, UInt8] | None:
    """The next picture's number and (H, W, 3) pixels; None at the end of the stream or on invalid data."""
    head = pipe.read(PICTURE.size)
    if len(head) < PICTURE.size:
        return None
    number, height, width = PICTURE.unpack(head)
    if 3 * height * width > MAX_PICTURE_BYTES:
        return None
    pixels = np.empty((height, width, 3), np.uint8)
    view = pixels.reshape(-1).data
    n_read = 0
    while n_read < len(view):
        n_new = pipe.readinto(view[n_read:])  # type: ignore[attr-defined]
        if not n_new:
            return None
        n_read += n_new
    return number, pixels


def write_reply(pipe: BinaryIO, reply: Reply) -> None:
    """Send a reply."""
    body = _floats(reply.detected).tobytes() if reply.detected is not None else reply.problem.encode()[:FACE_BYTES]
    pipe.write(REPLY.pack(reply.kind, reply.number, len(body)) + body)
    pipe.flush()


def read_reply(read: Callable[[int], bytes]) -> Reply | None:
    """The next reply; None at the end of the stream or on invalid data."""
    head = read(REPLY.size)
    if len(head) < REPLY.size:
        return None
    kind, number, n_bytes = REPLY.unpack(head)
    if kind not in KINDS or (n_bytes != FACE_BYTES if kind == FACE else n_bytes > FACE_BYTES):
        return None
    body = read(n_bytes)
    if len(body) < n_bytes:
        return None
    if kind == FACE:
        floats = np.frombuffer(body, np.float32)
        return Reply(kind, number, _detected(floats)) if np.isfinite(floats).all() else None
    return Reply(kind, number, problem=body.decode(errors="replace"))


def _floats(detected: DetectedFace) -> Float32:
    parts = [detected.confidence, detected.n_faces], astuple(detected.face), detected.points_px.ravel()
    return np.concatenate(parts).astype(np.float32)


def _detected(floats: Float32) -> DetectedFace:
    n_before = FACE_FLOATS - 3 * N_LANDMARKS
    face = Face(*(float(value) for value in floats[n_before - N_MEASUREMENTS : n_before]))
    return DetectedFace(face, float(floats[0]), floats[n_before:].reshape(-1, 3), int(floats[1]))
