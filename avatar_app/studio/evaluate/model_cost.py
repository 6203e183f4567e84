"""Static cost of a model: parameters, multiply-adds in both conventions, bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import shape_inference

from avatar_app.contracts.student_spec import Precision, StudentSpec
from avatar_app.studio.nets.cost import Cost, measure_cost
from avatar_app.studio.nets.generator import Generator
from avatar_app.studio.nets.student28x import Student28x
from avatar_app.studio.nets.wav2lip import Wav2Lip

# Published networks by the architecture in the manifest.
PUBLISHED: Mapping[str, type[Wav2Lip] | type[Student28x]] = {"Wav2Lip": Wav2Lip, "Wav2Lip 28x": Student28x}


def model_cost(folder: Path, spec: StudentSpec) -> dict[str, Any]:
    """Parameters and multiply-adds of a model.

    Returns:
        `whole`: the full published network with face encoder and whole picture where it is known, else all graphs of
        the folder together; `step`: the graph that runs for each picture. Each has `n_parameters`, `n_macs` (true: a
        transposed convolution counts its input positions) and `n_macs_output_grid` (it counts its output positions);
        `is_published_form` is true if `whole` is the published network.
    """
    step = graph_cost(onnx.load(folder / spec.files[Precision.FP32].name))
    face = graph_cost(onnx.load(folder / spec.face_file.name)) if spec.face_file else Cost(0, 0, 0)
    known = PUBLISHED.get(spec.architecture)
    if known is not None:
        whole = published_cost(known() if spec.size_px == 96 else Student28x(spec.size_px))
    else:
        whole = Cost(spec.n_parameters, step.n_macs + face.n_macs, step.n_macs_output_grid + face.n_macs_output_grid)
    return {
        "whole": asdict(whole),
        "step": {**asdict(step), "n_parameters": spec.n_parameters},
        "is_published_form": known is not None,
    }


def published_cost(net: Generator) -> Cost:
    """Cost of one picture of a generator of the Wav2Lip family, including the face encoder."""
    size_px = net.shape.size_px
    return measure_cost(net, torch.zeros(1, 1, 80, 16), torch.zeros(1, 6, size_px, size_px))


def file_sizes(folder: Path, spec: StudentSpec) -> dict[str, int]:
    """Bytes of each precision's graph, and of the face encoder's graph under `face`."""
    sizes = {precision.value: (folder / file.name).stat().st_size for precision, file in spec.files.items()}
    if spec.face_file is not None:
        sizes["face"] = (folder / spec.face_file.name).stat().st_size
    return sizes


def graph_cost(model: onnx.ModelProto) -> Cost:
    """Count the weights and multiply-adds of a graph with the conventions of `nets.cost`.

    Args:
        model: FP32 graph with fixed shapes.
    """
    graph = shape_inference.infer_shapes(model).graph
    shapes = {w.name: tuple(w.dims) for w in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes[value.name] = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
    true = on_output_grid = 0
    for node in graph.node:
        macs = _macs(node, shapes)
        true, on_output_grid = true + macs[0], on_output_grid + macs[1]
    return Cost(sum(prod(w.dims) for w in graph.initializer), true, on_output_grid)


def _macs(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, int]:
    """Multiply-adds of a node: true, and with transposed convolutions counted on the output grid."""
    if node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
        return 0, 0
    x, weight, y = shapes[node.input[0]], shapes[node.input[1]], shapes[node.output[0]]
    if node.op_type in ("Gemm", "MatMul"):
        # Every number of the output is a sum over the last dimension of the first input.
        n = prod(y) * x[-1]
        return n, n
    n_out = prod(weight) * prod(y[2:]) * y[0]
    return (n_out if node.op_type == "Conv" else prod(weight) * prod(x[2:]) * x[0]), n_out
