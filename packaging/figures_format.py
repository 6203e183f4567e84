"""How the figures page writes tables, machines and names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

NONE = "–"
MILLION = 1e6
ENGINES = {"openvino": "OpenVINO", "onnxruntime-cpu": "ONNX Runtime"}
PRECISIONS = {"fp32": "FP32", "fp16": "FP16", "mixed": "mixed", "int8": "INT8"}

Data = Mapping[str, Any]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine_line(machine: Data) -> str:
    """One line about a machine."""
    packages = machine.get("packages", {})
    versions = "".join(f", {name} {packages[name]}" for name in ("openvino", "onnxruntime") if name in packages)
    return (
        f"{machine['cpu']}, {machine['instruction_set']}, {machine['n_cores']} cores, {machine['memory_gb']:.0f} GB,"
        f" {machine['system'].split('-')[0]}, Python {machine['python']}{versions}, no GPU"
    )


def source(found: Data) -> list[str]:
    """The source of numbers that no command of this repository wrote; empty for others."""
    return [f"Source of these numbers: {found['from']}."] if found.get("from") else []
