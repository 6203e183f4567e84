"""What an engine is: something that runs a graph, and says truthfully how."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from avatar_app.contracts.errors import ModelError
from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.contracts.student_spec import Precision
from avatar_app.live.student.onnx_graph import is_whole

# What goes in and comes out: floats, and in 8-bit graphs the features of the face.
Values = Float32 | UInt8

# Known engines, in the order in which they are tried before this machine was measured.
ENGINES = (
    "openvino",
    "onnxruntime-cpu",
    "onnxruntime-cuda",
    "onnxruntime-tensorrt",
    "onnxruntime-directml",
    "onnxruntime-coreml",
)
PRECISION_NAMES = {
    Precision.FP32: "FP32",
    Precision.FP16: "FP16",
    Precision.INT8: "INT8",
    Precision.MIXED: "mixed",
}


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What really runs.

    Attributes:
        engine: one of `ENGINES`.
        device: the processor, as in "CPU".
        precision: of the published graph.
        arithmetic: what the engine itself says it computes in, fewest bits first, as in "INT8 + BF16".
    """

    engine: str
    device: str
    precision: Precision
    arithmetic: str

    @property
    def label(self) -> str:
        """For people: "INT8", or "FP16, run as BF16 on this CPU" where the engine does something else."""
        name = PRECISION_NAMES[self.precision]
        if self.arithmetic == name:
            return name
        if self.precision in (Precision.INT8, Precision.MIXED) and "INT8" in self.arithmetic:
            return f"{name} ({self.arithmetic})"
        return f"{name}, run as {self.arithmetic} on this {self.device}"


class Session(Protocol):
    """A graph made ready to run. Thread: one at a time."""

    @property
    def info(self) -> EngineInfo:
        """What really runs."""
        ...

    def keep(self, inputs: Mapping[str, Values]) -> None:
        """Take inputs that stay the same from now on, so that no step copies them; names unknown here are left out."""
        ...

    def run(self, inputs: Mapping[str, Values]) -> dict[str, Values]:
        """Outputs by name, for what was kept and these inputs; they stay valid until the next call."""
        ...

    def close(self) -> None:
        """Give the memory back."""
        ...


def installed_engines() -> tuple[str, ...]:
    """Engines whose packages are installed and whose devices the packages know."""
    found = []
    if importlib.util.find_spec("openvino"):
        found.append("openvino")
    if importlib.util.find_spec("onnxruntime"):
        from avatar_app.live.student.onnxruntime_engine import available_engines

        found += available_engines()
    return tuple(found)


def open_session(engine: str, graph: bytes, precision: Precision, n_threads: int) -> Session:
    """Make a graph ready.

    Args:
        engine: one of `ENGINES`.
        graph: ONNX, whole in itself.
        precision: that the graph was published as.
        n_threads: that one call may use.

    Raises:
        ModelError: the engine is not installed, or refuses the graph or the device; or the graph needs other files.
    """
    _require_whole(graph)
    try:
        if engine == "openvino":
            from avatar_app.live.student.openvino_engine import OpenVinoSession

            return OpenVinoSession(graph, precision, n_threads)
        if engine in ENGINES:
            from avatar_app.live.student.onnxruntime_engine import OnnxRuntimeSession

            return OnnxRuntimeSession(engine, graph, precision, n_threads)
    except ImportError as error:
        raise ModelError(f"The engine {engine} is not installed ({error}).", "Choose the engine `auto`.") from error
    raise ModelError(f"There is no engine named {engine!r}.", f"There are: auto, {', '.join(ENGINES)}.")


def _require_whole(graph: bytes) -> None:
    """An engine would read weights beside the graph from whatever folder the program was started in."""
    try:
        if is_whole(graph):
            return
    except ValueError as error:
        raise ModelError(f"The model's file is not in ONNX format ({error}).", "Install the model again.") from error
    raise ModelError(
        "The model keeps weights in files of their own, which its checksum does not cover.",
        "Save it as one file, and publish it again.",
    )
