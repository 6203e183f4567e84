"""The virtual cameras of this machine, through pyvirtualcam, which only this module uses.

pyvirtualcam is GPL-2 and therefore an extra, imported when a camera is opened. Its drivers hold the GIL while they
convert a picture, so the conversion to their format is done here, in OpenCV, which releases it.
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any, Protocol

import cv2
import numpy as np

from avatar_app.contracts.errors import MissingExtraError, OutputError
from avatar_app.contracts.packets import UInt8
from avatar_app.live.camera.layout import Layout

# Cameras that keep transparency.
ALPHA_BACKENDS = ("unitycapture",)
RUN_DOCTOR = "Run `avatar-app doctor`: it finds what is missing."
# pybind11 raises driver errors as these; other exceptions are faults of this program.
DRIVER_ERRORS = (RuntimeError, ValueError, OSError)


class OpenCamera(Protocol):
    """An open camera. Thread: the camera's."""

    backend: str
    device: str
    keeps_alpha: bool

    def send(self, frame: UInt8) -> None:
        """Send (H, W, 3) BGR, or (H, W, 4) BGRA if `keeps_alpha`; may block.

        Raises:
            OutputError: the camera is lost.
        """
        ...

    def close(self) -> None:
        """Close the camera."""
        ...


class Opener(Protocol):
    """Opens a camera; tests pass their own."""

    def __call__(self, layout: Layout, device: str, backend: str) -> OpenCamera:
        """Open a camera.

        Raises:
            OutputError: no camera can be opened.
        """
        ...


def require_package() -> ModuleType:
    """Import pyvirtualcam.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import pyvirtualcam
    except ImportError as error:
        raise MissingExtraError(
            "The virtual camera needs the package pyvirtualcam.",
            "Install the camera extra: .venv/bin/pip install -e '.[camera]'",
        ) from error
    module: ModuleType = pyvirtualcam
    return module


def open_camera(layout: Layout, device: str = "", backend: str = "") -> OpenCamera:
    """Open the first camera that accepts the layout; cameras that keep transparency first, if it is wanted.

    Args:
        layout: size, rate, alpha.
        device: its name, such as `/dev/video10`; "" for any.
        backend: "v4l2loopback", "obs" or "unitycapture"; "" for any.

    Raises:
        MissingExtraError: pyvirtualcam is not installed.
        OutputError: none could be opened; the message has the reason of every driver.
    """
    package = require_package()
    known = list(package.camera.BACKENDS)
    if backend and backend not in known:
        raise OutputError(f"There is no camera driver {backend!r} here.", f"Use one of: {', '.join(known)}.")
    reasons = []
    for name in [backend] if backend else sorted(known, key=lambda b: layout.keeps_alpha and b not in ALPHA_BACKENDS):
        found = _try(package, layout, device, name)
        if not isinstance(found, str):
            return found
        reasons.append(found)
    details = "; ".join(reasons) or "this system has no driver for one"
    raise OutputError(f"The virtual camera cannot be opened ({details}).", RUN_DOCTOR)


class _PyVirtualCam:
    """A camera of pyvirtualcam. Thread: the camera's."""

    def __init__(self, package: Any, layout: Layout, device: str, backend: str) -> None:
        self.keeps_alpha = layout.keeps_alpha and backend in ALPHA_BACKENDS
        self.backend = backend
        formats = package.PixelFormat
        self._camera = package.Camera(
            layout.width_px,
            layout.height_px,
            layout.fps,
            fmt=formats.RGBA if self.keeps_alpha else formats.I420,
            device=device or None,
            backend=backend,
        )
        self.device = str(self._camera.device)

    def send(self, frame: UInt8) -> None:
        how = cv2.COLOR_BGRA2RGBA if self.keeps_alpha else cv2.COLOR_BGR2YUV_I420
        try:
            # The v4l2loopback driver does not report failed writes: a removed device is detected by its missing file.
            if self.device.startswith("/dev/") and not os.path.exists(self.device):
                raise OSError(f"{self.device} was removed")
            self._camera.send(np.asarray(cv2.cvtColor(frame, how), np.uint8))
        except DRIVER_ERRORS as error:
            raise OutputError(f"The virtual camera {self.device} was lost ({error}).", RUN_DOCTOR) from error

    def close(self) -> None:
        self._camera.close()


def _try(package: Any, layout: Layout, device: str, backend: str) -> OpenCamera | str:
    """Open a camera; returns the driver's message on failure, without the prefix and advice of pyvirtualcam."""
    try:
        return _PyVirtualCam(package, layout, device, backend)
    except DRIVER_ERRORS as error:
        message = str(error).removeprefix(f"'{backend}' backend: ").partition(" See also")[0]
        return f"{backend}: {message.strip().rstrip('.')}"
