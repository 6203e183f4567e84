"""The slots of the live path that use several packages: avatar, background, model and webcam."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from avatar_app.contracts.errors import UserError
from avatar_app.contracts.mouth import MouthDriver
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import Float32
from avatar_app.contracts.renderer import Renderable, Renderer
from avatar_app.contracts.student_spec import StudentSpec
from avatar_app.live.frame import Background, load_avatar
from avatar_app.live.frame_thread import FrameLoop
from avatar_app.live.head_tracking import HeadTracking
from avatar_app.live.mouth_drivers import DriverOptions, open_driver
from avatar_app.live.runtime.slot import Request, Slot
from avatar_app.live.speech_thread import SpeechLoop
from avatar_app.live.student import Student, measuring, ranking
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import AUTO, BackgroundKind, Settings

log = logging.getLogger(__name__)


class AvatarSlot(Slot[Renderable]):
    """The avatar. Thread: see `Slot`."""

    def __init__(self, settings: Settings, notices: NoticeBoard, profile: ProfilePaths, frame: FrameLoop) -> None:
        super().__init__("avatar", ("avatar",), settings, notices)
        self._profile = profile
        self._frame = frame

    def _open(self, settings: Settings) -> Renderable:
        return load_avatar(settings.avatar, user_dir=self._profile.avatars_dir)

    def _install(self, part: Renderable, settings: Settings) -> None:
        self._frame.set_renderer(part.renderer())


class BackgroundSlot(Slot[Background]):
    """The background; a picture takes time to decode. Thread: see `Slot`."""

    def __init__(self, settings: Settings, notices: NoticeBoard, frame: FrameLoop) -> None:
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


class ModelSlot(Slot[MouthDriver]):
    """The model; the one in use stays until another one is ready.

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
        speech: SpeechLoop,
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

    def _open(self, settings: Settings) -> MouthDriver:
        options = DriverOptions(self._face_of, settings.precision, settings.engine, cache_dir=self._profile.cache_dir)
        return open_driver(settings.model, options, user_dir=self._profile.models_dir)

    def _face_of(self, avatar_id: str, size_px: int) -> Float32:
        """The face at rest of an avatar; the one in use is not loaded again."""
        avatar = self._avatar.wait_until_idle()
        if avatar is None or avatar.id != avatar_id:
            avatar = load_avatar(avatar_id, user_dir=self._profile.avatars_dir)
        return avatar.face_input(size_px)

    def _install(self, part: MouthDriver, settings: Settings) -> None:
        # The speech thread closes the older one when it uses this one.
        self._speech.set_driver(part)
        self._on_change()
        if isinstance(part, Student) and AUTO in (settings.precision, settings.engine):
            self._measure(part.spec)

    def _close(self, part: MouthDriver) -> None:
        part.close()

    def _measure(self, spec: StudentSpec) -> None:
        if self._measuring is not None or ranking.read(spec, self._profile.cache_dir) is not None:
            return
        log.info("ranking engines and precisions for %s", spec.id)
        try:
            folders = {"cache_dir": self._profile.cache_dir, "user_dir": self._profile.models_dir}
            self._measuring = measuring.start_measuring(spec.id, **folders)
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
    """Renders the head that follows the webcam; None without an avatar."""

    renderer: Renderer | None


class WebcamSlot(Slot[HeadMotion]):
    """The webcam that the head follows; an avatar without poses leaves it closed. Thread: see `Slot`."""

    def __init__(
        self, settings: Settings, notices: NoticeBoard, avatar: AvatarSlot, frame: FrameLoop, following: HeadTracking
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
        return HeadMotion(avatar.renderer(turns_head=True) if avatar is not None else None)

    def _install(self, part: HeadMotion, settings: Settings) -> None:
        if part.renderer is not None:
            self._frame.set_renderer(part.renderer)
        self._following.start(settings)

    def _close(self, part: HeadMotion) -> None:
        self._following.stop()

    def _refuse(self, request: Request, error: UserError) -> None:
        # Set before the result is posted, because the reader of the result reads it.
        self.in_use = request.settings.replace(is_following=False)
        super()._refuse(request, error)

    def _idle(self) -> None:
        self._following.keep()
