"""Exports a generator of the Wav2Lip family as a model of the live program: one look-ahead, any face."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from avatar_app.contracts.mouth import PatchBox
from avatar_app.contracts.student_spec import StudentSpec
from avatar_app.studio.export import quantize
from avatar_app.studio.export.graphs import TrainedStudent, export_face, export_student
from avatar_app.studio.nets.generator import Generator
from avatar_app.studio.nets.lower_half import LowerHalfGenerator
from avatar_app.studio.nets.teacher import TEACHER_LOOKAHEAD_MS
from avatar_app.studio.publish import gate, package
from avatar_app.studio.publish.gate import Float32, Golden

N_GOLDEN = 6
N_MEL_COLUMNS = 16
FEATURE_NAMES = tuple(f"face_{k}" for k in range(7))


class OneLookahead(LowerHalfGenerator):
    """The published generator; a live step runs its audio encoder and the lower half of its decoder.

    Args:
        net: the generator; its modules are shared.
    """

    def __init__(self, net: Generator) -> None:
        super().__init__(net)
        self.audio_encoder = net.audio_encoder

    def forward(self, mel: Tensor, lookahead: Tensor, *features: Tensor) -> Tensor:
        """The graph of one frame.

        Args:
            mel: (1, 1, 80, 16) float32 in -4..4; the newest column is 160 ms after the picture.
            lookahead: (1, 1) float32, one-hot over a single look-ahead: 1.
            *features: face features from `FaceGraph`.

        Returns:
            (1, 3, S / 2, S) float32 in 0..1, BGR: the lower half.
        """
        return self.decode(self.audio_encoder(mel) * lookahead[:, :, None, None], features)

    def generate(self, mel: Tensor, lookahead: Tensor, face: Tensor | None) -> Tensor:
        """As `forward`, from a (1, 6, S, S) float32 face."""
        assert face is not None  # noqa: S101  every generator of the family takes a face
        picture: Tensor = self(mel, lookahead, *self.encode_face(face))
        return picture


class FaceGraph(nn.Module):
    """The graph that runs once per face: (1, 6, S, S) to the seven face features, deepest first."""

    def __init__(self, net: LowerHalfGenerator) -> None:
        super().__init__()
        self.net = net

    def forward(self, face: Tensor) -> tuple[Tensor, ...]:
        """See `LowerHalfGenerator.encode_face`."""
        return tuple(self.net.encode_face(face))


def trained_student(
    net: Generator, model_id: str, title: str, architecture: str, *, avatar_id: str, licence: str, trained_on: str
) -> TrainedStudent:
    """A generator with the published audio alignment, ready for export.

    Args:
        net: in evaluation mode.
        model_id: name of the model folder.
        title: name shown to the user.
        architecture: name of the architecture.
        avatar_id: avatar whose face it uses.
        licence: licence of the weights.
        trained_on: training data of the weights.
    """
    size_px = net.shape.size_px
    live = OneLookahead(net).eval()
    return TrainedStudent(
        id=model_id,
        title=title,
        architecture=architecture,
        network=net,
        float_graph=live,
        int8_graph=None,
        face_graph=FaceGraph(live).eval(),
        float_features=FEATURE_NAMES,
        int8_features=(),
        generate=live.generate,
        size_px=size_px,
        n_mel_columns=N_MEL_COLUMNS,
        box=PatchBox(0, size_px // 2, size_px, size_px // 2),
        stays_float=(),
        lookahead_ms=(TEACHER_LOOKAHEAD_MS,),
        avatar_id=avatar_id,
        licence=licence,
        trained_on=(trained_on,),
    )


def write_folder(
    trained: TrainedStudent, face: Float32, folder: Path, facts: Mapping[str, Any]
) -> tuple[StudentSpec, dict[str, Any], Golden]:
    """Write graphs in FP32 and FP16, golden pictures and the manifest, without measurements.

    Args:
        trained: from `trained_student`.
        face: (1, 6, S, S) float32, the face of the golden pictures.
        folder: an empty one.
        facts: entries of the manifest's `provenance`.

    Returns:
        The manifest as the live program reads it, the manifest as written, and the golden pictures.
    """
    exact = quantize.prepared(export_student(trained))
    package.save_graph(trained, exact, folder / "student-fp32.onnx", facts)
    package.save_graph(trained, quantize.to_fp16(exact), folder / "student-fp16.onnx", facts)
    face_graph = export_face(trained)
    assert face_graph is not None  # noqa: S101  every generator of the family takes a face
    package.save_graph(trained, face_graph, folder / "face.onnx", facts)
    golden = gate.make_golden(trained, example_windows(N_GOLDEN), face)
    golden.save(folder / "golden.npz")
    manifest = package.manifest_of(trained, folder, facts)
    return package.save_manifest(folder, manifest), manifest, golden


def example_windows(n: int, seed: int = 0) -> list[Float32]:
    """(80, 16) float32 random mel windows of increasing loudness, the first one silent."""
    rng = np.random.default_rng(seed)
    return [rng.uniform(-4, 8 * k / max(1, n - 1) - 4, (80, N_MEL_COLUMNS)).astype(np.float32) for k in range(n)]
