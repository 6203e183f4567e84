"""The same graph in fewer bits: FP16, INT8 everywhere, and INT8 only where it does no harm."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

log = logging.getLogger(__name__)

Float32 = NDArray[np.float32]
Feed = dict[str, Float32]

QUANTIZED_TYPES = ("Conv", "Gemm", "MatMul")
# These carry the 8-bit numbers on without touching them.
PASSING_TYPES = ("Resize", "Concat", "DepthToSpace", "Slice")
# Mixed: the quantized picture must be so near the exact one; 47 dB is an error of 1.1 grey levels.
MIXED_PSNR_DB = 47.0
N_PROBES = 48
# Smaller weights are not worth a node.
LARGE = 1024


@dataclass(frozen=True)
class Damage:
    """What quantizing one node alone costs: PSNR in dB against the exact picture; higher is better."""

    node: str
    psnr_db: float


class _Feeds(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> Feed | None:
        return next(self._feeds, None)


def prepared(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with constants folded and norms merged into convolutions."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.onnx", Path(folder) / "out.onnx"
        onnx.save(model, source)
        quant_pre_process(source, target, skip_symbolic_shape=True)
        return onnx.load(target)


def to_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights and arithmetic in FP16; inputs and outputs stay float32."""
    half: onnx.ModelProto = convert_float_to_float16(model, keep_io_types=True)
    return half


def with_half_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with large float32 weights stored in FP16; engines widen them once, when they load it."""
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
    """Names of the nodes that may be quantized."""
    return [n.name for n in model.graph.node if n.op_type in QUANTIZED_TYPES and not n.name.startswith(stays_float)]


def to_int8(model: onnx.ModelProto, feeds: Sequence[Feed], nodes: Sequence[str]) -> onnx.ModelProto:
    """Static INT8 with explicit scales (QDQ): 8-bit activations, weights per channel.

    Args:
        model: from `prepared`.
        feeds: inputs that the ranges are measured on.
        nodes: which nodes to quantize.
    """
    passing = [n.name for n in model.graph.node if n.op_type in PASSING_TYPES and n.name.startswith(_common(nodes))]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.onnx", Path(folder) / "out.onnx"
        onnx.save(model, source)
        quantize_static(
            source,
            target,
            _Feeds(feeds),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=[*QUANTIZED_TYPES, *PASSING_TYPES],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=[*nodes, *passing],
            calibrate_method=CalibrationMethod.MinMax,
        )
        return onnx.load(target)


def sweep(
    model: onnx.ModelProto, feeds: Sequence[Feed], nodes: Sequence[str], tell: Callable[[str], None]
) -> list[Damage]:
    """Quantize one node at a time; the most harmful first."""
    exact = run_all(model, feeds[:N_PROBES])
    found = []
    for k, node in enumerate(nodes):
        quantized = to_int8(model, feeds, [node])
        found.append(Damage(node, psnr_db(run_all(quantized, feeds[:N_PROBES]), exact)))
        tell(f"sensitivity {k + 1} of {len(nodes)}: {node} {found[-1].psnr_db:.1f} dB")
    return sorted(found, key=lambda damage: damage.psnr_db)


def to_mixed(model: onnx.ModelProto, feeds: Sequence[Feed], damages: Sequence[Damage]) -> tuple[onnx.ModelProto, int]:
    """INT8 where harmless: the most harmful nodes stay float until the picture is near enough to the exact one.

    Returns:
        The graph, and how many of the candidates stayed float.
    """
    exact = run_all(model, feeds[:N_PROBES])
    for n_float in range(len(damages)):
        quantized = to_int8(model, feeds, [damage.node for damage in damages[n_float:]])
        near_db = psnr_db(run_all(quantized, feeds[:N_PROBES]), exact)
        log.info("mixed: %d of %d layers stay float, %.1f dB from exact", n_float, len(damages), near_db)
        if near_db >= MIXED_PSNR_DB:
            return quantized, n_float
    return model, len(damages)


def run_all(model: onnx.ModelProto, feeds: Sequence[Feed]) -> Float32:
    """(n, 3, h, w) float32: what a graph draws for each feed."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(["patch"], feed)[0] for feed in feeds])


def psnr_db(a: Float32, b: Float32) -> float:
    """Peak signal to noise ratio of pictures in 0..1, mean over pictures."""
    errors = np.square(a - b).mean(axis=(1, 2, 3))
    return float(np.mean(-10 * np.log10(np.maximum(errors, 1e-12))))


def _common(nodes: Sequence[str]) -> tuple[str, ...]:
    """Beginnings of the parts that hold the quantized nodes, as in `/picture/`."""
    return tuple({f"/{node.split('/')[1]}/" if node.count("/") > 1 else node for node in nodes})
