"""What the recording page says, and which of its buttons can be pressed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from avatar_app.gui.enrol.teleprompter import Mark, Phase, Teleprompter

if TYPE_CHECKING:
    from avatar_app.live.enrol import SessionStatus

WAITING = "Waiting for camera and microphone …"
GOOD_PICTURE = "Picture and light are good."
UNCHECKED = "The picture is not checked: the face tracker is not installed."
READ = "Read the sentence aloud. The next one follows by itself."
COMPLETE = "Everything is recorded. Click a dot to repeat a sentence, or go on."


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page shows of the teleprompter.

    Attributes:
        status: the line below the sentence.
        state: of the line: "bad", "warning" or "".
        go_text: of the main button.
        can_go, can_repeat, can_end: which buttons can be pressed.
        is_repeat_better: whether the sentence should be repeated.
    """

    status: str
    state: str
    go_text: str
    can_go: bool
    can_repeat: bool
    can_end: bool
    is_repeat_better: bool


def shown_of(prompter: Teleprompter, *, has_devices: bool) -> Shown:
    """What the page shows now."""
    phase = prompter.phase
    status, state = _status(prompter)
    is_idle = not prompter.is_busy
    has_next = Mark.NONE in prompter.marks
    return Shown(
        status,
        state,
        _go_text(prompter),
        can_go=prompter.is_busy or (has_devices and has_next),
        can_repeat=has_devices and phase not in (Phase.READY, Phase.SAVING) and (is_idle or phase is Phase.RECORDING),
        can_end=prompter.can_end,
        is_repeat_better=has_devices and is_idle and bool(prompter.problem),
    )


def advice_of(status: SessionStatus) -> tuple[str, str]:
    """What the live check says, and its state."""
    if status.problem:
        return status.problem, "bad"
    if not (status.has_camera and status.has_mic):
        return WAITING, ""
    if status.advice:
        return status.advice, "warning"
    return (GOOD_PICTURE, "good") if status.is_checked else (UNCHECKED, "")


def _go_text(prompter: Teleprompter) -> str:
    if prompter.is_busy:
        return "Pause"
    is_new = prompter.phase is Phase.READY and all(mark is Mark.NONE for mark in prompter.marks)
    return "Start recording" if is_new else "Continue"


def _status(prompter: Teleprompter) -> tuple[str, str]:
    if prompter.phase is Phase.COUNTDOWN:
        return f"Starts in {math.ceil(prompter.countdown_s)} …", ""
    if prompter.phase is Phase.RECORDING:
        return (f"{_left_s(prompter)} s left", "") if prompter.prompt.is_silent else (READ, "")
    if prompter.phase is Phase.SAVING:
        return "Saving …", ""
    if prompter.problem:
        return f"{prompter.problem} {_what_next(prompter)}".strip(), "warning"
    if prompter.phase is Phase.DONE:
        return COMPLETE, "good"
    return _paused(prompter), ""


def _left_s(prompter: Teleprompter) -> int:
    return math.ceil(max(0.0, prompter.prompt.seconds - prompter.passed_s))


def _what_next(prompter: Teleprompter) -> str:
    """What can be done about a problem; a failure says it itself."""
    return "Repeat it, or continue." if prompter.marks[prompter.index] is Mark.FLAWED else ""


def _paused(prompter: Teleprompter) -> str:
    is_open = prompter.marks[prompter.index] is Mark.NONE
    return "Paused. Continue begins with this sentence." if is_open else "This sentence is recorded and good."
