"""The virtual cameras of this machine, through pyvirtualcam: the only module that knows it.

pyvirtualcam is GPL-2 and therefore an extra, imported when a camera is opened. Its drivers take a picture without
letting go of the interpreter, so what they get is already in the format that they hand on: converting it happens here,
in OpenCV, which does let go.
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

# The cameras that hand transparency on.
ALPHA_BACKENDS = ("unitycapture",)
LOOK_INTO_IT = "Run `avatar-app doctor`: it says what is missing."
# pybind11 turns what a driver throws into these; others would be a mistake of ours.
DRIVER_ERRORS = (RuntimeError, ValueError, OSError)


class OpenCamera(Protocol):
    """A camera that takes pictures. Thread: the camera's."""

    backend: str
    device: str
    keeps_alpha: bool

    def send(self, frame: UInt8) -> None:
        """Show (H, W, 3) BGR, or (H, W, 4) BGRA if `keeps_alpha`; may block.

        Raises:
            OutputError: the camera is gone.
        """
        ...

    def close(self) -> None:
        """Give the camera back."""
        ...


class Opener(Protocol):
    """How a camera is opened; tests put another in its place."""

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
    """Open the first camera that will have these pictures; those that keep transparency first, where it is wanted.

    Args:
        layout: size, rate, alpha.
        device: its name, as `/dev/video10`; "" for any.
        backend: "v4l2loopback", "obs" or "unitycapture"; "" for any.

    Raises:
        MissingExtraError: pyvirtualcam is not installed.
        OutputError: none could be opened; the sentence has every driver's reason.
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
    told = "; ".join(reasons) or "this system has no driver for one"
    raise OutputError(f"The virtual camera cannot be opened ({told}).", LOOK_INTO_IT)


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
            # v4l2loopback's driver only prints failed writes: a device that was taken away is seen by its missing file.
            if self.device.startswith("/dev/") and not os.path.exists(self.device):
                raise OSError(f"{self.device} is gone")
            self._camera.send(np.asarray(cv2.cvtColor(frame, how), np.uint8))
        except DRIVER_ERRORS as error:
            raise OutputError(f"The virtual camera {self.device} was lost ({error}).", LOOK_INTO_IT) from error

    def close(self) -> None:
        self._camera.close()


def _try(package: Any, layout: Layout, device: str, backend: str) -> OpenCamera | str:
    """The camera, or the driver's words: without the name that pyvirtualcam puts before them, and its advice."""
    try:
        return _PyVirtualCam(package, layout, device, backend)
    except DRIVER_ERRORS as error:
        said = str(error).removeprefix(f"'{backend}' backend: ").partition(" See also")[0]
        return f"{backend}: {said.strip().rstrip('.')}"
