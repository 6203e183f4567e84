"""Names of the inference engines for the window."""

from __future__ import annotations

from collections.abc import Mapping

TITLES: Mapping[str, str] = {
    "openvino": "OpenVINO",
    "onnxruntime-cpu": "ONNX Runtime (CPU)",
    "onnxruntime-cuda": "ONNX Runtime (CUDA)",
    "onnxruntime-tensorrt": "ONNX Runtime (TensorRT)",
    "onnxruntime-directml": "ONNX Runtime (DirectML)",
    "onnxruntime-coreml": "ONNX Runtime (Core ML)",
}


def engine_title(engine: str) -> str:
    """The name of an engine; an unknown one is its own name."""
    return TITLES.get(engine, engine)
