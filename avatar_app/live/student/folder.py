"""A model folder: its manifest, and its files, verified by their checksums."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from avatar_app.contracts.errors import InputFileError, ModelError
from avatar_app.contracts.input_file import read_bytes, read_object
from avatar_app.contracts.mel_spec import MEL
from avatar_app.contracts.student_spec import STUDENT_KIND, ModelFile, StudentSpec

MANIFEST = "manifest.json"
INSTALL_AGAIN = "Install the program or this model again."
# Wav2Lip's graph has 145 MB.
MAX_FILE_BYTES = 500_000_000


def read_manifest(folder: Path) -> StudentSpec:
    """Read `manifest.json` of a model folder.

    Raises:
        ModelError: it is missing or invalid, or the model reads another mel spectrogram than this program computes.
    """
    spec = StudentSpec.from_json(_read(folder), str(folder / MANIFEST))
    if spec.mel_fingerprint != MEL.fingerprint():
        raise ModelError(
            f"The model {spec.id} was trained on another mel spectrogram than this program computes.",
            "Use a model that was published for this version, or train it again.",
        )
    return spec


def read_kind(folder: Path) -> str:
    """The `kind` of a model: which mouth driver opens it.

    Raises:
        ModelError: the manifest is missing or invalid.
    """
    return str(_read(folder).get("kind", STUDENT_KIND))


def read_avatar_id(folder: Path) -> str:
    """The avatar that a model was made for; "" if it fits every avatar.

    Raises:
        ModelError: the manifest is missing or invalid.
    """
    return str(_read(folder).get("avatar_id") or "")


def verified_bytes(folder: Path, file: ModelFile) -> bytes:
    """Read a file and verify its checksum.

    Raises:
        ModelError: it is missing, unreadable, or not the file that was published.
    """
    path = folder / file.name
    try:
        content = read_bytes(path, MAX_FILE_BYTES)
    except InputFileError as error:
        raise ModelError(f"The model file {path} cannot be used: {error}.", INSTALL_AGAIN) from error
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise ModelError(f"The model file {path} is damaged or was changed: wrong checksum.", INSTALL_AGAIN)
    return content


def _read(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        return read_object(path)
    except InputFileError as error:
        raise ModelError(f"The model manifest {path} cannot be used: {error}.", INSTALL_AGAIN) from error
