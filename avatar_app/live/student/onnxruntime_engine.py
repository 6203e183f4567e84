"""ONNX Runtime: the portable engine for CPUs, and the one for GPUs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime as ort

from avatar_app.contracts.errors import ModelError
from avatar_app.contracts.student_spec import Precision
from avatar_app.live.student.engine import EngineInfo, Values

# Engine: provider of ONNX Runtime, and display name of the device.
PROVIDERS = {
    "onnxruntime-cpu": ("CPUExecutionProvider", "CPU"),
    "onnxruntime-cuda": ("CUDAExecutionProvider", "NVIDIA GPU"),
    "onnxruntime-tensorrt": ("TensorrtExecutionProvider", "NVIDIA GPU"),
    "onnxruntime-directml": ("DmlExecutionProvider", "GPU"),
    "onnxruntime-coreml": ("CoreMLExecutionProvider", "Apple GPU"),
}
ERRORS_ONLY = 3


def available_engines() -> list[str]:
    """Engines whose provider this build of ONNX Runtime has."""
    available = ort.get_available_providers()
    return [engine for engine, (provider, _) in PROVIDERS.items() if provider in available]


class OnnxRuntimeSession:
    """A session on exactly one provider: nodes that would fall back to the CPU are an error.

    Args:
        engine: a key of `PROVIDERS`.
        graph: ONNX.
        precision: that the graph was published as.
        n_threads: that one call may use.

    Raises:
        ModelError: the provider is missing or rejects the graph.
    """

    def __init__(self, engine: str, graph: bytes, precision: Precision, n_threads: int) -> None:
        provider, device = PROVIDERS[engine]
        if provider not in ort.get_available_providers():
            raise ModelError(f"The engine {engine} is not installed.", "Choose the engine `auto`.")
        with tempfile.TemporaryDirectory() as folder:
            executed = Path(folder) / "executed.onnx"
            options = _options(n_threads, is_cpu=device == "CPU", executed=executed)
            self._session = _open(engine, graph, options, provider)
            arithmetic = _cpu_arithmetic(executed) if device == "CPU" else _gpu_arithmetic(precision)
        if self._session.get_providers()[0] != provider:
            raise ModelError(f"The engine {engine} could not start on this machine.", "Choose the engine `auto`.")
        self._names = [output.name for output in self._session.get_outputs()]
        self._inputs = [node.name for node in self._session.get_inputs()]
        self._kept: dict[str, Values] = {}
        self._info = EngineInfo(engine, device, precision, arithmetic)

    @property
    def info(self) -> EngineInfo:
        """How it runs."""
        return self._info

    def keep(self, inputs: Mapping[str, Values]) -> None:
        """Keep constant inputs."""
        self._kept.update({name: inputs[name] for name in self._inputs if name in inputs})

    def run(self, inputs: Mapping[str, Values]) -> dict[str, Values]:
        """Outputs by name."""
        now = {name: inputs[name] for name in self._inputs if name in inputs}
        outputs = self._session.run(self._names, {**self._kept, **now})
        return dict(zip(self._names, outputs, strict=True))

    def close(self) -> None:
        """Release the memory."""
        del self._session


def _options(n_threads: int, *, is_cpu: bool, executed: Path) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    # Threads that spin while they wait would take a core from a game on the same machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if is_cpu:
        options.optimized_model_filepath = str(executed)
    else:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return options


def _open(engine: str, graph: bytes, options: Any, provider: str) -> Any:
    try:
        return ort.InferenceSession(graph, options, providers=[provider])
    except Exception as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise ModelError(
            f"The engine {engine} cannot run this model: {reason}.", "Choose another engine or precision."
        ) from error


def _cpu_arithmetic(executed: Path) -> str:
    """Arithmetic on the CPU: float kernels are FP32, to which FP16 is cast; INT8 has its own kernels."""
    graph = executed.read_bytes()
    n_int8 = graph.count(b"QLinearConv") + graph.count(b"QGemm") + graph.count(b"QLinearMatMul")
    n_float = graph.count(b"FusedConv") + graph.count(b"NhwcFusedConv")
    if not n_int8:
        return "FP32"
    return "INT8 + FP32" if n_float else "INT8"


def _gpu_arithmetic(precision: Precision) -> str:
    return {Precision.FP32: "FP32", Precision.FP16: "FP16"}.get(precision, "INT8 + FP16")
