"""Runs ONNX graphs in ONNX Runtime during export."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Feed = dict[str, Float32]


def run_each(model: onnx.ModelProto, feeds: Sequence[Feed], names: Sequence[str]) -> Iterator[dict[str, Float32]]:
    """The named outputs for each feed; entries of a feed that the graph has no input for are ignored."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    inputs = [node.name for node in session.get_inputs()]
    for feed in feeds:
        outputs = session.run(list(names), {name: feed[name] for name in inputs})
        yield dict(zip(names, outputs, strict=True))


def run_all(model: onnx.ModelProto, feeds: Sequence[Feed]) -> Float32:
    """(n, 3, h, w) float32 in 0..1: the output `patch` for each feed."""
    return np.concatenate([outputs["patch"] for outputs in run_each(model, feeds, ["patch"])])


def psnr_db(a: Float32, b: Float32) -> float:
    """Peak signal-to-noise ratio of pictures in 0..1, mean over pictures."""
    errors = np.square(a - b).mean(axis=(1, 2, 3))
    return float(np.mean(-10 * np.log10(np.maximum(errors, 1e-12))))
