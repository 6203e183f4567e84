"""The session of an inference engine, and what it reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.contracts.student_spec import Precision

# Inputs and outputs: floats, and in 8-bit graphs the features of the face.
Values = Float32 | UInt8

PRECISION_NAMES = {
    Precision.FP32: "FP32",
    Precision.FP16: "FP16",
    Precision.INT8: "INT8",
    Precision.MIXED: "mixed",
}


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """How a session runs, as the engine reports it.

    Attributes:
        engine: one of `engines.ENGINES`.
        device: display name, such as "CPU".
        precision: of the published graph.
        arithmetic: of the layers that do the work, fewest bits first, such as "INT8 + BF16".
    """

    engine: str
    device: str
    precision: Precision
    arithmetic: str

    @property
    def label(self) -> str:
        """Display name: "INT8", or "FP16, run as BF16 on this CPU" where the engine uses another precision."""
        name = PRECISION_NAMES[self.precision]
        if self.arithmetic == name:
            return name
        if self.precision in (Precision.INT8, Precision.MIXED) and "INT8" in self.arithmetic:
            return f"{name} ({self.arithmetic})"
        return f"{name}, run as {self.arithmetic} on this {self.device}"


class Session(Protocol):
    """A graph that an engine has loaded. Thread: one at a time."""

    @property
    def info(self) -> EngineInfo:
        """How it runs."""
        ...

    def keep(self, inputs: Mapping[str, Values]) -> None:
        """Keep constant inputs, so that no step copies them; unknown names are ignored."""
        ...

    def run(self, inputs: Mapping[str, Values]) -> dict[str, Values]:
        """Outputs by name, from the kept inputs and these; valid until the next call."""
        ...

    def close(self) -> None:
        """Release the memory."""
        ...
