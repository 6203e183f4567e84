"""The compared models: registered students and their teacher.

The teacher is exported to a model folder, so that the same code runs, times and scores it.
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
from avatar_app.studio.publish.one_lookahead import trained_student, write_folder

Float32 = NDArray[np.float32]

TEACHER_ID = "teacher"
WHOLE_FILE = "whole-fp32.onnx"


@dataclass(frozen=True)
class Candidate:
    """A model folder to compare.

    Attributes:
        folder: contains the manifest and the graphs.
        spec: the manifest.
        face: (1, 6, S, S) float32 in 0..1, BGR: the avatar's face at the model's size.
        is_teacher: whether the other models were distilled from it.
        whole: ONNX graph of the full published network, (mel, face) to the whole picture; empty for students.
    """

    folder: Path
    spec: StudentSpec
    face: Float32
    is_teacher: bool = False
    whole: bytes = b""

    @property
    def quality_precision(self) -> Precision:
        """Precision of the quality scores: mixed where available, as in use; else FP32."""
        return Precision.MIXED if Precision.MIXED in self.spec.files else Precision.FP32

    def open(self, precision: Precision, engine: str = "openvino", n_threads: int = 1) -> Student:
        """Open the model and set its face.

        Raises:
            ModelError: the engine cannot load it.
        """
        student = open_student(self.folder, self.spec, engine, precision, n_threads)
        student.set_face(self.face)
        return student


def registered(model_id: str, models_dir: Path | None = None, user_dir: Path | None = None) -> Candidate:
    """A registered model, or a model of the user.

    Args:
        model_id: its name.
        models_dir: folder of the registered models; the shipped ones if None.
        user_dir: folder of the user's models.

    Raises:
        ModelError: the model is missing or damaged.
        AvatarError: its avatar is missing.
    """
    folder = find_model(model_id, models_dir, user_dir)
    spec = read_manifest(folder)
    return Candidate(folder, spec, Avatar.load(spec.avatar_id).face_input(spec.size_px))


def teacher(net: Generator, folder: Path, avatar_id: str = "nova") -> Candidate:
    """Export a teacher to a model folder.

    Args:
        net: the full generator in evaluation mode.
        folder: an empty one.
        avatar_id: avatar whose face it uses.
    """
    trained = trained_student(
        net, TEACHER_ID, "Teacher", "Wav2Lip", avatar_id=avatar_id, licence=LICENCE, trained_on="see its run folder"
    )
    face = Avatar.load(avatar_id).face_input(trained.size_px)
    spec, _, _ = write_folder(trained, face, folder, {})
    _export_whole(net, folder / WHOLE_FILE)
    return Candidate(folder, spec, face, is_teacher=True, whole=(folder / WHOLE_FILE).read_bytes())


@torch.no_grad()
def _export_whole(net: Generator, path: Path) -> None:
    size_px = net.shape.size_px
    inputs = (torch.zeros(1, 1, 80, 16), torch.zeros(1, 6, size_px, size_px))
    onnx.save(export_graph(net, inputs, ["mel", "face"], ["picture"]), path)
