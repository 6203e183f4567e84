"""Trained networks as the graphs that engines run."""

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

from avatar_app.contracts.student_spec import PatchBox
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
# Hearing is a tenth of the work, and a rounded parameter would move the whole mouth.
FLOAT_NODES_HD = ("/speech/", "/picture/read/")


@dataclass(frozen=True)
class Source:
    """A trained student, ready to be exported.

    Attributes:
        trained: the network whose parameters were learned.
        net: `mel`, `lookahead` (and `features`) to `patch`: the graph for floating point.
        packed: the same for 8 bits, from `packed_features`; None where one form is best for both.
        face: the face to all features; None where the face is part of the weights.
        features: names of what `net` takes of the face.
        packed_features: names of what `packed` takes of it.
        draw: the trained network's own picture for a mel window, a one-hot look-ahead and a face.
        size_px: side of the crop that `box` lies in.
        n_mel_columns: of the window.
        stays_float: beginnings of the names of nodes that are never quantized.
        lookahead_ms: what the places of the input `lookahead` stand for.
        avatar_id: whose mouth it draws.
        licence: of the weights.
        trained_on: what the weights were learned from.
    """

    id: str
    title: str
    architecture: str
    trained: nn.Module
    net: nn.Module
    packed: nn.Module | None
    face: nn.Module | None
    features: tuple[str, ...]
    packed_features: tuple[str, ...]
    draw: Callable[[Tensor, Tensor, Tensor | None], Tensor]
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
        """Numbers that training chose."""
        return count_parameters(self.trained)


class HearAndDraw(nn.Module):
    """The network that hears and the one that draws, as one graph."""

    def __init__(self, speech: nn.Module, picture: nn.Module) -> None:
        super().__init__()
        self.speech, self.picture = speech, picture

    def forward(self, mel: Tensor, lookahead: Tensor) -> Tensor:
        """(1, 1, 80, W) and one-hot (1, 4) to (1, 3, h, w) in 0..1."""
        mouths = self.speech(mel)[..., 0]
        # Beyond what was trained the picture would be a guess.
        params = (mouths * lookahead[:, :, None]).sum(dim=1).clamp(0, 1)
        picture: Tensor = self.picture(params).clamp(0, 1)
        return picture


def nova_hd(speech: Path, picture: Path) -> Source:
    """The default student, from two run folders.

    Raises:
        StudioError: one of them cannot be read.
    """
    hears, draws = load_speech_encoder(speech), load_mouth_renderer(picture)
    net = HearAndDraw(hears, draws).eval()
    return Source(
        id="nova-hd",
        title="Nova HD",
        architecture="SpeechNet + PictureNet",
        trained=net,
        net=net,
        packed=None,
        face=None,
        features=(),
        packed_features=(),
        draw=lambda mel, lookahead, _: net(mel, lookahead),
        size_px=CROP_PX,
        n_mel_columns=hears.shape.window_columns,
        box=draws.shape.box,
        stays_float=FLOAT_NODES_HD,
    )


def nova_96(student: Path) -> Source:
    """The 28x student, from its run folder.

    Raises:
        StudioError: it cannot be read.
    """
    return nova_96_of(load_student(student))


def nova_96_of(net: Nova96) -> Source:
    """The 28x student, in evaluation mode."""

    def draw(mel: Tensor, lookahead: Tensor, face: Tensor | None) -> Tensor:
        assert face is not None  # noqa: S101  it has no other
        picture: Tensor = net(mel, lookahead, *net.encode_face(face))
        return picture

    return Source(
        id="nova-96",
        title="Nova 96",
        architecture="Wav2Lip 28x",
        trained=net,
        net=FoldedStudent(net).eval(),
        packed=PackedStudent(net).eval(),
        face=FaceMaps(net).eval(),
        features=MAP_NAMES,
        packed_features=TILE_NAMES,
        draw=draw,
        size_px=SIZE_PX,
        n_mel_columns=16,
        box=PatchBox(0, TOP_PX, SIZE_PX, SIZE_PX - TOP_PX),
        stays_float=(),
    )


def export_student(source: Source) -> onnx.ModelProto:
    """The student's graph in FP32."""
    return _export_step(source, source.net, source.features)


def export_packed(source: Source) -> onnx.ModelProto:
    """The graph, in FP32, that 8-bit graphs are made of."""
    if source.packed is None:
        return export_student(source)
    return _export_step(source, source.packed, source.packed_features)


def export_face(source: Source) -> onnx.ModelProto | None:
    """The graph that looks at the face, where there is one; it gives every feature."""
    if source.face is None:
        return None
    face = torch.zeros(1, 6, source.size_px, source.size_px)
    return export_graph(source.face, (face,), ["face"], [*source.features, *source.packed_features])


@torch.no_grad()
def features_of(source: Source, face: Float32 | None) -> dict[str, Float32]:
    """All features of a (1, 6, S, S) face by name; nothing for a student that knows its face by heart."""
    if source.face is None or face is None:
        return {}
    names = (*source.features, *source.packed_features)
    return {name: value.numpy() for name, value in zip(names, source.face(torch.from_numpy(face)), strict=True)}


def _export_step(source: Source, net: nn.Module, features: Sequence[str]) -> onnx.ModelProto:
    """One step: sound, and these features, to the picture."""
    inputs = {
        "mel": torch.zeros(1, 1, 80, source.n_mel_columns),
        "lookahead": torch.eye(len(source.lookahead_ms))[:1],
    }
    seen = features_of(source, np.zeros((1, 6, source.size_px, source.size_px), np.float32))
    inputs.update({name: torch.from_numpy(seen[name]) for name in features})
    return export_graph(net, tuple(inputs.values()), list(inputs), ["patch"])


@torch.no_grad()
def export_graph(
    net: nn.Module, inputs: tuple[Tensor, ...], names: Sequence[str], outputs: Sequence[str]
) -> onnx.ModelProto:
    """A network's graph.

    Args:
        net: in evaluation mode.
        inputs: examples; their shapes are fixed in the graph.
        names: of the inputs.
        outputs: names of the outputs.
    """
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # The exporter without `dynamo` is called old at each use; the new one needs a package more, and its graphs of
        # these networks are larger.
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
