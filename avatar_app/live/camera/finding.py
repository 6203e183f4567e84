"""One line of what the doctor says about the virtual camera."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARNING = "ok", "warning"
NAME = "virtual camera"


@dataclass(frozen=True, slots=True)
class CameraFinding:
    """One line of the report, in the shape of the doctor's; `what_to_do` is never empty when `health` is not "ok".

    Attributes:
        command: what mends it, for a terminal; empty where that takes more than one command.
    """

    name: str
    health: str
    text: str
    what_to_do: str = ""
    command: str = ""


def fine(text: str, what_to_do: str = "") -> CameraFinding:
    """A finding that keeps nobody from anything."""
    return CameraFinding(NAME, OK, text, what_to_do)


def wrong(text: str, what_to_do: str, command: str = "") -> CameraFinding:
    """A finding that the user can mend; the rest of the program works without."""
    return CameraFinding(NAME, WARNING, text, what_to_do, command)
