"""The exception tree.

AppError
├── UserError                what the user can fix; carries `what_to_do`
│   ├── SettingsError        settings file or value
│   ├── AudioInputError      audio file or microphone
│   ├── CameraInputError     webcam, video file that replaces it, or face tracker
│   ├── ModelError           model folder, checksum, fingerprint, engine
│   ├── AvatarError          avatar folder
│   ├── OutputError          file or device that is written to
│   ├── MissingExtraError    optional package that is not installed
│   └── StudioError          data or run folder of the studio
├── InputFileError           any file that `input_file` reads; the caller adds which file it is
│   └── MissingFileError     there is no such file
└── InternalError            fault of the program
"""

from __future__ import annotations


class AppError(Exception):
    """Base of all errors that this program raises."""


class InputFileError(AppError):
    """What is wrong with a file, as the end of a sentence: "it is missing"."""


class MissingFileError(InputFileError):
    """There is no such file."""


class InternalError(AppError):
    """A fault of the program."""


class UserError(AppError):
    """An error that the user can fix.

    Args:
        what: one sentence that says what is wrong.
        what_to_do: one sentence that says how to fix it.
    """

    def __init__(self, what: str, what_to_do: str) -> None:
        super().__init__(f"{what} {what_to_do}")
        self.what = what
        self.what_to_do = what_to_do


class SettingsError(UserError):
    """A settings file or value cannot be used."""


class AudioInputError(UserError):
    """An audio file or a microphone cannot be used."""


class CameraInputError(UserError):
    """A webcam, a video file that replaces it, or the face tracker cannot be used."""


class ModelError(UserError):
    """A model cannot be used."""


class AvatarError(UserError):
    """An avatar cannot be used."""


class OutputError(UserError):
    """A file or device cannot be written to."""


class MissingExtraError(UserError):
    """An optional package is not installed."""


class StudioError(UserError):
    """Data or a run folder of the studio cannot be used."""
