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
from avatar_app.live.avatar_models import choose_model
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


# Puts a driver into use, and calls the function when the older one makes no more mouths.
HandOver = Callable[[MouthDriver, Settings, Callable[[], None]], None]


class AvatarSlot(Slot[Renderable]):
    """The avatar. Thread: see `Slot`.

    Another avatar comes with its own model: both are opened before either is used, so that no mouth is pasted on the
    wrong face, and the avatar in use stays if one of the two fails. The first avatar does not wait for its model.

    Args:
        settings: see `Slot`.
        notices: see `Slot`.
        profile: the user's folders.
        frame: uses the avatar.
        hand_over: puts the model of another avatar into use; None leaves models alone.
    """

    def __init__(
        self,
        settings: Settings,
        notices: NoticeBoard,
        profile: ProfilePaths,
        frame: FrameLoop,
        hand_over: HandOver | None = None,
    ) -> None:
        super().__init__("avatar", ("avatar",), settings, notices)
        self.refused_fields = ("avatar", "model")
        self._profile = profile
        self._frame = frame
        self._hand_over = hand_over
        self._driver: MouthDriver | None = None

    def opens_model(self, settings: Settings) -> bool:
        """Whether a request for these settings opens the model too."""
        part = self.part
        return self._hand_over is not None and part is not None and part.id != settings.avatar

    def _open(self, settings: Settings) -> Renderable:
        avatar = load_avatar(settings.avatar, user_dir=self._profile.avatars_dir)
        if self.opens_model(settings):
            self._driver = _opened_driver(settings, avatar, self._profile)
        return avatar

    def _install(self, part: Renderable, settings: Settings) -> None:
        renderer, driver = part.renderer(), self._driver
        self._driver = None
        if driver is None or self._hand_over is None:
            self._frame.set_renderer(renderer)
        else:
            self._frame.set_renderer(renderer, awaits_mouths=True)
            self._hand_over(driver, settings, self._frame.change_mouths)

    def _close(self, part: Renderable) -> None:
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.close()

    def _refuse(self, request: Request, error: UserError) -> None:
        default = Settings().avatar
        if self.part is None and request.settings.avatar != default:
            # Nothing to stay with: the window goes on with the program's own avatar.
            self.in_use = request.settings.replace(avatar=default, model="")
        super()._refuse(request, error)


def _opened_driver(settings: Settings, avatar: Renderable, profile: ProfilePaths) -> MouthDriver:
    """Open the model of an avatar that the settings name.

    Raises:
        UserError: there is none, or it cannot be used.
    """

    def face_of(avatar_id: str, size_px: int) -> Float32:
        # The one that is open is not loaded again.
        face = avatar if avatar.id == avatar_id else load_avatar(avatar_id, user_dir=profile.avatars_dir)
        return face.face_input(size_px)

    options = DriverOptions(face_of, settings.precision, settings.engine, cache_dir=profile.cache_dir)
    return open_driver(choose_model(avatar.id, settings.model, profile), options, user_dir=profile.models_dir)


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

    def hand_over(self, driver: MouthDriver, settings: Settings, then: Callable[[], None]) -> None:
        """Put the model of another avatar into use, see `AvatarSlot`. Thread: that of the avatar's slot.

        Args:
            driver: the opened model.
            settings: that name it.
            then: called when the older model makes no more mouths.
        """
        with self._changed:
            self._part, self.in_use = driver, settings
            self._notices.clear(self.name)
            self._use(driver, settings, then)

    def _open(self, settings: Settings) -> MouthDriver:
        avatar = self._avatar.wait_until_idle()
        settings = self._fitting(settings, avatar)
        if avatar is None:
            avatar = load_avatar(settings.avatar, user_dir=self._profile.avatars_dir)
        return _opened_driver(settings, avatar, self._profile)

    def _used(self, part: MouthDriver, settings: Settings) -> Settings:
        return self._fitting(settings, self._avatar.part)

    def _fitting(self, settings: Settings, avatar: Renderable | None) -> Settings:
        """The settings with the avatar in use; the one that they name was refused if it is another one."""
        in_use = Settings().avatar if avatar is None else avatar.id
        if settings.avatar == in_use:
            return settings
        return settings.replace(avatar=in_use, model=self.in_use.model if self.in_use.avatar == in_use else "")

    def _install(self, part: MouthDriver, settings: Settings) -> None:
        self._use(part, settings, None)

    def _use(self, part: MouthDriver, settings: Settings, then: Callable[[], None] | None) -> None:
        # The speech thread closes the older one when it uses this one.
        self._speech.set_driver(part, then)
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
