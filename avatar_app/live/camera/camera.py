"""The virtual camera as its owner sees it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.handoff import Latest
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import Picture
from avatar_app.live.camera.device import Opener, open_camera, require_package
from avatar_app.live.camera.finding import CameraFinding
from avatar_app.live.camera.findings import first_trouble
from avatar_app.live.camera.layout import Layout
from avatar_app.live.camera.loop import CameraLoop, CameraStatus
from avatar_app.live.runtime.worker import Worker

log = logging.getLogger(__name__)

# A driver that holds a picture for longer is left behind; its thread ends when it wakes.
STOP_TIMEOUT_S = 1.0


class VirtualCamera:
    """Shows the avatar as a webcam, at an even rate, whatever becomes of the pictures, the driver or the device.

    Thread: `start`, `stop` by the owner, `status` any. Neither waits for the driver: cameras are opened, fed and found
    again on a thread of their own.

    Args:
        pictures: mailbox of the avatar's pictures.
        layout: size, rate and background, fixed while it runs.
        clock: the program's.
        notices: where a lost camera is told, under the key "camera".
        device: which camera, as `/dev/video10`; "" for the first that will have it.
        backend: "v4l2loopback", "obs" or "unitycapture"; "" for any.
        open_device: opens cameras.
        trouble: finds out why a camera cannot be opened, and what the user can do.
    """

    def __init__(
        self,
        pictures: Latest[Picture],
        layout: Layout,
        clock: Clock,
        notices: NoticeBoard,
        device: str = "",
        backend: str = "",
        open_device: Opener = open_camera,
        trouble: Callable[[], CameraFinding | None] | None = None,
    ) -> None:
        self._clock = clock
        self._notices = notices
        self._make_loop = partial(
            CameraLoop,
            pictures,
            layout,
            clock,
            notices,
            partial(open_device, layout, device, backend),
            trouble or partial(first_trouble, wants_alpha=layout.keeps_alpha),
        )
        self._is_ours = open_device is open_camera
        self._loop = self._make_loop()
        self._worker: Worker | None = None

    def start(self) -> None:
        """Begin; the camera may come later. A second call is fine.

        Raises:
            MissingExtraError: the camera extra is not installed.
        """
        if self._worker is not None:
            return
        if self._is_ours:
            require_package()
        # A loop and a worker for each session: one that is left behind in a driver never meets the next.
        self._loop = self._make_loop()
        self._worker = Worker("camera", self._loop.step, self._clock, self._notices, self._loop.recover)
        self._worker.start()

    def stop(self) -> None:
        """Show the card for the last time and end; twice is fine."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop(STOP_TIMEOUT_S)
            self._loop.close()

    def status(self) -> CameraStatus:
        """How it goes; cheap."""
        return self._loop.status(is_stopped=self._worker is None)
