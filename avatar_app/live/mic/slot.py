"""Opens the microphone, and what cleans its sound, in the background."""

from __future__ import annotations

from dataclasses import dataclass

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import AudioInputError, UserError
from avatar_app.contracts.handoff import Fan, Ring
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import AudioBlock, VoiceBlock
from avatar_app.contracts.units import s_to_ns
from avatar_app.live.mic.clean import Cleaning, require
from avatar_app.live.mic.level import MicControls
from avatar_app.live.mic.mic import Mic, MicState, MicStatus
from avatar_app.live.mic.opening import DEMO, open_mic
from avatar_app.live.runtime.slot import Request, Slot
from avatar_app.settings.schema import Settings

RING_BLOCKS = 200
RETRY_NS = s_to_ns(3)
NO_MIC = MicStatus(MicState.STOPPED, "", 0, 0, -120.0, -120.0, 0, 0)


@dataclass(frozen=True, slots=True)
class OpenMic:
    """A started microphone.

    Attributes:
        name: under which it was opened.
        mic: the microphone.
        ring: its sound.
        problem: why the built-in sample replaces it.
    """

    name: str
    mic: Mic
    ring: Ring[AudioBlock]
    problem: AudioInputError | None = None


class MicSlot(Slot[OpenMic]):
    """The microphone; a machine without one plays the built-in sample. Thread: see `Slot`.

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
        # The newest request that failed, and its generation.
        self._failed: tuple[int, Settings] | None = None
        self._t_retry_ns = 0

    @property
    def ring(self) -> Ring[AudioBlock]:
        """Sound of the microphone in use; empty without one."""
        opened = self.part
        return self._silence if opened is None else opened.ring

    def status(self) -> MicStatus:
        """Status of the microphone in use."""
        opened = self.part
        return NO_MIC if opened is None else opened.mic.status()

    def set_cleaning(self, cleaning: Cleaning) -> None:
        """Clean the sound of this and every later microphone like this."""
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
        # Finding it may have taken seconds: a microphone that was closed meanwhile is not opened.
        if self._is_current():
            opened.mic.start(opened.ring, self._voice)
        return opened

    def _refuse(self, request: Request, error: UserError) -> None:
        super()._refuse(request, error)
        self._failed, self._t_retry_ns = (self._generation, request.settings), self._clock.now_ns() + RETRY_NS

    def _idle(self) -> None:
        """Try a microphone that could not be opened again, like one that was lost."""
        generation, settings = self._failed or (-1, None)
        if settings is not None and generation == self._generation and self._clock.now_ns() >= self._t_retry_ns:
            self._retry(settings)

    def _install(self, part: OpenMic, settings: Settings) -> None:
        part.mic.set_cleaning(self._cleaning)
        if part.problem is not None:
            text = "No microphone was found, so the built-in speech sample is playing."
            self._notices.info(self.name, text, part.problem.what_to_do)

    def _used(self, part: OpenMic, settings: Settings) -> Settings:
        return settings.replace(mic=part.name)

    def _close(self, part: OpenMic) -> None:
        part.mic.stop()
        # The app no longer waits for a lost microphone.
        self._notices.clear(self.name)


class CleaningSlot(Slot[Cleaning]):
    """Noise suppression and auto-gain; if the package for it is missing, the old one stays. Thread: see `Slot`."""

    def __init__(self, settings: Settings, notices: NoticeBoard, mic: MicSlot) -> None:
        super().__init__("clean", ("noise_suppression", "is_auto_gain_on"), settings, notices)
        self._mic = mic

    def _open(self, settings: Settings) -> Cleaning:
        cleaning = Cleaning(settings.noise_suppression, has_auto_gain=settings.is_auto_gain_on)
        require(cleaning)
        return cleaning

    def _install(self, part: Cleaning, settings: Settings) -> None:
        self._mic.set_cleaning(part)
