"""What a session of an engine is, and what it reports of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.contracts.student_spec import Precision

# What goes in and comes out: floats, and in 8-bit graphs the features of the face.
Values = Float32 | UInt8

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
        engine: one of `engines.ENGINES`.
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
