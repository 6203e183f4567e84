"""A camera of this machine, through OpenCV."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

import cv2

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import CameraInputError
from avatar_app.contracts.packets import UInt8
from avatar_app.live.runtime.device_loop import users_of
from avatar_app.live.webcam.devices import CameraDevice, find_camera
from avatar_app.live.webcam.picture_source import MAX_SIDE_PX, as_bgr

SIZE = (640, 480)
FPS = 30
# By default OpenCV waits ten seconds for a picture, and the thread with it.
SELECT_TIMEOUT_S = "2"
N_FIRST_TRIES = 3
HOW_TO_ALLOW = {
    "darwin": "Allow it in System Settings, Privacy & Security, Camera, then start the program again.",
    "win32": "Allow it in Settings, Privacy & security, Camera: let desktop apps use it.",
}
JOIN_GROUP = 'Join the group video: sudo usermod -aG video "$USER", then log out and in again.'
CLOSE_OTHERS = "Close the other program that uses it (a meeting, OBS, a browser's page), or choose another camera."


class DeviceSource:
    """An open camera. Thread: the camera's.

    Args:
        name: see `find_camera`.
        clock: for the timestamps of pictures.
        size: wanted width and height; the camera may choose another one.
        max_side_px: of the delivered pictures.

    Raises:
        CameraInputError: it is missing, in use, not allowed, or delivers no picture.
    """

    def __init__(self, name: str, clock: Clock, size: tuple[int, int] = SIZE, max_side_px: int = MAX_SIDE_PX) -> None:
        device = find_camera(name)
        self.label = device.name
        self._clock, self._max_side_px = clock, max_side_px
        self._is_open = True
        _check_access(device)
        self._capture = _open(device, size)
        try:
            self._grab_first()
        except CameraInputError:
            self.close()
            raise
        width, height = (int(self._capture.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        self.size = (width, height)
        self.fps = float(self._capture.get(cv2.CAP_PROP_FPS))

    def read(self) -> tuple[int, UInt8] | None:
        """The next picture.

        Returns:
            Its capture time and (H, W, 3) uint8 BGR; None when it cannot be decoded.

        Raises:
            CameraInputError: the camera is lost.
        """
        if not self._capture.grab():
            raise CameraInputError(f"The camera {self.label} delivers no more pictures.", "Plug it in again.")
        t_ns = self._clock.now_ns()
        is_good, raw = self._capture.retrieve()
        if not is_good or raw is None:
            return None
        return t_ns, as_bgr(raw, f"The camera {self.label}", self._max_side_px)

    def close(self) -> None:
        """Close the camera; a second call does nothing."""
        if self._is_open:
            self._is_open = False
            self._capture.release()

    def _grab_first(self) -> None:
        """Check for a picture: a camera that another program uses often opens but delivers none."""
        for _ in range(N_FIRST_TRIES):
            if self._capture.grab():
                return
        raise CameraInputError(f"The camera {self.label} was opened but delivers no picture.", CLOSE_OTHERS)


def _open(device: CameraDevice, size: tuple[int, int]) -> Any:
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", SELECT_TIMEOUT_S)
    capture = cv2.VideoCapture(device.address, device.backend)
    if not capture.isOpened():
        capture.release()
        raise _open_error(device)
    # Compressed pictures: uncompressed ones reach the full frame rate in small sizes only.
    wanted = (
        (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
        (cv2.CAP_PROP_FRAME_WIDTH, size[0]),
        (cv2.CAP_PROP_FRAME_HEIGHT, size[1]),
        (cv2.CAP_PROP_FPS, FPS),
        (cv2.CAP_PROP_BUFFERSIZE, 1),
    )
    for key, value in wanted:
        capture.set(key, value)
    return capture


def _check_access(device: CameraDevice) -> None:
    """Raise the reason why Linux does not open a device, which OpenCV does not report."""
    if not isinstance(device.address, str):
        return
    try:
        os.close(os.open(device.address, os.O_RDWR | os.O_NONBLOCK))
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            raise CameraInputError(f"You have no permission to use the camera {device.name}.", JOIN_GROUP) from error
        if error.errno == errno.EBUSY:
            raise _open_error(device) from error
        raise CameraInputError(
            f"The camera {device.name} was disconnected ({error.strerror}).", "Plug it in again."
        ) from error


def _open_error(device: CameraDevice) -> CameraInputError:
    what = f"The camera {device.name} cannot be opened"
    if isinstance(device.address, str):
        users = users_of(device.address)
        return CameraInputError(f"{what}: it is in use{' by ' + ', '.join(users) if users else ''}.", CLOSE_OTHERS)
    return CameraInputError(
        f"{what}: it is in use or not allowed.", f"{CLOSE_OTHERS} {HOW_TO_ALLOW.get(sys.platform, '')}".strip()
    )
