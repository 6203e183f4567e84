"""The engines: which are installed, and how each opens a session."""

from __future__ import annotations

import importlib.util

from avatar_app.contracts.errors import ModelError
from avatar_app.contracts.student_spec import Precision
from avatar_app.live.student.engine import Session
from avatar_app.live.student.onnx_graph import is_whole

# All engines, in the order in which they are tried before this machine is measured.
ENGINES = (
    "openvino",
    "onnxruntime-cpu",
    "onnxruntime-cuda",
    "onnxruntime-tensorrt",
    "onnxruntime-directml",
    "onnxruntime-coreml",
)


def installed_engines() -> tuple[str, ...]:
    """Engines whose packages are installed and support their devices."""
    found = []
    if importlib.util.find_spec("openvino"):
        found.append("openvino")
    if importlib.util.find_spec("onnxruntime"):
        from avatar_app.live.student.onnxruntime_engine import available_engines

        found += available_engines()
    return tuple(found)


def open_session(engine: str, graph: bytes, precision: Precision, n_threads: int) -> Session:
    """Load a graph into a session.

    Args:
        engine: one of `ENGINES`.
        graph: ONNX, with all weights inside.
        precision: that the graph was published as.
        n_threads: that one call may use.

    Raises:
        ModelError: the engine is not installed or rejects the graph or the device, or the graph needs other files.
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
    """Reject weights in other files: an engine would read them from the current folder, unchecked."""
    try:
        if is_whole(graph):
            return
    except ValueError as error:
        raise ModelError(f"The model's file is not in ONNX format ({error}).", "Install the model again.") from error
    raise ModelError(
        "The model keeps weights in separate files, which its checksum does not cover.",
        "Save it as one file, and publish it again.",
    )
