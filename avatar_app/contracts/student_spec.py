"""The manifest of a student: `models/<id>/manifest.json`."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from avatar_app.contracts.errors import ModelError
from avatar_app.contracts.fields import Within, check_fields, check_inner_path, problem
from avatar_app.contracts.mouth import DriverSpec, PatchBox

MANIFEST_SCHEMA = 1
# The `kind` of a manifest that names none.
STUDENT_KIND = "student"


class Precision(enum.Enum):
    """Precision of a published graph; FP32 is the reference."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of the model folder and its checksum."""

    name: str
    sha256: str

    def __post_init__(self) -> None:
        check_fields(self)
        check_inner_path("file", self.name)


@dataclass(frozen=True, slots=True)
class StudentSpec(DriverSpec):
    """The contract of a student.

    The graph's inputs are `mel` (1, 1, 80, n_mel_columns) float32, newest column last, and `lookahead`
    (1, len(lookahead_ms)) float32, one-hot. With a `face_file`, that graph turns `face` (1, 6, S, S) float32 into
    features once, and the student's graph takes some of them as further inputs of the same names; 8-bit graphs take
    them as uint8.
    The output `patch` is (1, 3, h, w) float32 in 0..1, BGR, the picture inside `box`. The newest column of `mel` lies
    `lookahead_ms` after the instant of the mouth. A short window that reaches far ahead holds little earlier sound, so
    `best_lookahead_ms`, whose mouths are closest to the ground truth, is not always the largest.

    Raises:
        ValueError: a field is out of its range, or the box leaves the crop.
    """

    architecture: str
    avatar_id: str
    size_px: Annotated[int, Within(8, 1024)]
    mel_fingerprint: str
    box: PatchBox
    files: Mapping[Precision, ModelFile]
    face_file: ModelFile | None
    golden_file: ModelFile
    licence: str
    n_parameters: Annotated[int, Within(0, 1e12)]
    provenance: Mapping[str, Any]
    quality: Mapping[str, Any]

    def __post_init__(self) -> None:
        DriverSpec.__post_init__(self)
        if self.box.x + self.box.w > self.size_px or self.box.y + self.box.h > self.size_px:
            raise ValueError(f"patch_box leaves the crop of {self.size_px} pixels")
        if not self.files:
            raise ValueError("files is empty")

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str) -> StudentSpec:
        """Read a manifest.

        Raises:
            ModelError: a field is missing or has a wrong type; the message names it.
        """
        try:
            if data["schema"] != MANIFEST_SCHEMA:
                raise ValueError(f"schema {data['schema']!r}, this program reads {MANIFEST_SCHEMA}")
            if data.get("kind", STUDENT_KIND) != STUDENT_KIND:
                raise ValueError(f"kind {data['kind']!r} is not {STUDENT_KIND!r}")
            lookahead_ms = tuple(data["lookahead_ms"])
            quality = _mapping(data, "quality")
            plain = ("id", "title", "architecture", "avatar_id", "size_px", "n_mel_columns", "mel_fingerprint",
                     "licence", "n_parameters")  # fmt: skip
            return cls(
                **{name: data[name] for name in plain},
                lookahead_ms=lookahead_ms,
                best_lookahead_ms=_best(lookahead_ms, _mapping(quality, "held_out")),
                box=_box(data["patch_box"]),
                files={Precision(name): _file(entry) for name, entry in _mapping(data, "files").items()},
                face_file=_file(data["face_file"]) if data.get("face_file") else None,
                golden_file=_file(data["golden_file"]),
                provenance=_mapping(data, "provenance"),
                quality=quality | {"loss_db": _numbers(_mapping(quality, "loss_db"))},
            )
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise ModelError(
                f"The model manifest {where} cannot be used: {problem(error)}.",
                "Install the model again, or publish it again with `avatar-app studio publish`.",
            ) from error


def _best(lookahead_ms: tuple[int, ...], held_out: Mapping[str, Any]) -> int:
    """The look-ahead whose lip opening correlated best on held-out clips; the largest where none was measured."""
    scores = {ms: float(_mapping(held_out, f"lookahead_{ms}").get("opening_correlation", -1)) for ms in lookahead_ms}
    return max(lookahead_ms, key=lambda ms: (scores[ms], ms), default=0)


def _box(values: Any) -> PatchBox:
    if not isinstance(values, list | tuple) or len(values) != 4:
        raise ValueError("patch_box does not hold four numbers")
    return PatchBox(*values)


def _mapping(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A field that holds fields; empty where it is missing."""
    found = data.get(name, {})
    if isinstance(found, dict):
        return found
    raise ValueError(f"{name} holds no fields")


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def _file(entry: Mapping[str, Any]) -> ModelFile:
    return ModelFile(name=entry["file"], sha256=entry["sha256"])
