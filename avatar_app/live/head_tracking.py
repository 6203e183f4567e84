"""The user's head in the live path: the webcam that the settings name, and what the avatar's head is to do."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from avatar_app.contracts.atomic_file import write_text
from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import InputFileError, MissingFileError
from avatar_app.contracts.head_pose import AvatarPose
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.live.webcam import Follower, FollowSettings, Neutral, Preview, Webcam, WebcamStatus
from avatar_app.settings.schema import Settings

log = logging.getLogger(__name__)

NEUTRAL_FILE = "webcam-neutral.json"
MakeWebcam = Callable[[str, Clock, NoticeBoard, Neutral], Webcam]


class Following:
    """Opens and cuts the webcam, and says what the avatar is to do.

    Thread: `pose` by the frame thread, the rest any.

    Args:
        clock: the program's.
        notices: where a camera that cannot be used is told.
        folder: where the neutral pose is kept between starts; no picture ever is.
        make_webcam: another webcam, for tests.

    Attributes:
        newest: what `pose` said last.
    """

    def __init__(self, clock: Clock, notices: NoticeBoard, folder: Path, make_webcam: MakeWebcam = Webcam) -> None:
        self._clock = clock
        self._notices = notices
        self._file = folder / NEUTRAL_FILE
        self._make_webcam = make_webcam
        self._webcam: Webcam | None = None
        self._lock = threading.Lock()
        # Cut, perhaps while their drivers were busy.
        self._left_behind: tuple[Webcam, ...] = ()
        self._follower = Follower()
        self._idle_share = 0.0
        self._neutral = _read(self._file)
        self.newest: AvatarPose | None = None

    def configure(self, settings: Settings) -> None:
        """Follow as strongly as the settings say from now on."""
        self._idle_share = settings.idle_share
        self._follower.settings = FollowSettings(
            settings.follow_head,
            settings.follow_gaze,
            settings.follow_blinks,
            settings.follow_brows,
            is_mirrored=settings.is_mirrored,
        )

    def start(self, settings: Settings) -> None:
        """Follow the camera that the settings name; never waits for it.

        Raises:
            MissingExtraError: the face tracker is not installed.
        """
        webcam = self._make_webcam(settings.webcam, self._clock, self._notices, self._neutral)
        webcam.start()
        with self._lock:
            self._webcam = webcam

    @property
    def is_camera_open(self) -> bool:
        """Whether a camera is open, wanted or not, or its driver is opening or closing it."""
        with self._lock:
            self._left_behind = tuple(webcam for webcam in self._left_behind if webcam.is_open)
            return bool(self._left_behind) or (self._webcam is not None and self._webcam.is_open)

    def keep(self) -> None:
        """Write a neutral pose that was just learned; cheap when there is none."""
        webcam = self._webcam
        if webcam is None or webcam.neutral == self._neutral:
            return
        self._neutral = webcam.neutral
        try:
            write_text(self._file, json.dumps(asdict(self._neutral)) + "\n", is_private=True)
        except OSError as error:
            log.warning("the neutral pose is not kept for the next start: %s", error)

    def stop(self) -> None:
        """Cut the camera; twice is fine."""
        self.keep()
        with self._lock:
            webcam, self._webcam = self._webcam, None
            if webcam is not None:
                self._left_behind = (*self._left_behind, webcam)
        if webcam is not None:
            webcam.stop()

    def pose(self, now_ns: int) -> AvatarPose | None:
        """What the head is to do now; None once it has glided back and nothing is followed."""
        webcam = self._webcam
        pose = self._follower.pose_at(webcam.newest() if webcam is not None else None, now_ns)
        if webcam is None and pose.weight == 0:
            self.newest = None
        else:
            self.newest = replace(pose, idle_share=self._idle_share)
        return self.newest

    def status(self) -> WebcamStatus | None:
        """How the webcam goes; None while nothing is followed."""
        webcam = self._webcam
        return webcam.status() if webcam is not None else None

    def preview(self) -> Preview | None:
        """The newest picture of the user; None without one."""
        webcam = self._webcam
        return webcam.preview() if webcam is not None else None

    def calibrate(self) -> None:
        """Take the next three seconds as the user's neutral pose; nothing while nothing is followed."""
        webcam = self._webcam
        if webcam is not None:
            webcam.calibrate()


def _read(file: Path) -> Neutral:
    """The neutral pose of an earlier start, or that of an average face."""
    try:
        return Neutral.read(file)
    except MissingFileError:
        return Neutral()
    except InputFileError as error:
        log.warning("the neutral pose in %s cannot be used: %s", file, error)
        return Neutral()
