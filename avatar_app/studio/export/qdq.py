"""Static INT8 in QDQ form: a pair of QuantizeLinear and DequantizeLinear around each operation that runs in INT8.

Engines fuse such pairs into INT8 operations only for certain patterns. This module produces them: a ReLU directly after
a convolution is part of its range; operations that only move data have the same scale on both sides; the sum of a
convolution and a face feature is quantized too; the face feature is an INT8 input.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from avatar_app.studio.export.running import Feed, Float32, run_each

WEIGHTED_TYPES = ("Conv", "Gemm", "MatMul")
# These move data without changing it.
MOVING_TYPES = ("Resize", "Concat", "DepthToSpace", "Slice", "Reshape", "Transpose")
FOLLOWING_TYPES = (*MOVING_TYPES, "Relu", "Sigmoid", "Add")
# Range of tensors that are always zero.
SMALLEST_RANGE = 1e-6


@dataclass(frozen=True)
class Calibration:
    """Ranges of a graph's tensors over the calibration set.

    Attributes:
        feeds: one feed of the set; ONNX Runtime's quantizer needs at least one.
        ranges: smallest (at most 0) and largest value by tensor; the same for tensors that must share a scale.
    """

    feeds: Sequence[Feed]
    ranges: Mapping[str, tuple[float, float]]


class _Feeds(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, model: onnx.ModelProto, feeds: Sequence[Feed]) -> None:
        names = [node.name for node in model.graph.input]
        self._feeds = iter([{name: feed[name] for name in names} for feed in feeds])

    def get_next(self) -> Feed | None:
        return next(self._feeds, None)


def calibrate(model: onnx.ModelProto, feeds: Sequence[Feed]) -> Calibration:
    """Measure the ranges of a graph from `quantize.prepared`."""
    watched = copy.deepcopy(model)
    names = [output for node in watched.graph.node for output in node.output]
    del watched.graph.output[:]
    watched.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    for feed, outputs in zip(feeds, run_each(watched, feeds, names), strict=True):
        for name, value in (feed | outputs).items():
            if value.dtype == np.float32 and value.size:
                low[name] = min(low.get(name, 0.0), float(value.min()))
                high[name] = max(high.get(name, 0.0), float(value.max()))
    return Calibration(feeds[:1], _shared(model, low, high))


def to_int8(
    model: onnx.ModelProto, calibration: Calibration, nodes: Sequence[str], *, is_symmetric: bool = False
) -> onnx.ModelProto:
    """Quantize to INT8: weights per channel, activations per tensor.

    Args:
        model: from `prepared`.
        calibration: of the same graph.
        nodes: names of the convolutions and products to quantize.
        is_symmetric: signed symmetric activations and float biases, as TensorRT requires.
    """
    options = {
        "TensorQuantOverrides": {name: [_limits(*r, is_symmetric)] for name, r in calibration.ranges.items()},
        "ActivationSymmetric": is_symmetric,
        "QuantizeBias": not is_symmetric,
    }
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.onnx", Path(folder) / "out.onnx"
        onnx.save(model, source)
        quantize_static(
            source,
            target,
            _Feeds(model, calibration.feeds),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=[*WEIGHTED_TYPES, *FOLLOWING_TYPES],
            per_channel=True,
            activation_type=QuantType.QInt8 if is_symmetric else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=[*nodes, *_followers(model.graph, nodes)],
            extra_options=options,
        )
        return onnx.load(target)


def with_8bit_inputs(model: onnx.ModelProto) -> tuple[onnx.ModelProto, dict[str, tuple[Float32, NDArray[np.uint8]]]]:
    """Turn float inputs that the graph only quantizes into UINT8 inputs.

    Returns:
        The graph, with inputs `x` renamed to `x_u8`; their scales and zero points by the old name.
    """
    model = copy.deepcopy(model)
    graph = model.graph
    constants = {w.name: numpy_helper.to_array(w) for w in graph.initializer}
    found = {}
    for port in graph.input:
        moved = _after_moves(graph, port.name)
        readers = [node for node in graph.node if moved in node.input]
        if port.name in ("mel", "lookahead") or [node.op_type for node in readers] != ["QuantizeLinear"]:
            continue
        quantize = readers[0]
        found[port.name] = (constants[quantize.input[1]], constants[quantize.input[2]])
        graph.node.remove(quantize)
        _rename(graph, quantize.output[0], moved)
        _rename(graph, port.name, f"{port.name}_u8")
        port.name += "_u8"
        port.type.tensor_type.elem_type = TensorProto.UINT8
    # The recorded types of inner tensors are out of date.
    del graph.value_info[:]
    return model, found


def with_8bit_outputs(
    face: onnx.ModelProto, wanted: Collection[str], scales: Mapping[str, tuple[Float32, NDArray[np.uint8]]]
) -> onnx.ModelProto:
    """The face encoder's graph with only the outputs that the student graphs take.

    Args:
        face: has all features as float outputs.
        wanted: names of the inputs of the student graphs.
        scales: from `with_8bit_inputs`, for outputs whose names end in `_u8`.
    """
    face = copy.deepcopy(face)
    graph = face.graph
    for name, (scale, zero) in scales.items():
        graph.initializer.append(numpy_helper.from_array(scale, f"{name}_scale"))
        graph.initializer.append(numpy_helper.from_array(zero, f"{name}_zero"))
        graph.node.append(
            helper.make_node("QuantizeLinear", [name, f"{name}_scale", f"{name}_zero"], [f"{name}_u8"], f"{name}_u8")
        )
        graph.output.append(helper.make_tensor_value_info(f"{name}_u8", TensorProto.UINT8, None))
    kept = [port for port in graph.output if port.name in wanted]
    del graph.output[:]
    graph.output.extend(kept)
    return face


def _after_moves(graph: onnx.GraphProto, name: str) -> str:
    """The last tensor of the chain of data movements that starts at an input."""
    readers = [node for node in graph.node if name in node.input]
    while len(readers) == 1 and readers[0].op_type in MOVING_TYPES:
        name = readers[0].output[0]
        readers = [node for node in graph.node if name in node.input]
    return name


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Replace one tensor by another in the inputs of all nodes."""
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]


def _followers(graph: onnx.GraphProto, nodes: Sequence[str]) -> list[str]:
    """Nodes that run in INT8 because their inputs come from quantized nodes."""
    makers = {output: node for node in graph.node for output in node.output}
    ports = {port.name for port in graph.input}
    chosen = set(nodes)

    def is_graph_input(name: str) -> bool:
        while name in makers and makers[name].op_type in MOVING_TYPES:
            name = makers[name].input[0]
        return name in ports

    found = []
    for node in graph.node:
        if node.op_type not in FOLLOWING_TYPES:
            continue
        data = node.input if node.op_type in ("Concat", "Add") else node.input[:1]
        is_fed = [name in makers and makers[name].name in chosen for name in data]
        if node.op_type == "Add":
            is_fed = is_fed if any(is_graph_input(name) for name in data) else [False]
            is_fed = [any(is_fed)]
        if all(is_fed):
            chosen.add(node.name)
            found.append(node.name)
    return found


def _shared(
    model: onnx.ModelProto, low: Mapping[str, float], high: Mapping[str, float]
) -> dict[str, tuple[float, float]]:
    """Ranges; tensors that are connected by data movements share one."""
    groups: dict[str, list[str]] = {name: [name] for name in low}
    for node in model.graph.node:
        if node.op_type not in MOVING_TYPES:
            continue
        for name in node.input if node.op_type == "Concat" else node.input[:1]:
            if name in groups and node.output[0] in groups and groups[name] is not groups[node.output[0]]:
                groups[name] += groups[node.output[0]]
                groups.update(dict.fromkeys(groups[name], groups[name]))
    ranges = {name: (min(low[n] for n in group), max(high[n] for n in group)) for name, group in groups.items()}
    # The picture is in 0..1, so its 8-bit values are exactly those of the final picture.
    return ranges | dict.fromkeys(groups["patch"], (0.0, 1.0))


def _limits(low: float, high: float, is_symmetric: bool) -> dict[str, Float32]:
    high = max(high, -low if is_symmetric else 0.0, SMALLEST_RANGE)
    return {"rmin": np.float32(-high if is_symmetric else low), "rmax": np.float32(high)}  # type: ignore[dict-item]
