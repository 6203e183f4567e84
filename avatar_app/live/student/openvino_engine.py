"""OpenVINO on the CPU."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from avatar_app.contracts.errors import ModelError
from avatar_app.contracts.student_spec import Precision
from avatar_app.live.student.engine import EngineInfo, Values
from avatar_app.live.student.processor import features

DEVICE = "CPU"
# Element types of the executed graph.
ARITHMETIC = {"f32": "FP32", "f16": "FP16", "bf16": "BF16", "u8": "INT8", "i8": "INT8"}
FEWEST_BITS = ("INT8", "FP16", "BF16", "FP32")
NATIVE_BF16 = frozenset(("avx512_bf16", "bf16"))
WORKING_LAYERS = ("Convolution", "FullyConnected", "MatMul", "Deconvolution")


def import_openvino() -> ModuleType:
    """OpenVINO without its telemetry.

    OpenVINO reports its import over the network unless its telemetry package is missing. This program sends nothing,
    so the package is made to look missing.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino  # type: ignore[no-any-return]


class OpenVinoSession:
    """A compiled model with one request, whose input arrays are filled in place.

    Args:
        graph: ONNX.
        precision: that the graph was published as.
        n_threads: that one call may use.

    Raises:
        ModelError: OpenVINO rejects the graph.
    """

    def __init__(self, graph: bytes, precision: Precision, n_threads: int) -> None:
        ov = import_openvino()
        core = ov.Core()
        try:
            self._compiled = core.compile_model(core.read_model(graph), DEVICE, _options(core, precision, n_threads))
            self._request = self._compiled.create_infer_request()
            self._inputs = {port.get_node().get_friendly_name(): self._bind(port) for port in self._compiled.inputs}
        except (RuntimeError, ValueError, MemoryError) as error:  # the last two for inputs of empty or dynamic size
            raise ModelError(
                f"OpenVINO cannot run this model: {_first_line(error)}.", "Choose another engine or precision."
            ) from error
        # A tensor may have several names, of which the graph's own is one.
        self._outputs = {
            name: self._request.get_tensor(port).data for port in self._compiled.outputs for name in port.names
        }
        self._info = EngineInfo("openvino", DEVICE, precision, _arithmetic(self._compiled))

    def _bind(self, port: Any) -> Values:
        """The array of an input, which is reused for every frame."""
        array: Values = np.zeros(tuple(port.shape), dtype=port.get_element_type().to_dtype())
        self._request.set_tensor(port, import_openvino().Tensor(array, shared_memory=True))
        return array

    @property
    def info(self) -> EngineInfo:
        """How it runs."""
        return self._info

    def keep(self, inputs: Mapping[str, Values]) -> None:
        """Keep constant inputs."""
        for name in inputs.keys() & self._inputs.keys():
            np.copyto(self._inputs[name], inputs[name])

    def run(self, inputs: Mapping[str, Values]) -> dict[str, Values]:
        """Outputs by name, valid until the next call."""
        self.keep(inputs)
        self._request.infer()
        return self._outputs

    def close(self) -> None:
        """Release the memory."""
        self._inputs, self._outputs = {}, {}
        del self._request, self._compiled


def _options(core: Any, precision: Precision, n_threads: int) -> dict[str, Any]:
    """One request at a time with low latency; reduced float precision only for graphs published in it."""
    offered = set(core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES"))
    if not NATIVE_BF16 & features():
        # OpenVINO offers it under an instruction set limit too, and then fails to compile.
        offered.discard("BF16")
    low = next((p for p in ("FP16", "BF16") if p in offered), "FP32")
    wanted = low if precision in (Precision.FP16, Precision.MIXED) else "FP32"
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": n_threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": {"FP16": "f16", "BF16": "bf16", "FP32": "f32"}[wanted],
    }


def _arithmetic(compiled: Any) -> str:
    """Arithmetic of the layers that do the work, fewest bits first, from the executed graph."""
    found = set()
    for layer in compiled.get_runtime_model().get_ops():
        facts = layer.get_rt_info()
        if str(_plain(facts["layerType"])) in WORKING_LAYERS:
            found.add(ARITHMETIC[str(_plain(facts["runtimePrecision"])).lower()])
    return " + ".join(sorted(found, key=FEWEST_BITS.index)) or "FP32"


def _plain(value: Any) -> Any:
    return value.value if hasattr(value, "value") else value


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__
