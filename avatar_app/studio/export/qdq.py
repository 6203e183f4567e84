"""Static INT8 in explicit form: a pair of quantize and dequantize around whatever shall run in 8 bits.

Engines fuse such pairs into 8-bit operations only where the pattern is the one they look for. What is needed, and is
done here: a ReLU right after a convolution is part of its range; operations that only move numbers have one scale on
both sides; the sum of a convolution and a face's map is quantized with it; the map comes in 8 bits already.
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
# These carry the 8-bit numbers on without touching them.
MOVING_TYPES = ("Resize", "Concat", "DepthToSpace", "Slice", "Reshape", "Transpose")
FOLLOWING_TYPES = (*MOVING_TYPES, "Relu", "Sigmoid", "Add")
# For tensors that are always zero.
SMALLEST_RANGE = 1e-6


@dataclass(frozen=True)
class Calibration:
    """What the tensors of a graph hold over the calibration set.

    Attributes:
        feeds: one input of the set, for the tool that wants to see one.
        ranges: smallest (at most 0) and largest value by tensor; equal for tensors that must share a scale.
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
    """Run the calibration set through a graph from `prepared`."""
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
    """Weights in 8 bits per channel, activations in 8 bits per tensor.

    Args:
        model: from `prepared`.
        calibration: of the same graph.
        nodes: names of the convolutions and products to quantize.
        is_symmetric: signed activations around zero and biases left in float, which is all that TensorRT takes.
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
    """Let a graph take in 8 bits what it would quantize first thing at every step.

    Returns:
        The graph, whose inputs `x` of that kind are now `x_u8`; and their scales and zero points by the old name.
    """
    model = copy.deepcopy(model)
    graph = model.graph
    constants = {w.name: numpy_helper.to_array(w) for w in graph.initializer}
    found = {}
    for port in graph.input:
        moved = _moved(graph, port.name)
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
    # What was known of the tensors' types is known no longer.
    del graph.value_info[:]
    return model, found


def with_8bit_outputs(
    face: onnx.ModelProto, wanted: Collection[str], scales: Mapping[str, tuple[Float32, NDArray[np.uint8]]]
) -> onnx.ModelProto:
    """The graph of the face, giving the features that students take, and only those.

    Args:
        face: gives all features as floats.
        wanted: names of the features that some student takes.
        scales: from `with_8bit_inputs`, for the features whose name ends in `_u8`.
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


def _moved(graph: onnx.GraphProto, name: str) -> str:
    """The tensor that an input is after it was moved, and nothing else."""
    readers = [node for node in graph.node if name in node.input]
    while len(readers) == 1 and readers[0].op_type in MOVING_TYPES:
        name = readers[0].output[0]
        readers = [node for node in graph.node if name in node.input]
    return name


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Let all who read one tensor read another."""
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]


def _followers(graph: onnx.GraphProto, nodes: Sequence[str]) -> list[str]:
    """Nodes that stay in 8 bits because what they take comes from a quantized node."""
    makers = {output: node for node in graph.node for output in node.output}
    ports = {port.name for port in graph.input}
    chosen = set(nodes)

    def is_map(name: str) -> bool:
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
            is_fed = is_fed if any(is_map(name) for name in data) else [False]
            is_fed = [any(is_fed)]
        if all(is_fed):
            chosen.add(node.name)
            found.append(node.name)
    return found


def _shared(
    model: onnx.ModelProto, low: Mapping[str, float], high: Mapping[str, float]
) -> dict[str, tuple[float, float]]:
    """Ranges, one for all tensors between which numbers are only moved."""
    groups: dict[str, list[str]] = {name: [name] for name in low}
    for node in model.graph.node:
        if node.op_type not in MOVING_TYPES:
            continue
        for name in node.input if node.op_type == "Concat" else node.input[:1]:
            if name in groups and node.output[0] in groups and groups[name] is not groups[node.output[0]]:
                groups[name] += groups[node.output[0]]
                groups.update(dict.fromkeys(groups[name], groups[name]))
    ranges = {name: (min(low[n] for n in group), max(high[n] for n in group)) for name, group in groups.items()}
    # The picture is in 0..1 and becomes bytes: these are exactly its 256 values.
    return ranges | dict.fromkeys(groups["patch"], (0.0, 1.0))


def _limits(low: float, high: float, is_symmetric: bool) -> dict[str, Float32]:
    high = max(high, -low if is_symmetric else 0.0, SMALLEST_RANGE)
    return {"rmin": np.float32(-high if is_symmetric else low), "rmax": np.float32(high)}  # type: ignore[dict-item]
