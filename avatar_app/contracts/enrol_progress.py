"""What `avatar-app studio enrol --progress json` writes to stdout: one JSON object a line, which the wizard reads.

A line is one of `{"step": ..., "title": ..., "done": ..., "eta_s": ..., "preview": ...}`, `{"error": {...}}` and
`{"finished": {...}}`. Other lines are ignored, so a library that prints to stdout does no harm.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, TypeAlias

from avatar_app.contracts.errors import InputFileError
from avatar_app.contracts.fields import Within, check_fields
from avatar_app.contracts.input_file import parse_object

MAX_LINE_CHARACTERS = 20_000
MAX_ETA_S = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class EnrolProgress:
    """How far an enrolment is.

    Attributes:
        step: the step's name in the code, such as `renderer`.
        title: the step in words, such as "Learning the mouth".
        done: share of the whole enrolment, 0..1.
        eta_s: seconds that remain; negative while unknown.
        preview: path of the newest preview picture; empty without one.
    """

    step: str
    title: str
    done: Annotated[float, Within(0, 1)]
    eta_s: Annotated[float, Within(-1, MAX_ETA_S)] = -1.0
    preview: str = ""

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class EnrolFailure:
    """Why an enrolment ended without an avatar; the two sentences of a `UserError`."""

    what: str
    what_to_do: str

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class EnrolFinished:
    """What an enrolment made.

    Attributes:
        avatar_id: folder in the user's avatars.
        model_id: folder in the user's models.
        report: path of `report.json`: `{"sentences": ["...", ...]}`, what the figures say in words.
        comparison: path of the video of the held-out sentences, true and drawn side by side; empty without one.
    """

    avatar_id: str
    model_id: str
    report: str
    comparison: str

    def __post_init__(self) -> None:
        check_fields(self)


EnrolMessage: TypeAlias = EnrolProgress | EnrolFailure | EnrolFinished


def format_message(message: EnrolMessage) -> str:
    """The line of a message, without a line end."""
    fields: dict[str, Any] = asdict(message)
    if isinstance(message, EnrolFailure):
        fields = {"error": fields}
    elif isinstance(message, EnrolFinished):
        fields = {"finished": fields}
    return json.dumps(fields, ensure_ascii=True)


def parse_message(line: str) -> EnrolMessage | None:
    """The message of a line; None for anything else. Unknown fields are ignored.

    Args:
        line: with or without its line end.
    """
    text = line.strip()
    if not text.startswith("{") or len(text) > MAX_LINE_CHARACTERS:
        return None
    try:
        return _message(parse_object(text))
    except (InputFileError, KeyError, TypeError, ValueError):
        return None


def _message(fields: Mapping[str, Any]) -> EnrolMessage:
    if "error" in fields:
        error = fields["error"]
        return EnrolFailure(error["what"], error["what_to_do"])
    if "finished" in fields:
        made = fields["finished"]
        return EnrolFinished(made["avatar_id"], made["model_id"], made["report"], made["comparison"])
    # JSON has no negative "unknown": a writer may leave both out, or write null.
    eta_s, preview = fields.get("eta_s"), fields.get("preview")
    return EnrolProgress(
        fields["step"], fields["title"], fields["done"], -1.0 if eta_s is None else eta_s, preview or ""
    )
