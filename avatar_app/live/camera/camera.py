"""The virtual camera: starts and stops the thread that sends to it."""

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
from avatar_app.live.camera.findings import first_problem
from avatar_app.live.camera.layout import Layout
from avatar_app.live.camera.loop import CameraLoop
from avatar_app.live.camera.status import CameraStatus
from avatar_app.live.runtime.worker import Worker

log = logging.getLogger(__name__)

# `stop` waits this long for a blocked driver; the thread ends when the driver returns.
STOP_TIMEOUT_S = 1.0


class VirtualCamera:
    """Shows the avatar as a webcam at a constant rate, also when pictures, the driver or the device fail.

    Thread: `start`, `stop` by the owner, `status` any. They do not wait for the driver: its own thread opens the
    camera, sends to it, and opens it again after a loss.

    Args:
        pictures: mailbox of the avatar's pictures.
        layout: size, rate and background, fixed while it runs.
        clock: the program's.
        notices: get a warning when the camera is lost, under the key "camera".
        device: such as `/dev/video10`; "" for the first that can be opened.
        backend: "v4l2loopback", "obs" or "unitycapture"; "" for any.
        open_device: opens cameras.
        find_problem: finds why a camera cannot be opened, and what to do.
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
        find_problem: Callable[[], CameraFinding | None] | None = None,
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
            find_problem or partial(first_problem, wants_alpha=layout.keeps_alpha),
        )
        self._needs_package = open_device is open_camera
        self._loop = self._make_loop()
        self._worker: Worker | None = None

    def start(self) -> None:
        """Start; the camera opens in the background. A second call does nothing.

        Raises:
            MissingExtraError: the camera extra is not installed.
        """
        if self._worker is not None:
            return
        if self._needs_package:
            require_package()
        # A new loop and worker for each session: an old one may still be blocked in the driver.
        self._loop = self._make_loop()
        self._worker = Worker("camera", self._loop.step, self._clock, self._notices, self._loop.recover)
        self._worker.start()

    def stop(self) -> None:
        """Send the placeholder as the last picture, and close; a second call does nothing."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop(STOP_TIMEOUT_S)
            self._loop.close()

    def status(self) -> CameraStatus:
        """The current status; cheap."""
        return self._loop.status(is_stopped=self._worker is None)
