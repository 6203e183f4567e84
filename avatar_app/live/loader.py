"""The slots of the live path that need several rooms: avatar, background, model and webcam."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from avatar_app.contracts.errors import UserError
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import Float32
from avatar_app.contracts.student_spec import StudentSpec
from avatar_app.live.frame import Avatar, Background, PoseAssets
from avatar_app.live.frame_thread import FramePart
from avatar_app.live.head_tracking import HeadTracking
from avatar_app.live.runtime.slot import Request, Slot
from avatar_app.live.speech_thread import SpeechPart
from avatar_app.live.student import Student, load, ranking
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import AUTO, BackgroundKind, Settings

log = logging.getLogger(__name__)


class AvatarSlot(Slot[Avatar]):
    """The avatar. Thread: see `Slot`."""

    def __init__(self, settings: Settings, notices: NoticeBoard, frame: FramePart) -> None:
        super().__init__("avatar", ("avatar",), settings, notices)
        self._frame = frame

    def _open(self, settings: Settings) -> Avatar:
        return Avatar.load(settings.avatar)

    def _install(self, part: Avatar, settings: Settings) -> None:
        self._frame.set_avatar(part)


class BackgroundSlot(Slot[Background]):
    """The background; a picture takes time to decode. Thread: see `Slot`."""

    def __init__(self, settings: Settings, notices: NoticeBoard, frame: FramePart) -> None:
        fields = ("background", "background_colour", "background_picture")
        super().__init__("background", fields, settings, notices)
        self._frame = frame

    def _open(self, settings: Settings) -> Background:
        # The checkerboard stands for transparency: each sink decides what is below the pictures.
        if settings.background == BackgroundKind.COLOUR:
            return Background.colour(settings.background_colour)
        if settings.background == BackgroundKind.PICTURE:
            return Background.picture(settings.background_picture)
        return Background.transparent()

    def _install(self, part: Background, settings: Settings) -> None:
        self._frame.set_background(part)


class StudentSlot(Slot[Student]):
    """The model; the one in use goes on until another one is ready.

    On the first run a child process measures which engine and precision are the fastest; the avatar speaks meanwhile.

    Thread: see `Slot`.

    Args:
        settings: see `Slot`.
        notices: see `Slot`.
        profile: the user's folders, with models and measurements.
        avatar: its face is an input of the model.
        speech: uses the model.
        on_change: called on the slot's thread when another model is in use.
    """

    def __init__(
        self,
        settings: Settings,
        notices: NoticeBoard,
        profile: ProfilePaths,
        avatar: AvatarSlot,
        speech: SpeechPart,
        on_change: Callable[[], None],
    ) -> None:
        super().__init__("model", ("model", "precision", "engine"), settings, notices)
        self._profile = profile
        self._avatar = avatar
        self._speech = speech
        self._on_change = on_change
        self._measuring: subprocess.Popen[str] | None = None

    def stop(self) -> None:
        """See `Slot.stop`; the measurement ends too."""
        super().stop()
        with self._changed:
            measuring, self._measuring = self._measuring, None
        if measuring is not None:
            measuring.kill()
            measuring.communicate()

    def _open(self, settings: Settings) -> Student:
        student = load(
            settings.model,
            settings.precision,
            settings.engine,
            user_dir=self._profile.models_dir,
            cache_dir=self._profile.cache_dir,
        )
        try:
            student.set_face(self._face_for(student.spec))
        except UserError:
            student.close()
            raise
        return student

    def _face_for(self, spec: StudentSpec) -> Float32:
        """The face of the model's avatar, as the model reads it."""
        current = self._avatar.wait_until_idle()
        avatar = current if current is not None and current.spec.id == spec.avatar_id else Avatar.load(spec.avatar_id)
        return avatar.face_input(spec.size_px)

    def _install(self, part: Student, settings: Settings) -> None:
        # The speech thread closes the older one when it uses this one.
        self._speech.set_student(part)
        self._on_change()
        if AUTO in (settings.precision, settings.engine):
            self._measure(part.spec)

    def _close(self, part: Student) -> None:
        part.close()

    def _measure(self, spec: StudentSpec) -> None:
        if self._measuring is not None or ranking.read(spec, self._profile.cache_dir) is not None:
            return
        log.info("measuring engines and precisions for %s", spec.id)
        try:
            folders = {"cache_dir": self._profile.cache_dir, "user_dir": self._profile.models_dir}
            self._measuring = ranking.start_measuring(spec.id, **folders)
        except OSError as error:
            log.warning("the engines are not measured: %s", error)

    def _idle(self) -> None:
        """After the measurement: open the model again with the fastest engine and precision."""
        with self._changed:
            measuring = self._measuring
            if measuring is None or measuring.poll() is None:
                return
            self._measuring = None
        _, errors = measuring.communicate()
        if measuring.returncode:
            log.warning("the engines could not be measured: %s", (errors.strip().splitlines() or ["no reason"])[-1])
        else:
            self._retry(self.in_use)


@dataclass(frozen=True, slots=True)
class HeadMotion:
    """What turns the head of the avatar; None without an avatar."""

    poses: PoseAssets | None


class WebcamSlot(Slot[HeadMotion]):
    """The webcam that the head follows; an avatar without poses leaves it closed. Thread: see `Slot`."""

    def __init__(
        self, settings: Settings, notices: NoticeBoard, avatar: AvatarSlot, frame: FramePart, following: HeadTracking
    ) -> None:
        super().__init__("follow", ("is_following", "webcam"), settings, notices, is_exclusive=True)
        self._avatar = avatar
        self._frame = frame
        self._following = following

    @property
    def is_open(self) -> bool:
        """Whether the camera is open; while its driver is busy, a closed one still is."""
        return self._following.is_camera_open

    def _open(self, settings: Settings) -> HeadMotion:
        avatar = self._avatar.wait_until_idle()
        return HeadMotion(avatar.poses() if avatar is not None else None)

    def _install(self, part: HeadMotion, settings: Settings) -> None:
        if part.poses is not None:
            self._frame.set_poses(part.poses)
        self._following.start(settings)

    def _close(self, part: HeadMotion) -> None:
        self._following.stop()

    def _refuse(self, request: Request, error: UserError) -> None:
        # Before the result is there: its reader asks what is in use then.
        self.in_use = request.settings.replace(is_following=False)
        super()._refuse(request, error)

    def _idle(self) -> None:
        self._following.keep()
