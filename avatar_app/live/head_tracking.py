"""Head tracking in the live path: runs the selected webcam and computes the avatar's head pose."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from avatar_app.contracts import atomic_file
from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import InputFileError, MissingFileError
from avatar_app.contracts.head_pose import AvatarPose
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.live.webcam import HeadRetarget, NeutralPose, Preview, RetargetSettings, Webcam, WebcamStatus
from avatar_app.settings.schema import Settings

log = logging.getLogger(__name__)

NEUTRAL_FILE = "webcam-neutral.json"
MakeWebcam = Callable[[str, Clock, NoticeBoard, NeutralPose], Webcam]


class HeadTracking:
    """Opens and closes the webcam, and computes the avatar's head pose from its records.

    Thread: `pose` by the frame thread, the rest any.

    Args:
        clock: the program's.
        notices: get a warning when the camera cannot be used.
        folder: of the file with the neutral pose. Pictures are never stored.
        make_webcam: makes the webcam; tests pass their own.

    Attributes:
        newest: the last result of `pose`.
    """

    def __init__(self, clock: Clock, notices: NoticeBoard, folder: Path, make_webcam: MakeWebcam = Webcam) -> None:
        self._clock = clock
        self._notices = notices
        self._file = folder / NEUTRAL_FILE
        self._make_webcam = make_webcam
        self._webcam: Webcam | None = None
        self._lock = threading.Lock()
        # Stopped webcams whose drivers may still be busy.
        self._closing: tuple[Webcam, ...] = ()
        self._retarget = HeadRetarget()
        self._idle_share = 0.0
        self._neutral = _read(self._file)
        self.newest: AvatarPose | None = None

    def configure(self, settings: Settings) -> None:
        """Use the gains in the settings from now on."""
        self._idle_share = settings.idle_share
        self._retarget.settings = RetargetSettings(
            settings.follow_head,
            settings.follow_gaze,
            settings.follow_blinks,
            settings.follow_brows,
            is_mirrored=settings.is_mirrored,
        )

    def start(self, settings: Settings) -> None:
        """Track with the webcam in the settings; does not wait for it.

        Raises:
            MissingExtraError: the face tracker is not installed.
        """
        webcam = self._make_webcam(settings.webcam, self._clock, self._notices, self._neutral)
        webcam.start()
        with self._lock:
            self._webcam = webcam

    @property
    def is_camera_open(self) -> bool:
        """Whether a camera is open, also a stopped one whose driver still blocks."""
        with self._lock:
            self._closing = tuple(webcam for webcam in self._closing if webcam.is_open)
            return bool(self._closing) or (self._webcam is not None and self._webcam.is_open)

    def keep(self) -> None:
        """Write a new neutral pose to its file; cheap without one."""
        webcam = self._webcam
        if webcam is None or webcam.neutral == self._neutral:
            return
        self._neutral = webcam.neutral
        try:
            atomic_file.write_text(self._file, json.dumps(asdict(self._neutral)) + "\n", is_private=True)
        except OSError as error:
            log.warning("the neutral pose was not saved: %s", error)

    def stop(self) -> None:
        """Close the camera; a second call does nothing."""
        self.keep()
        with self._lock:
            webcam, self._webcam = self._webcam, None
            if webcam is not None:
                self._closing = (*self._closing, webcam)
        if webcam is not None:
            webcam.stop()

    def pose(self, now_ns: int) -> AvatarPose | None:
        """The head pose for a picture; None when tracking is off and its pose has faded out."""
        webcam = self._webcam
        pose = self._retarget.pose_at(webcam.newest() if webcam is not None else None, now_ns)
        if webcam is None and pose.weight == 0:
            self.newest = None
        else:
            self.newest = replace(pose, idle_share=self._idle_share)
        return self.newest

    def status(self) -> WebcamStatus | None:
        """Status of the webcam; None while tracking is off."""
        webcam = self._webcam
        return webcam.status() if webcam is not None else None

    def preview(self) -> Preview | None:
        """The newest picture of the user; None without one."""
        webcam = self._webcam
        return webcam.preview() if webcam is not None else None

    def calibrate(self) -> None:
        """Calibrate the neutral pose on the next three seconds; does nothing while tracking is off."""
        webcam = self._webcam
        if webcam is not None:
            webcam.calibrate()


def _read(file: Path) -> NeutralPose:
    """The neutral pose of an earlier start, or that of an average face."""
    try:
        return NeutralPose.read(file)
    except MissingFileError:
        return NeutralPose()
    except InputFileError as error:
        log.warning("the neutral pose in %s cannot be used: %s", file, error)
        return NeutralPose()
