"""A camera, a tracker and videos for tests of the webcam."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np

from avatar_app.contracts.errors import CameraInputError
from avatar_app.live.webcam.face import N_LANDMARKS, Face
from avatar_app.live.webcam.protocol import FACE, NO_FACE, READY, DetectedFace, Reply
from avatar_app.settings.paths import assets_dir

FACE_AHEAD = Face(
    yaw_deg=0.0, pitch_deg=4.0, roll_deg=0.0, gaze_yaw_deg=0.0, gaze_pitch_deg=-7.0,
    lids_left_cm=0.8, lids_right_cm=0.8, brow_cm=2.4, error_cm=0.3,
)  # fmt: skip


class FakeSource:
    """A camera that delivers grey pictures until it is unplugged."""

    label, size, fps = "Fake", (64, 48), 30.0

    def __init__(self, clock, period_ns=0):
        self.clock = clock
        self.period_ns = period_ns
        self.is_plugged = True
        self.is_silent = False
        self.is_open = True
        self.n_read = 0

    def read(self):
        if not self.is_plugged:
            raise CameraInputError("The camera Fake delivers no more pictures.", "Plug it in again.")
        if self.period_ns:
            self.clock.sleep_until(self.clock.now_ns() + self.period_ns)
        if self.is_silent:
            return None
        self.n_read += 1
        return self.clock.now_ns(), np.full((48, 64, 3), self.n_read % 256, np.uint8)

    def close(self):
        self.is_open = False


class FakeTracker:
    """Replies immediately with `face`; tests let it end, hang or fail."""

    def __init__(self, face=FACE_AHEAD, confidence=0.9, problem=""):
        self.face, self.confidence = face, confidence
        self.replies = [Reply(b"X", problem=problem)] if problem else [Reply(READY)]
        self.is_alive = True
        self.is_hung = False
        self.is_closed = False
        self.sent = []

    def send(self, number, bgr):
        self.sent.append(bgr)
        if self.is_alive and not self.is_hung:
            points = np.zeros((N_LANDMARKS, 3), np.float32)
            detected = DetectedFace(self.face, self.confidence, points) if self.face is not None else None
            self.replies.append(Reply(FACE if detected else NO_FACE, number, detected))

    def receive(self, timeout_s):
        return self.replies.pop(0) if self.replies else None

    def close(self):
        self.is_closed = True
        self.is_alive = False


def write_video(path, pictures, fps=25, codec="libx264", pix_fmt="yuv420p", **options):
    """Write a video of (H, W, 3) BGR or (H, W) grey pictures."""
    with av.open(str(path), "w") as container:
        height, width = pictures[0].shape[:2]
        stream = container.add_stream(codec, rate=Fraction(fps), options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24" if picture.ndim == 3 else "gray")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def portrait(k=0, size_px=480):
    """Nova on grey, (size, size, 3) BGR, idle picture k."""
    folder = assets_dir() / "avatars" / "nova" / "idle"
    colours, alpha = (cv2.imread(str(folder / f"{k:06d}.{kind}"), flags) for kind, flags in (("jpg", 1), ("png", 0)))
    cover = alpha[..., None].astype(np.float32) / 255
    square = (colours * cover + 150 * (1 - cover)).astype(np.uint8)
    return cv2.resize(square, (size_px, size_px), interpolation=cv2.INTER_AREA)


def room(*placed):
    """A grey picture with squares at positions."""
    picture = np.full((480, 640, 3), 150, np.uint8)
    for square, left, top in placed:
        picture[top : top + square.shape[0], left : left + square.shape[1]] = square
    return picture


def nova_before_grey(k=0):
    """Nova as a webcam would show the avatar, (480, 640, 3) BGR."""
    return room((portrait(k), 80, 0))
