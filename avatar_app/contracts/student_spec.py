"""What a model folder says of itself: `models/<id>/manifest.json`."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from avatar_app.contracts.errors import ModelError

MANIFEST_SCHEMA = 1


class Precision(enum.Enum):
    """Arithmetic of the shipped graph; FP32 is the reference."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A graph of the folder with the checksum it must have."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class PatchBox:
    """Rectangle of the face crop that the student draws, in crop pixels."""

    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True, slots=True)
class StudentSpec:
    """A student's contract.

    The graph's inputs are `mel` (1, 1, 80, n_mel_columns) float32, newest column last, and `lookahead`
    (1, len(lookahead_ms)) float32, one-hot. With a `face_file`, that graph turns `face` (1, 6, S, S)
    float32 into features once, and the student's graph takes some of them as further inputs of the same names: graphs
    in 8 bits take theirs as uint8.
    The output `patch` is (1, 3, h, w) float32 in 0..1, BGR, the picture inside `box`. The newest column of
    `mel` lies `lookahead_ms` after the instant that is drawn. A short window that reaches far ahead hears little of
    what came before, so the largest look-ahead is not always `best_lookahead_ms`, whose mouths are most like true ones.
    """

    id: str
    title: str
    architecture: str
    avatar_id: str
    size_px: int
    n_mel_columns: int
    mel_fingerprint: str
    lookahead_ms: tuple[int, ...]
    best_lookahead_ms: int
    box: PatchBox
    files: Mapping[Precision, ModelFile]
    face_file: ModelFile | None
    golden_file: ModelFile
    licence: str
    n_parameters: int
    provenance: Mapping[str, Any]
    quality: Mapping[str, Any]

    def nearest_lookahead_ms(self, wanted_ms: int) -> int:
        """The look-ahead of this model that is nearest to a wanted one; published networks know a single one."""
        return min(self.lookahead_ms, key=lambda ms: abs(ms - wanted_ms))

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str) -> StudentSpec:
        """Read a manifest.

        Raises:
            ModelError: a field is missing or has a wrong type; the sentence names it.
        """
        try:
            if data["schema"] != MANIFEST_SCHEMA:
                raise ValueError(f"schema {data['schema']!r}, this program reads {MANIFEST_SCHEMA}")
            lookahead_ms = tuple(int(ms) for ms in data["lookahead_ms"])
            return cls(
                id=str(data["id"]),
                title=str(data["title"]),
                architecture=str(data["architecture"]),
                avatar_id=str(data["avatar_id"]),
                size_px=int(data["size_px"]),
                n_mel_columns=int(data["n_mel_columns"]),
                mel_fingerprint=str(data["mel_fingerprint"]),
                lookahead_ms=lookahead_ms,
                best_lookahead_ms=_best(lookahead_ms, data.get("quality", {}).get("held_out", {})),
                box=PatchBox(*(int(v) for v in data["patch_box"])),
                files={Precision(name): _file(entry) for name, entry in data["files"].items()},
                face_file=_file(data["face_file"]) if data.get("face_file") else None,
                golden_file=_file(data["golden_file"]),
                licence=str(data["licence"]),
                n_parameters=int(data["n_parameters"]),
                provenance=dict(data.get("provenance", {})),
                quality=dict(data.get("quality", {})),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(
                f"The model manifest {where} cannot be used: {error!r}.",
                "Install the model again, or publish it anew with `avatar-app studio publish`.",
            ) from error


def _best(lookahead_ms: tuple[int, ...], held_out: Mapping[str, Any]) -> int:
    """The look-ahead whose lips opened most like the true ones on held-out clips; the largest if nobody measured."""
    scores = {ms: float(held_out.get(f"lookahead_{ms}", {}).get("opening_correlation", -1)) for ms in lookahead_ms}
    return max(lookahead_ms, key=lambda ms: (scores[ms], ms))


def _file(entry: Mapping[str, Any]) -> ModelFile:
    return ModelFile(name=str(entry["file"]), sha256=str(entry["sha256"]))
