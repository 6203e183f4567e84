"""Exports trained networks to ONNX graphs."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avatar_app.contracts.mouth import PatchBox
from avatar_app.settings.schema import LOOKAHEADS_MS
from avatar_app.studio.data.faces import SIZE_PX, TOP_PX
from avatar_app.studio.nets.cost import count_parameters
from avatar_app.studio.nets.folded import MAP_NAMES, TILE_NAMES, FaceMaps, FoldedStudent, PackedStudent
from avatar_app.studio.nets.mouth_renderer import CROP_PX, load_mouth_renderer
from avatar_app.studio.nets.nova96 import Nova96, load_student
from avatar_app.studio.nets.speech_encoder import load_speech_encoder

Float32 = NDArray[np.float32]

OPSET = 17
LICENCE = "Apache-2.0"
TRAINED_ON = (
    "Rendered clips of Nova (ours, Apache-2.0)",
    "LibriSpeech train-clean-100, 223 speakers (CC BY 4.0)",
    "Voices of flite (synthetic)",
)
# The speech encoder is a tenth of the work, and a rounded parameter moves the whole mouth.
FLOAT_NODES_HD = ("/speech/", "/picture/read/")


@dataclass(frozen=True)
class TrainedStudent:
    """A trained student that can be exported.

    Attributes:
        network: the network with the learned parameters.
        float_graph: maps `mel`, `lookahead` and `float_features` to `patch`, in floating point.
        int8_graph: the same for INT8, from `int8_features`; None if `float_graph` serves both.
        face_graph: maps the face to all features; None if the face is part of the weights.
        float_features: names of the face features that `float_graph` takes.
        int8_features: names of the face features that `int8_graph` takes.
        generate: maps a mel window, a one-hot look-ahead and a face to the picture of `network`, the reference.
        size_px: side of the face crop that contains `box`.
        n_mel_columns: length of the mel window.
        stays_float: prefixes of the names of nodes that are never quantized.
        lookahead_ms: look-aheads in the order of the input `lookahead`.
        avatar_id: avatar whose mouth it generates.
        licence: licence of the weights.
        trained_on: training data of the weights.
    """

    id: str
    title: str
    architecture: str
    network: nn.Module
    float_graph: nn.Module
    int8_graph: nn.Module | None
    face_graph: nn.Module | None
    float_features: tuple[str, ...]
    int8_features: tuple[str, ...]
    generate: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    size_px: int
    n_mel_columns: int
    box: PatchBox
    stays_float: tuple[str, ...]
    lookahead_ms: tuple[int, ...] = LOOKAHEADS_MS
    avatar_id: str = "nova"
    licence: str = LICENCE
    trained_on: tuple[str, ...] = TRAINED_ON

    @property
    def n_parameters(self) -> int:
        """Number of learned parameters."""
        return count_parameters(self.network)


class EncoderAndRenderer(nn.Module):
    """Speech encoder and mouth renderer as one graph."""

    def __init__(self, speech: nn.Module, picture: nn.Module) -> None:
        super().__init__()
        self.speech, self.picture = speech, picture

    def forward(self, mel: Tensor, lookahead: Tensor) -> Tensor:
        """(1, 1, 80, W) and one-hot (1, 4) to (1, 3, h, w) in 0..1."""
        mouths = self.speech(mel)[..., 0]
        # The renderer was trained on parameters in 0..1.
        params = (mouths * lookahead[:, :, None]).sum(dim=1).clamp(0, 1)
        picture: Tensor = self.picture(params).clamp(0, 1)
        return picture


def nova_hd(speech: Path, picture: Path) -> TrainedStudent:
    """The default student, from two run folders.

    Raises:
        StudioError: one of them cannot be read.
    """
    encoder, renderer = load_speech_encoder(speech), load_mouth_renderer(picture)
    net = EncoderAndRenderer(encoder, renderer).eval()
    return TrainedStudent(
        id="nova-hd",
        title="Nova HD",
        architecture="SpeechNet + PictureNet",
        network=net,
        float_graph=net,
        int8_graph=None,
        face_graph=None,
        float_features=(),
        int8_features=(),
        generate=lambda mel, lookahead, _: net(mel, lookahead),
        size_px=CROP_PX,
        n_mel_columns=encoder.shape.window_columns,
        box=renderer.shape.box,
        stays_float=FLOAT_NODES_HD,
    )


def nova_96(student: Path) -> TrainedStudent:
    """The 28x student, from its run folder.

    Raises:
        StudioError: it cannot be read.
    """
    return nova_96_of(load_student(student))


def nova_96_of(net: Nova96) -> TrainedStudent:
    """The 28x student from a network in evaluation mode."""

    def generate(mel: Tensor, lookahead: Tensor, face: Tensor | None) -> Tensor:
        assert face is not None  # noqa: S101  this student always takes a face
        picture: Tensor = net(mel, lookahead, *net.encode_face(face))
        return picture

    return TrainedStudent(
        id="nova-96",
        title="Nova 96",
        architecture="Wav2Lip 28x",
        network=net,
        float_graph=FoldedStudent(net).eval(),
        int8_graph=PackedStudent(net).eval(),
        face_graph=FaceMaps(net).eval(),
        float_features=MAP_NAMES,
        int8_features=TILE_NAMES,
        generate=generate,
        size_px=SIZE_PX,
        n_mel_columns=16,
        box=PatchBox(0, TOP_PX, SIZE_PX, SIZE_PX - TOP_PX),
        stays_float=(),
    )


def export_student(trained: TrainedStudent) -> onnx.ModelProto:
    """The student's graph in FP32."""
    return _export_step(trained, trained.float_graph, trained.float_features)


def export_packed(trained: TrainedStudent) -> onnx.ModelProto:
    """The FP32 graph that the INT8 graphs are quantized from."""
    if trained.int8_graph is None:
        return export_student(trained)
    return _export_step(trained, trained.int8_graph, trained.int8_features)


def export_face(trained: TrainedStudent) -> onnx.ModelProto | None:
    """The face encoder's graph with every feature as an output; None if the face is part of the weights."""
    if trained.face_graph is None:
        return None
    face = torch.zeros(1, 6, trained.size_px, trained.size_px)
    return export_graph(trained.face_graph, (face,), ["face"], [*trained.float_features, *trained.int8_features])


@torch.no_grad()
def features_of(trained: TrainedStudent, face: Float32 | None) -> dict[str, Float32]:
    """All features of a (1, 6, S, S) face by name; empty if the face is part of the weights."""
    if trained.face_graph is None or face is None:
        return {}
    names = (*trained.float_features, *trained.int8_features)
    return {name: value.numpy() for name, value in zip(names, trained.face_graph(torch.from_numpy(face)), strict=True)}


def _export_step(trained: TrainedStudent, net: nn.Module, features: Sequence[str]) -> onnx.ModelProto:
    """The graph of one step: mel window, look-ahead and these features to the picture."""
    inputs = {
        "mel": torch.zeros(1, 1, 80, trained.n_mel_columns),
        "lookahead": torch.eye(len(trained.lookahead_ms))[:1],
    }
    seen = features_of(trained, np.zeros((1, 6, trained.size_px, trained.size_px), np.float32))
    inputs.update({name: torch.from_numpy(seen[name]) for name in features})
    return export_graph(net, tuple(inputs.values()), list(inputs), ["patch"])


@torch.no_grad()
def export_graph(
    net: nn.Module, inputs: tuple[Tensor, ...], names: Sequence[str], outputs: Sequence[str]
) -> onnx.ModelProto:
    """Export a network to ONNX.

    Args:
        net: in evaluation mode.
        inputs: examples; the graph has their fixed shapes.
        names: of the inputs.
        outputs: names of the outputs.
    """
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # The exporter without `dynamo` warns that it is deprecated; the new one needs another package, and its
        # graphs of these networks are larger.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            inputs,
            f"{folder}/net.onnx",
            input_names=list(names),
            output_names=list(outputs),
            opset_version=OPSET,
            dynamo=False,
        )
        model = onnx.load(f"{folder}/net.onnx")
    onnx.checker.check_model(model)
    return model
