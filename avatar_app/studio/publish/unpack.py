"""`avatar-app studio unpack`: recover the trained networks from a published model.

The FP32 graphs contain all weights of the networks, with each norm merged into the convolution before it. Training can
continue from the unpacked networks.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.student_spec import ModelFile, Precision
from avatar_app.live.student.folder import read_manifest, verified_bytes
from avatar_app.settings.paths import models_dir
from avatar_app.studio.nets.generator import ConvBlock, UpBlock
from avatar_app.studio.nets.mouth_renderer import MouthRenderer, save_mouth_renderer
from avatar_app.studio.nets.nova96 import Nova96, save_student
from avatar_app.studio.nets.speech_encoder import SpeechEncoder, SpeechEncoderShape, save_speech_encoder

# Facts of the training run that also hold for the unpacked networks.
FACTS = ("recipe", "gain", "held_out", "test")


class Graph:
    """The tensors and nodes of an ONNX graph.

    Args:
        content: bytes of an ONNX file.
    """

    def __init__(self, content: bytes) -> None:
        graph = onnx.load_from_string(content).graph
        self._nodes = list(graph.node)
        stored = {t.name: t for t in graph.initializer}
        stored |= {node.output[0]: node.attribute[0].t for node in graph.node if node.op_type == "Constant"}
        self.tensors = {name: torch.from_numpy(np.array(numpy_helper.to_array(t))) for name, t in stored.items()}

    def part(self, name: str) -> dict[str, Tensor]:
        """Tensors of the module `name` that kept their names, without the prefix."""
        return {key[len(name) + 1 :]: value for key, value in self.tensors.items() if key.startswith(f"{name}.")}

    def weights(self, name: str, kind: str = "Conv") -> Iterator[list[Tensor]]:
        """Weight and bias of each node of a kind below `name`, in the order of execution."""
        for node in self._nodes:
            if node.op_type == kind and node.name.startswith(f"/{name}"):
                yield [self.tensors[key] for key in node.input if key in self.tensors]


@torch.no_grad()
def speech_of(graph: Graph, shape: SpeechEncoderShape) -> SpeechEncoder:
    """The speech encoder in the graph of `nova-hd`; the graph has no phone classifier, so its weights are zero."""
    net = SpeechEncoder(shape).eval()
    layers = list(net.modules())
    merged = graph.weights("speech")
    for conv, norm in pairwise(layers):
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            _fill(conv, norm, *next(merged))
    net.mouth.load_state_dict(graph.part("speech.mouth"))
    for parameter in net.phones.parameters():
        parameter.zero_()
    return net


@torch.no_grad()
def picture_of(graph: Graph) -> MouthRenderer:
    """The mouth renderer in the graph of `nova-hd`."""
    net = MouthRenderer().eval()
    place = next(graph.weights("picture/Concat", "Concat"))[0]
    net.load_state_dict({**graph.part("picture"), "place": place})
    return net


@torch.no_grad()
def nova96_of(step: Graph, face: Graph) -> Nova96:
    """The student in its folded graphs (`nets.folded`); weights of rows that it never generates are zero."""
    net = Nova96().eval()
    audio = list(step.weights("hear/"))
    shared = _blocks(net.shared_audio_encoder)
    for block, pair in zip(shared, audio, strict=False):
        _fill_block(block, pair)
    for k, encoder in enumerate(net.audio_encoders):
        own = [[t.chunk(len(net.audio_encoders))[k] for t in pair] for pair in audio[len(shared) :]]
        for block, pair in zip(_blocks(encoder), own, strict=True):
            _fill_block(block, pair)
    for block, pair in zip(_blocks(net.face_encoder_blocks), face.weights("face_encoder_blocks"), strict=True):
        _fill_block(block, pair)
    read = step.part("read")
    code, *ups = _blocks(net.face_decoder_blocks)
    _fill_block(code, (read["weight"][:, :, None, None], read["bias"]))
    for block, both in zip(ups, _ups(step, face), strict=True):
        _fill_block(block, both)
    face_weight, bias = next(face.weights("Conv"))
    _fill_block(_blocks(net.output_block)[0], (torch.cat((step.part("out")["weight"], face_weight), dim=1), bias))
    net.output_block[1].load_state_dict(step.part("last"))
    return net


def _ups(step: Graph, face: Graph) -> list[tuple[Tensor, Tensor]]:
    """The six transposed convolutions: weights for the audio code from one graph, for face features from the other."""
    on_face = list(face.weights("ConvTranspose", "ConvTranspose"))
    # The first is a matrix from one pixel to the needed rows; the other rows become zero again.
    n_code, n_out, height, width = on_face[0][0].shape
    rows = next(step.weights("first", "Gemm"))[0].reshape(n_code, n_out, -1, width)
    first = torch.cat((torch.zeros(n_code, n_out, height - rows.shape[2], width), rows), dim=2)
    on_audio = [first, *(weights[0] for weights in step.weights("ups", "ConvTranspose"))]
    return [(torch.cat((audio, weight)), bias) for audio, (weight, bias) in zip(on_audio, on_face, strict=True)]


def _blocks(part: nn.Module) -> list[nn.Module]:
    """Convolutions with their norms, in the order of execution."""
    return [module for module in part.modules() if isinstance(module, ConvBlock | UpBlock)]


def _fill_block(block: nn.Module, pair: Sequence[Tensor]) -> None:
    assert isinstance(block, ConvBlock | UpBlock)  # noqa: S101
    conv, norm = block.conv_block
    _fill(conv, norm, *pair)


def _fill(conv: nn.Module, norm: nn.Module, weight: Tensor, bias: Tensor) -> None:
    """Set a convolution to a merged weight, and the norm after it to add the bias only."""
    assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d) and norm.running_var is not None  # noqa: S101
    conv.get_parameter("weight").copy_(weight)
    if getattr(conv, "bias", None) is not None:
        conv.get_parameter("bias").zero_()
    norm.reset_parameters()
    norm.running_var.fill_(1 - norm.eps)
    norm.bias.copy_(bias)


def unpack(folder: Path, out: Path) -> None:
    """Write `out`/student/best, or `out`/speech-encoder/best and `out`/mouth-renderer/best.

    Raises:
        ModelError: the model folder is missing or damaged.
        StudioError: the model contains no networks that the studio can train.
    """
    spec = read_manifest(folder)
    facts: Mapping[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["provenance"]
    origin = {"unpacked_from": {"model": spec.id, "commit": facts.get("commit", "")}}

    def graph(file: ModelFile) -> Graph:
        return Graph(verified_bytes(folder, file))

    def about(name: str) -> dict[str, object]:
        return {**{key: value for key, value in facts[name].items() if key in FACTS}, **origin}

    try:
        step = graph(spec.files[Precision.FP32])
        if "nova96" in facts and spec.face_file is not None:
            save_student(out / "student" / "best", nova96_of(step, graph(spec.face_file)), about("nova96"))
            return
        sizes: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in facts["speech"]["shape"].items()
        }
        save_speech_encoder(
            out / "speech-encoder" / "best", speech_of(step, SpeechEncoderShape(**sizes)), about("speech")
        )
        save_mouth_renderer(out / "mouth-renderer" / "best", picture_of(step), about("picture"))
    except (KeyError, TypeError, RuntimeError, StopIteration, ValueError) as error:
        raise StudioError(
            f"The networks of the model {spec.id} cannot be unpacked: {error!r}.", "Name nova-hd or nova-96."
        ) from error


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio unpack`."""
    parser = argparse.ArgumentParser(prog="avatar-app studio unpack", description=__doc__)
    parser.add_argument("model", help="nova-hd or nova-96")
    parser.add_argument("--models-dir", type=Path, default=models_dir(), help="models folder to read from")
    parser.add_argument(
        "--run", type=Path, required=True, help="run folder; receives `best` folders as training writes them"
    )
    arguments = parser.parse_args(argv)
    unpack(arguments.models_dir / arguments.model, arguments.run)
    return 0
