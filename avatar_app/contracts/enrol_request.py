"""`request.json` in the folder of an enrolment: what the wizard was asked for, so that another start can continue it.

An enrolment has one folder in `ProfilePaths.enrolments_dir`, named after the avatar that it makes. The wizard writes
`request.json`, `recording/` and `text.txt`; everything else belongs to `avatar-app studio enrol`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from avatar_app.contracts.atomic_file import write_text
from avatar_app.contracts.errors import InputFileError
from avatar_app.contracts.fields import check_fields, problem
from avatar_app.contracts.input_file import read_object

FILE_NAME = "request.json"
RECORDING_FOLDER, TEXT_NAME = "recording", "text.txt"
# Matroska holds pictures at any time and FLAC; a file that was cut off stays readable.
RECORDING_SUFFIX = ".mkv"
QUALITIES = ("quick", "good", "best")


@dataclass(frozen=True, slots=True)
class EnrolRequest:
    """What an enrolment is made from.

    Attributes:
        name: of the avatar, as the user wrote it.
        consent: the sentence that the user confirmed; empty without consent.
        videos: absolute paths, in the order of the sentences.
        text: absolute path of the text that is spoken, one line for each sentence; empty when unknown.
        language: of the text, such as `de`; empty without a text.
        quality: one of `QUALITIES`.
        keep_background: keep the background instead of cutting the person out.
    """

    name: str
    consent: str
    videos: tuple[str, ...] = ()
    text: str = ""
    language: str = ""
    quality: str = "good"
    keep_background: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        if self.quality not in QUALITIES:
            raise ValueError(f"quality is not {', '.join(QUALITIES)}")
        if not isinstance(self.keep_background, bool):
            raise TypeError("keep_background is not true or false")


def write_request(folder: Path, request: EnrolRequest) -> None:
    """Write the request of an enrolment.

    Raises:
        OSError: the folder cannot be written.
    """
    write_text(folder / FILE_NAME, json.dumps(asdict(request), indent=2, ensure_ascii=False), is_private=True)


def read_request(folder: Path) -> EnrolRequest:
    """Read the request of an enrolment. Unknown fields are ignored.

    Raises:
        MissingFileError: there is none.
        InputFileError: it cannot be used.
    """
    fields = read_object(folder / FILE_NAME)
    try:
        known = {name: fields[name] for name in EnrolRequest.__dataclass_fields__ if name in fields}
        return EnrolRequest(**{**known, "videos": tuple(known.get("videos", ()))})
    except (KeyError, TypeError, ValueError) as error:
        raise InputFileError(problem(error)) from error


def command_arguments(avatar_id: str, request: EnrolRequest, profile_dir: Path | None) -> list[str]:
    """The arguments of `avatar-app` that make the avatar of a request.

    Args:
        avatar_id: name of the enrolment's folder, and of the avatar.
        request: what is made.
        profile_dir: the user's folder; None for the folders of the platform.
    """
    words = ["studio", "enrol", "--id", avatar_id, "--name", request.name, "--quality", request.quality]
    words += ["--progress", "json"]
    words += ["--consent"] if request.consent else []
    words += ["--text", request.text] if request.text else []
    words += ["--language", request.language] if request.text and request.language else []
    words += ["--keep-background"] if request.keep_background else []
    words += ["--profile-dir", str(profile_dir)] if profile_dir is not None else []
    return [*words, "--video", *request.videos]
