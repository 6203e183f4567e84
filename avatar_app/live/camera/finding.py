"""A finding of the doctor about the virtual camera."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARNING = "ok", "warning"
NAME = "virtual camera"


@dataclass(frozen=True, slots=True)
class CameraFinding:
    """A finding in the shape of the doctor's; `what_to_do` is never empty when `health` is not "ok".

    Attributes:
        command: terminal command that fixes it; "" when one command is not enough.
    """

    name: str
    health: str
    text: str
    what_to_do: str = ""
    command: str = ""


def ok(text: str, what_to_do: str = "") -> CameraFinding:
    """A finding without a problem."""
    return CameraFinding(NAME, OK, text, what_to_do)


def problem(text: str, what_to_do: str, command: str = "") -> CameraFinding:
    """A problem that the user can fix; the rest of the program works without the camera."""
    return CameraFinding(NAME, WARNING, text, what_to_do, command)
