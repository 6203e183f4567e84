"""Trained networks as the graphs that engines run."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avatar_app.contracts.student_spec import PatchBox
from avatar_app.settings.schema import LOOKAHEADS_MS
from avatar_app.studio.nets.nova96 import FEATURE_NAMES, PATCH_TOP_PX, FaceGraph
from avatar_app.studio.nets.picture import CROP_PX, load_picture_net
from avatar_app.studio.nets.speech import load_speech_net
from avatar_app.studio.train.drawing import SIZE_PX
from avatar_app.studio.train.student import load_student

Float32 = NDArray[np.float32]

OPSET = 17
LICENCE = "Apache-2.0"
TRAINED_ON = (
    "Rendered clips of Nova (ours, Apache-2.0)",
    "LibriSpeech train-clean-100, 251 speakers (CC BY 4.0)",
    "Voices of flite (synthetic)",
)
# Hearing is a tenth of the work, and a rounded parameter would move the whole mouth.
FLOAT_NODES_HD = ("/speech/", "/picture/read/")


@dataclass(frozen=True)
class Source:
    """A trained student, ready to be exported.

    Attributes:
        net: `mel`, `lookahead` (and features) to `patch`.
        face: the face to features; None where the face is part of the weights.
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
    net: nn.Module
    face: nn.Module | None
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
        modules = [self.net] if self.face is None else [self.net, self.face]
        # The face's graph shares its weights with the student.
        return sum({id(p): p.numel() for module in modules for p in module.parameters()}.values())


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
    hears, draws = load_speech_net(speech), load_picture_net(picture)
    return Source(
        id="nova-hd",
        title="Nova HD",
        architecture="SpeechNet + PictureNet",
        net=HearAndDraw(hears, draws).eval(),
        face=None,
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
    net = load_student(student)
    return Source(
        id="nova-96",
        title="Nova 96",
        architecture="Wav2Lip 28x",
        net=net,
        face=FaceGraph(net).eval(),
        size_px=SIZE_PX,
        n_mel_columns=16,
        box=PatchBox(0, PATCH_TOP_PX, SIZE_PX, SIZE_PX - PATCH_TOP_PX),
        stays_float=(),
    )


def example_inputs(source: Source) -> dict[str, Tensor]:
    """One set of inputs of the right shapes, in the graph's order."""
    inputs = {
        "mel": torch.zeros(1, 1, 80, source.n_mel_columns),
        "lookahead": torch.eye(len(source.lookahead_ms))[:1],
    }
    if source.face is not None:
        features = source.face(torch.zeros(1, 6, source.size_px, source.size_px))
        inputs.update(zip(FEATURE_NAMES, features, strict=True))
    return inputs


def export_student(source: Source) -> onnx.ModelProto:
    """The student's graph in FP32."""
    inputs = example_inputs(source)
    return export_graph(source.net, tuple(inputs.values()), list(inputs), ["patch"])


def export_face(source: Source) -> onnx.ModelProto | None:
    """The graph that looks at the face, where there is one."""
    if source.face is None:
        return None
    face = torch.zeros(1, 6, source.size_px, source.size_px)
    return export_graph(source.face, (face,), ["face"], list(FEATURE_NAMES))


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
