"""Passes the camera's pictures on, and checks them while the user records."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from avatar_app.contracts.handoff import Latest, Ring
from avatar_app.live.webcam.picture_source import CameraFrame, scaled_down
from avatar_app.live.webcam.recording_checks import PictureProblem, check_picture
from avatar_app.live.webcam.tracking import Tracked

# Seven checks a second of a usual camera are enough, and leave the processor to the recording.
CHECK_EVERY = 4
# Checked pictures that are kept for the tracker's reply, which takes a second on a busy machine.
N_KEPT = 8
# A problem is shown when most of the newest checks found it, so that a blink or a nod shows nothing.
N_CHECKS, N_SAME = 6, 4


class CameraTap:
    """Gives each picture to the preview and to a recording, and some to the tracker in a small size. Thread: any.

    Attributes:
        newest: the newest picture in full size.
        small: the newest one to check.
        is_recording: whether the recording gets pictures.
    """

    def __init__(self, recorded: Ring[CameraFrame]) -> None:
        self._recorded = recorded
        self._kept: deque[CameraFrame] = deque(maxlen=N_KEPT)
        self.newest: CameraFrame | None = None
        self.small: Latest[CameraFrame] = Latest()
        self.is_recording = False

    def put(self, item: CameraFrame) -> None:
        """Take a picture of the camera."""
        self.newest = item
        if self.is_recording:
            self._recorded.put(item)
        if item.index % CHECK_EVERY == 0:
            self._kept.append(item)
            self.small.put(replace(item, pixels=scaled_down(item.pixels)))

    def full(self, index: int) -> CameraFrame | None:
        """The checked picture of an index in full size; None when it is too old."""
        return next((frame for frame in tuple(self._kept) if frame.index == index), None)

    def forget(self) -> None:
        """Forget all pictures."""
        self.newest = None
        self._kept.clear()


class PictureChecker:
    """Checks each picture that was tracked. Thread: `check` the tracking thread's; the rest any."""

    def __init__(self, tap: CameraTap) -> None:
        self._tap = tap
        self._found: deque[PictureProblem | None] = deque(maxlen=N_CHECKS)
        self._counts: dict[PictureProblem | None, int] = {}

    @property
    def problem(self) -> PictureProblem | None:
        """What most of the newest pictures have; None without a problem, and before the first checks."""
        found = tuple(self._found)
        return next((one for one in PictureProblem if found.count(one) >= N_SAME), None)

    @property
    def n_checked(self) -> int:
        """Pictures checked lately; 0 before the first one."""
        return len(self._found)

    def begin(self) -> None:
        """Count from now on, for `worst`."""
        self._counts = {}

    def worst(self) -> PictureProblem | None:
        """What at least every third picture since `begin` has; None without such a problem."""
        n_all = sum(self._counts.values())
        return next((one for one in PictureProblem if 3 * self._counts.get(one, 0) > n_all), None)

    def check(self, tracked: Tracked) -> None:
        """Check one picture; called with each result of the tracker."""
        full = self._tap.full(tracked.frame.index)
        if full is None:
            return
        problem = _problem(full, tracked)
        self._found.append(problem)
        self._counts[problem] = self._counts.get(problem, 0) + 1


def _problem(full: CameraFrame, tracked: Tracked) -> PictureProblem | None:
    detected = tracked.detected
    if detected is None:
        return check_picture(full.pixels, None, 0.0, 0.0)
    scale = full.pixels.shape[1] / tracked.frame.pixels.shape[1]
    points, face = detected.points_px * scale, detected.face
    return check_picture(full.pixels, points, face.yaw_deg, face.pitch_deg, detected.n_faces)
