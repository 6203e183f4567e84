"""Who is compared: registered students, and their teacher in the same clothes.

A teacher's weights are exported to a model folder of their own, so that it speaks, is timed and is scored by exactly
the code that students are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from avatar_app.contracts.student_spec import Precision, StudentSpec
from avatar_app.live.frame import Avatar
from avatar_app.live.student import Student
from avatar_app.live.student.folder import read_manifest
from avatar_app.live.student.loading import open_student
from avatar_app.live.student.registry import find_model
from avatar_app.studio.export.graphs import LICENCE, export_graph
from avatar_app.studio.nets.generator import Generator
from avatar_app.studio.publish.one_lookahead import source_of, write_folder

Float32 = NDArray[np.float32]

TEACHER_ID = "teacher"
WHOLE_FILE = "whole-fp32.onnx"


@dataclass(frozen=True)
class Contestant:
    """A model folder that takes part.

    Attributes:
        folder: with manifest and graphs.
        spec: its manifest.
        face: (1, 6, S, S) float32, the avatar's face at its size.
        is_teacher: whether the others learned from it.
        whole: the full network as published, (mel, face) to the whole picture; teachers alone have one.
    """

    folder: Path
    spec: StudentSpec
    face: Float32
    is_teacher: bool = False
    whole: bytes = b""

    @property
    def quality_precision(self) -> Precision:
        """In which its pictures are judged: a teacher as it was trained, a student as it is used."""
        return Precision.MIXED if Precision.MIXED in self.spec.files else Precision.FP32

    def open(self, precision: Precision, engine: str = "openvino", n_threads: int = 1) -> Student:
        """Ready to draw.

        Raises:
            ModelError: the engine refuses it.
        """
        student = open_student(self.folder, self.spec, engine, precision, n_threads)
        student.set_face(self.face)
        return student


def registered(model_id: str, models_dir: Path | None = None, user_dir: Path | None = None) -> Contestant:
    """A registered model, or one of the user's.

    Args:
        model_id: its name.
        models_dir: where registered models lie; None means the shipped ones.
        user_dir: where the user's own lie.

    Raises:
        ModelError: there is none, or it is damaged.
        AvatarError: its avatar is missing.
    """
    folder = find_model(model_id, models_dir, user_dir)
    spec = read_manifest(folder)
    return Contestant(folder, spec, Avatar.load(spec.avatar_id).face_input(spec.size_px))


def teacher(net: Generator, folder: Path, avatar_id: str = "nova") -> Contestant:
    """Export a teacher into an empty folder.

    Args:
        net: the whole generator, in evaluation mode.
        folder: an empty one.
        avatar_id: whose face it draws.
    """
    source = source_of(
        net, TEACHER_ID, "Teacher", "Wav2Lip", avatar_id=avatar_id, licence=LICENCE, trained_on="see its run folder"
    )
    face = Avatar.load(avatar_id).face_input(source.size_px)
    spec, _, _ = write_folder(source, face, folder, {})
    _export_whole(net, folder / WHOLE_FILE)
    return Contestant(folder, spec, face, is_teacher=True, whole=(folder / WHOLE_FILE).read_bytes())


@torch.no_grad()
def _export_whole(net: Generator, path: Path) -> None:
    size_px = net.shape.size_px
    inputs = (torch.zeros(1, 1, 80, 16), torch.zeros(1, 6, size_px, size_px))
    onnx.save(export_graph(net, inputs, ["mel", "face"], ["picture"]), path)
