"""Prepares graphs for quantization: FP16, and the nodes that may run in INT8."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

from avatar_app.studio.export.qdq import WEIGHTED_TYPES

# Smaller weights do not pay for the extra node.
LARGE = 1024


def prepared(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with folded constants, and with norms and padding merged into convolutions."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.onnx", Path(folder) / "out.onnx"
        onnx.save(model, source)
        quant_pre_process(source, target, skip_symbolic_shape=True)
        model = onnx.load(target)
    _absorb_pads(model.graph)
    return model


def to_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights and arithmetic in FP16; inputs and outputs stay float32."""
    half: onnx.ModelProto = convert_float_to_float16(model, keep_io_types=True)
    return half


def with_half_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with large float32 weights stored in FP16; engines convert them once, on loading."""
    graph = model.graph
    large = [w for w in graph.initializer if w.data_type == TensorProto.FLOAT and np.prod(w.dims) >= LARGE]
    casts = []
    for weight in large:
        values = numpy_helper.to_array(weight).astype(np.float16)
        graph.initializer.append(numpy_helper.from_array(values, f"{weight.name}_half"))
        casts.append(helper.make_node("Cast", [f"{weight.name}_half"], [weight.name], to=TensorProto.FLOAT))
        graph.initializer.remove(weight)
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
    return model


def candidates(model: onnx.ModelProto, stays_float: tuple[str, ...]) -> list[str]:
    """Names of the nodes that may be quantized: those with weights whose names have none of these prefixes."""
    weights = {w.name for w in model.graph.initializer}
    weighted = [n for n in model.graph.node if n.op_type in WEIGHTED_TYPES and n.input[1] in weights]
    return [n.name for n in weighted if not n.name.startswith(stays_float)]


def multiply_adds(model: onnx.ModelProto) -> dict[str, int]:
    """Multiply-adds by name of each node with weights."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in inferred.value_info}
    sizes = {w.name: int(np.prod(w.dims)) for w in model.graph.initializer}
    weighted = [n for n in model.graph.node if n.op_type in WEIGHTED_TYPES and n.input[1] in sizes]
    return {
        node.name: sizes[node.input[1]] * (int(np.prod(shapes[node.output[0]][2:])) if node.op_type == "Conv" else 1)
        for node in weighted
    }


def _absorb_pads(graph: onnx.GraphProto) -> None:
    """Move asymmetric padding into the convolutions; torch exports it as separate nodes."""
    constants = {w.name: w for w in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}
    for conv in [node for node in graph.node if node.op_type == "Conv"]:
        pad = makers.get(conv.input[0])
        if pad is None or pad.op_type != "Pad":
            continue
        # Before and after each axis; the first two axes are batch and channels.
        sides = [int(n) for n in numpy_helper.to_array(constants[pad.input[1]])]
        n_axes = len(sides) // 2
        for attribute in conv.attribute:
            if attribute.name == "pads":
                spatial = [*sides[2:n_axes], *sides[n_axes + 2 :]]
                attribute.ints[:] = [a + b for a, b in zip(attribute.ints, spatial, strict=True)]
        conv.input[0] = pad.input[0]
        if not any(pad.output[0] in node.input for node in graph.node):
            graph.node.remove(pad)
