"""The order of a recording: silence, then sentence after sentence, with pause and repeat. No Qt."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from avatar_app.contracts.units import ns_to_s, s_to_ns
from avatar_app.gui.enrol.sentences import reading_s, sentences_of

if TYPE_CHECKING:
    from avatar_app.live.enrol import SentenceResult

STILL_TEXT = "Stay still and silent. Look into the camera, lips closed."
STILL_S = 10.0
# A shorter video is refused when the avatar is made.
MIN_SENTENCE_S = 2.2
FIRST_COUNTDOWN_S, COUNTDOWN_S = 3.0, 0.8
# Speech is this much louder than the quietest sound of the sentence.
VOICE_OVER_FLOOR_DB = 12.0
MIN_VOICE_DB = -50.0
# A sentence ends after this silence, once about half of it has been spoken.
END_SILENCE_S, MIN_SPOKEN_RATIO = 0.9, 0.45


class Phase(enum.Enum):
    """What the teleprompter does."""

    READY = "ready"
    COUNTDOWN = "countdown"
    RECORDING = "recording"
    SAVING = "saving"
    PAUSED = "paused"
    DONE = "done"


class Mark(enum.Enum):
    """What has been recorded of a prompt."""

    NONE = "none"
    GOOD = "good"
    FLAWED = "flawed"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One thing to record: a sentence to read, or silence.

    Attributes:
        text: what is read, or the instruction.
        seconds: about how long it takes.
        is_silent: whether the user keeps silent.
        file: where it is recorded.
    """

    text: str
    seconds: float
    is_silent: bool
    file: Path


class Camera(Protocol):
    """What records: see `RecordingSession`."""

    def begin(self, file: Path, *, is_silent: bool = False) -> None:
        """Record from now on."""
        ...

    def end(self) -> None:
        """End the sentence; its result follows."""
        ...

    def cancel(self) -> None:
        """Drop the sentence."""
        ...

    def take_result(self) -> SentenceResult | None:
        """How the last sentence ended; None until then."""
        ...


class SentenceEnd:
    """Finds the end of a sentence by its sound. Thread: one.

    Args:
        seconds: about how long the sentence takes.
        t_begin_ns: when its recording began.
    """

    def __init__(self, seconds: float, t_begin_ns: int) -> None:
        self._seconds = seconds
        self._t_begin_ns = self._t_last_ns = self._t_voice_ns = t_begin_ns
        self._floor_db = 0.0
        self._spoken_ns = 0

    def feed(self, level_db: float, t_ns: int) -> bool:
        """Take the level at an instant; returns whether the sentence is over."""
        self._floor_db = min(self._floor_db, level_db)
        if level_db > max(MIN_VOICE_DB, self._floor_db + VOICE_OVER_FLOOR_DB):
            self._spoken_ns += t_ns - self._t_last_ns
            self._t_voice_ns = t_ns
        self._t_last_ns = t_ns
        is_long_enough = ns_to_s(t_ns - self._t_begin_ns) >= MIN_SENTENCE_S
        is_spoken = is_long_enough and ns_to_s(self._spoken_ns) >= MIN_SPOKEN_RATIO * self._seconds
        return is_spoken and ns_to_s(t_ns - self._t_voice_ns) >= END_SILENCE_S


class Teleprompter:
    """Goes through the prompts. Thread: main.

    Args:
        prompts: in order; those whose file exists are recorded already.
        camera: records them.

    Attributes:
        phase: what happens now.
        index: number of the prompt.
        problem: what is wrong with the last recording, or why it stopped; empty if nothing is.
    """

    def __init__(self, prompts: Sequence[Prompt], camera: Camera) -> None:
        self.prompts, self._camera = tuple(prompts), camera
        self.marks = [Mark.GOOD if prompt.file.is_file() else Mark.NONE for prompt in self.prompts]
        self.problems = [""] * len(self.prompts)
        self.problem = ""
        self.index = self._next_open(0) or 0
        self.phase = Phase.DONE if self.is_complete else Phase.READY
        self._t_phase_ns = self._t_now_ns = 0
        self._countdown_s = FIRST_COUNTDOWN_S
        self._end: SentenceEnd | None = None

    @property
    def prompt(self) -> Prompt:
        """The prompt that is shown."""
        return self.prompts[self.index]

    @property
    def is_complete(self) -> bool:
        """Whether everything is recorded."""
        return Mark.NONE not in self.marks

    @property
    def is_busy(self) -> bool:
        """Whether it records, or is about to."""
        return self.phase in (Phase.COUNTDOWN, Phase.RECORDING, Phase.SAVING)

    @property
    def can_end(self) -> bool:
        """Whether the user can end the sentence now."""
        is_long_enough = self.passed_s >= MIN_SENTENCE_S and not self.prompt.is_silent
        return self.phase is Phase.RECORDING and is_long_enough

    @property
    def passed_s(self) -> float:
        """Seconds since the phase began."""
        return max(0.0, ns_to_s(self._t_now_ns - self._t_phase_ns))

    @property
    def countdown_s(self) -> float:
        """Seconds until the recording begins, in the phase COUNTDOWN."""
        return max(0.0, self._countdown_s - self.passed_s)

    def go(self, t_ns: int) -> None:
        """Start, or continue after a pause; a flawed sentence is kept."""
        if self.is_busy:
            return
        if self.marks[self.index] is not Mark.NONE and self.phase is Phase.PAUSED:
            self._advance(t_ns, FIRST_COUNTDOWN_S)
        else:
            self._begin_countdown(t_ns, FIRST_COUNTDOWN_S)

    def pause(self, problem: str = "") -> None:
        """Stop; the unfinished sentence is dropped."""
        if self.is_busy:
            self._camera.cancel()
            self.phase, self.problem = Phase.PAUSED, problem

    def repeat(self, t_ns: int) -> None:
        """Record the current prompt again."""
        countdown_s = COUNTDOWN_S if self.is_busy else FIRST_COUNTDOWN_S
        self.pause()
        self._begin_countdown(t_ns, countdown_s)

    def next(self) -> None:
        """End the sentence now, if it is long enough."""
        if self.can_end:
            self._finish()

    def select(self, index: int) -> None:
        """Show another prompt, for example to repeat it; does nothing while it records."""
        if not self.is_busy:
            self.index, self.problem = index, self.problems[index]
            if self.phase is Phase.READY and self.marks[index] is not Mark.NONE:
                self.phase = Phase.PAUSED

    def tick(self, t_ns: int, level_db: float) -> None:
        """Advance in time.

        Args:
            t_ns: now.
            level_db: of the microphone, in dBFS.
        """
        self._t_now_ns = t_ns
        if self.phase is Phase.COUNTDOWN and self.countdown_s <= 0:
            self._begin(t_ns)
        elif self.phase is Phase.RECORDING and self._is_over(t_ns, level_db):
            self._finish()
        elif self.phase is Phase.SAVING:
            result = self._camera.take_result()
            if result is not None:
                self._note(result, t_ns)

    def _begin_countdown(self, t_ns: int, seconds: float) -> None:
        self.problem, self._countdown_s = "", seconds
        self._set(Phase.COUNTDOWN, t_ns)

    def _begin(self, t_ns: int) -> None:
        prompt = self.prompt
        # A result that came after a pause belongs to a dropped sentence.
        while self._camera.take_result() is not None:
            pass
        self._camera.begin(prompt.file, is_silent=prompt.is_silent)
        self._end = SentenceEnd(prompt.seconds, t_ns)
        self._set(Phase.RECORDING, t_ns)

    def _finish(self) -> None:
        self._camera.end()
        self._set(Phase.SAVING, self._t_now_ns)

    def _is_over(self, t_ns: int, level_db: float) -> bool:
        if self.prompt.is_silent:
            return t_ns - self._t_phase_ns >= s_to_ns(self.prompt.seconds)
        return self._end is not None and self._end.feed(level_db, t_ns)

    def _note(self, result: SentenceResult, t_ns: int) -> None:
        """Take the result of a sentence: go on after a good one, stop after another."""
        self.problem = self.problems[self.index] = f"{result.problem} {result.what_to_do}".strip()
        if result.file is not None:
            self.marks[self.index] = Mark.FLAWED if result.problem else Mark.GOOD
        if result.problem:
            self._set(Phase.PAUSED, t_ns)
        else:
            self._advance(t_ns, COUNTDOWN_S)

    def _advance(self, t_ns: int, countdown_s: float) -> None:
        following = self._next_open(self.index)
        if following is None:
            self.problem = ""
            self._set(Phase.DONE, t_ns)
            return
        self.index = following
        self._begin_countdown(t_ns, countdown_s)

    def _next_open(self, index: int) -> int | None:
        """The next prompt without a recording, from an index on and round; None if there is none."""
        order = (*range(index, len(self.marks)), *range(index))
        return next((one for one in order if self.marks[one] is Mark.NONE), None)

    def _set(self, phase: Phase, t_ns: int) -> None:
        self.phase, self._t_phase_ns, self._t_now_ns = phase, t_ns, t_ns


def prompts_of(language: str, folder: Path, suffix: str) -> tuple[Prompt, ...]:
    """Ten seconds of silence, then the sentences of a language.

    Args:
        language: one of `sentences.LANGUAGES`.
        folder: of the recordings; files of another language have other names.
        suffix: of the files.
    """
    still = Prompt(STILL_TEXT, STILL_S, True, folder / f"00-still{suffix}")
    spoken = (
        Prompt(text, reading_s(text), False, folder / f"{number:02d}-{language}{suffix}")
        for number, text in enumerate(sentences_of(language), 1)
    )
    return (still, *spoken)


def total_s(prompts: Sequence[Prompt]) -> float:
    """About how long a recording takes, with the pauses between the sentences."""
    return sum(prompt.seconds for prompt in prompts) + len(prompts) * COUNTDOWN_S
