"""The parts of the live path that are opened in the background, a slot each: see `live/runtime/slot.py`."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import AudioInputError, UserError
from avatar_app.contracts.handoff import Fan, Ring
from avatar_app.contracts.notices import Level, Notice, NoticeBoard
from avatar_app.contracts.packets import AudioBlock, Float32, VoiceBlock
from avatar_app.contracts.student_spec import StudentSpec
from avatar_app.contracts.units import s_to_ns
from avatar_app.live.frame import Avatar, Background, PoseAssets
from avatar_app.live.frame_thread import FramePart
from avatar_app.live.head_tracking import HeadTracking
from avatar_app.live.mic import DEMO, Cleaning, Mic, MicControls, MicState, MicStatus, open_mic, require
from avatar_app.live.runtime.slot import Slot
from avatar_app.live.speech_thread import SpeechPart
from avatar_app.live.student import Student, load, ranking
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings

log = logging.getLogger(__name__)

RING_BLOCKS = 200
RETRY_NS = s_to_ns(3)
NO_MIC = MicStatus(MicState.STOPPED, "", 0, 0, -120.0, -120.0, 0, 0)


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
    """What stands behind the avatar; a picture takes time to decode. Thread: see `Slot`."""

    def __init__(self, settings: Settings, notices: NoticeBoard, frame: FramePart) -> None:
        fields = ("background", "background_colour", "background_picture")
        super().__init__("background", fields, settings, notices)
        self._frame = frame

    def _open(self, settings: Settings) -> Background:
        # "checker" is none: whoever shows pictures decides what is below them.
        if settings.background == "colour":
            return Background.colour(settings.background_colour)
        if settings.background == "picture":
            return Background.picture(settings.background_picture)
        return Background.transparent()

    def _install(self, part: Background, settings: Settings) -> None:
        self._frame.set_background(part)


@dataclass(frozen=True, slots=True)
class OpenMic:
    """A microphone that was started: by which name, and where its sound comes out."""

    name: str
    mic: Mic
    ring: Ring[AudioBlock]
    problem: AudioInputError | None = None


class MicSlot(Slot[OpenMic]):
    """The microphone. A machine without any plays the built-in sample, and says so. Thread: see `Slot`.

    Args:
        settings: see `Slot`.
        notices: see `Slot`.
        clock: the program's.
        controls: gain and mute of every microphone that is opened here.
        voice: gets the sound at the microphone's own rate.
    """

    def __init__(
        self, settings: Settings, notices: NoticeBoard, clock: Clock, controls: MicControls, voice: Fan[VoiceBlock]
    ) -> None:
        super().__init__("mic", ("mic",), settings, notices, is_exclusive=True)
        self._clock = clock
        self._controls = controls
        self._voice = voice
        self._cleaning = Cleaning()
        self._silence: Ring[AudioBlock] = Ring(1)
        # The request that failed last, and its number.
        self._failed: tuple[int, Settings] | None = None
        self._t_retry_ns = 0

    @property
    def ring(self) -> Ring[AudioBlock]:
        """Sound of the microphone that is in use; nothing comes out of it without one."""
        opened = self.part
        return self._silence if opened is None else opened.ring

    def status(self) -> MicStatus:
        """How the microphone that is in use goes."""
        opened = self.part
        return NO_MIC if opened is None else opened.mic.status()

    def set_cleaning(self, cleaning: Cleaning) -> None:
        """Clean the sound like this from now on, of whatever microphone is in use."""
        self._cleaning = cleaning
        opened = self.part
        if opened is not None:
            opened.mic.set_cleaning(cleaning)

    def _open(self, settings: Settings) -> OpenMic:
        try:
            return self._started(settings.mic)
        except AudioInputError as error:
            if settings.mic:
                raise
            return self._started(DEMO, error)

    def _started(self, name: str, problem: AudioInputError | None = None) -> OpenMic:
        self._failed = None
        opened = OpenMic(name, open_mic(name, self._clock, self._notices, self._controls), Ring(RING_BLOCKS), problem)
        # Looking for it may have taken seconds: a microphone that was cut meanwhile is not even opened.
        if self._is_wanted():
            opened.mic.start(opened.ring, self._voice)
        return opened

    def _refuse(self, settings: Settings, error: UserError) -> None:
        super()._refuse(settings, error)
        self._failed, self._t_retry_ns = (self._number, settings), self._clock.now_ns() + RETRY_NS

    def _idle(self) -> None:
        """A microphone that could not be opened is tried again, as one that was lost is."""
        number, settings = self._failed or (-1, None)
        if settings is not None and number == self._number and self._clock.now_ns() >= self._t_retry_ns:
            self._want_again(settings)

    def _install(self, part: OpenMic, settings: Settings) -> None:
        part.mic.set_cleaning(self._cleaning)
        if part.problem is not None:
            text = "No microphone was found, so the built-in speech sample is playing."
            self._notices.post(Notice(self.name, Level.INFO, text, part.problem.what_to_do))

    def _used(self, part: OpenMic, settings: Settings) -> Settings:
        return settings.replace(mic=part.name)

    def _close(self, part: OpenMic) -> None:
        part.mic.stop()
        # Nothing looks for a lost one any more.
        self._notices.clear(self.name)


class CleaningSlot(Slot[Cleaning]):
    """How the sound is cleaned; without the package for it, it stays as it was. Thread: see `Slot`."""

    def __init__(self, settings: Settings, notices: NoticeBoard, mic: MicSlot) -> None:
        super().__init__("clean", ("noise_suppression", "is_auto_gain_on"), settings, notices)
        self._mic = mic

    def _open(self, settings: Settings) -> Cleaning:
        cleaning = Cleaning(settings.noise_suppression, has_auto_gain=settings.is_auto_gain_on)
        require(cleaning)
        return cleaning

    def _install(self, part: Cleaning, settings: Settings) -> None:
        self._mic.set_cleaning(part)


class StudentSlot(Slot[Student]):
    """The model that draws the mouth; the one in use goes on drawing until another one is ready.

    On the first run it is measured in the background which engine and precision are fastest; the face talks meanwhile.

    Thread: see `Slot`.

    Args:
        settings: see `Slot`.
        notices: see `Slot`.
        profile: where the user's models and the measurements are.
        avatar: its face is what a model draws.
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
        """See `Slot.stop`; measuring ends too."""
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
        """The face that a model draws, as it reads it."""
        shown = self._avatar.settle()
        avatar = shown if shown is not None and shown.spec.id == spec.avatar_id else Avatar.load(spec.avatar_id)
        return avatar.face_input(spec.size_px)

    def _install(self, part: Student, settings: Settings) -> None:
        # The speech thread closes the older one when it has taken this one over.
        self._speech.set_student(part)
        self._on_change()
        if "auto" in (settings.precision, settings.engine):
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
        """When the measurement has ended, open the model again, now as what is fastest."""
        with self._changed:
            measuring = self._measuring
            if measuring is None or measuring.poll() is None:
                return
            self._measuring = None
        _, errors = measuring.communicate()
        if measuring.returncode:
            log.warning("the engines could not be measured: %s", (errors.strip().splitlines() or ["no reason"])[-1])
        else:
            self._want_again(self.in_use)


@dataclass(frozen=True, slots=True)
class HeadMotion:
    """What a head that follows the webcam is drawn from; nothing without an avatar."""

    poses: PoseAssets | None


class WebcamSlot(Slot[HeadMotion]):
    """The webcam that the head follows. An avatar whose head cannot be turned leaves it off. Thread: see `Slot`."""

    def __init__(
        self, settings: Settings, notices: NoticeBoard, avatar: AvatarSlot, frame: FramePart, following: HeadTracking
    ) -> None:
        super().__init__("follow", ("is_following", "webcam"), settings, notices, is_exclusive=True)
        self._avatar = avatar
        self._frame = frame
        self._following = following

    @property
    def is_open(self) -> bool:
        """Whether the camera itself is open: one that was cut while its driver was busy still is, until it answers."""
        return self._following.is_camera_open

    def _open(self, settings: Settings) -> HeadMotion:
        avatar = self._avatar.settle()
        return HeadMotion(avatar.poses() if avatar is not None else None)

    def _install(self, part: HeadMotion, settings: Settings) -> None:
        if part.poses is not None:
            self._frame.set_poses(part.poses)
        self._following.start(settings)

    def _close(self, part: HeadMotion) -> None:
        self._following.stop()

    def _refuse(self, settings: Settings, error: UserError) -> None:
        # Before it is told: whoever hears of it asks what is in use then.
        self.in_use = settings.replace(is_following=False)
        super()._refuse(settings, error)

    def _idle(self) -> None:
        self._following.keep()
