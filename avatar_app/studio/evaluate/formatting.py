"""Formats the numbers and names of `report.json` for display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from avatar_app.studio.evaluate.sensitivity_table import UNKNOWN_REASON
from avatar_app.studio.evaluate.speed import STEP

Report = Mapping[str, Any]

ENGINE_NAMES = {"openvino": "OpenVINO", "onnxruntime-cpu": "ONNX Runtime"}
PRECISION_NAMES = {"fp32": "FP32", "fp16": "FP16", "int8": "INT8", "mixed": "mixed"}
NONE = "–"
LAYER_CHARS = 36
# Colours of the style sheet; the first is for teachers.
N_COLOURS = 7
# Columns of an ablation table: heading and format by key.
ABLATION_COLUMNS = {
    "mouth_psnr_db": ("mouth PSNR", "{:.2f} dB"),
    "mouth_ssim": ("SSIM", "{:.3f}"),
    "opening_correlation": ("opening r", "{:.3f}"),
    "offset_pictures": ("offset, pictures", "{:.0f}"),
    "distance": ("distance", "{:.2f}"),
    "confidence": ("confidence", "{:.2f}"),
    "jitter": ("jitter", "{:.2f}"),
}


def titles(report: Report) -> dict[str, str]:
    """Title of each model; with its id where two titles are equal."""
    found = {model: str(about["title"]) for model, about in report["models"].items()}
    used = list(found.values())
    return {model: f"{name} ({model})" if used.count(name) > 1 else name for model, name in found.items()}


def colours(report: Report) -> dict[str, int]:
    """Colour number of each model: a teacher is grey, students have the other colours in order."""
    students = [m for m, about in report["models"].items() if not about["is_teacher"]]
    return {m: 1 + students.index(m) % (N_COLOURS - 1) if m in students else 0 for m in report["models"]}


def teacher_of(report: Report) -> str | None:
    """Id of the teacher; None without one."""
    return next((m for m, about in report["models"].items() if about["is_teacher"]), None)


def by_lookahead(report: Report) -> list[tuple[str, int, Report]]:
    """Model, look-ahead in ms, scores."""
    return [
        (model, int(key.removeprefix("lookahead_")), scores)
        for model, about in report["models"].items()
        for key, scores in about["quality"].items()
        if key.startswith("lookahead_")
    ]


def engine_name(engine: str) -> str:
    """Display name of an engine."""
    return ENGINE_NAMES.get(engine, engine)


def precision_name(precision: str) -> str:
    """Display name of a precision."""
    return PRECISION_NAMES.get(precision, precision)


def ratio_range(ratio: Report) -> str:
    """The middle half of a ratio's rounds."""
    return f"{ratio['p25']:.2f} .. {ratio['p75']:.2f}"


def milliseconds(value: float) -> str:
    """A time with two decimals below 10 ms, else with one."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def millions(n: float) -> str:
    """A count in millions."""
    return f"{n / 1e6:,.1f} M"


def megabytes(n_bytes: int | None) -> str:
    """A file size; a dash if there is no file."""
    return NONE if n_bytes is None else f"{n_bytes / 1e6:.2f} MB"


def percent(ratio: float) -> str:
    """A ratio in percent, without the percent sign."""
    return f"{100 * ratio:.1f}"


def closed(scores: Report) -> str:
    """Percentage of lip closings in which the generated mouth is closed; a dash if there are none."""
    return f"{100 * scores['closed_ratio']:.0f} %" if "closed_ratio" in scores else NONE


def ablated(row: Report, key: str) -> str:
    """A number of an ablation row; a dash if it was not measured."""
    return ABLATION_COLUMNS[key][1].format(row[key]) if key in row else NONE


def optional(scores: Report, key: str, digits: int) -> str:
    """A score; a dash if it was not measured."""
    return f"{scores[key]:.{digits}f}" if key in scores else NONE


def layer_name(node: str) -> str:
    """Short name of a node: `/speech/ear/ear.0/conv_block/Conv` is `speech/ear.0`."""
    *parts, _ = [part for part in node.strip("/").split("/") if not part.startswith("conv_block")] or [node]
    kept = [part for part, inner in zip(parts, [*parts[1:], ""], strict=True) if not inner.startswith(f"{part}.")]
    name = "/".join(kept) or node
    return name if len(name) <= LAYER_CHARS else "…" + name[1 - LAYER_CHARS :]


def quantiles(values: Sequence[float]) -> list[float]:
    """Minimum, quartiles and maximum of sorted values."""
    last = len(values) - 1
    return [values[round(share * last)] for share in (0, 0.25, 0.5, 0.75, 1)]


def form_name(run: Report) -> str:
    """Prefix of a run that is not the live step."""
    return "whole, " if run["form"] != STEP else ""


def pair_name(run: Report) -> str:
    """Precision and engine of a run."""
    return f"{precision_name(run['precision'])}, {engine_name(run['engine'])}"


def spread(run: Report) -> str:
    """The quartiles of a run's times."""
    return f"{milliseconds(run['p25_ms'])} .. {milliseconds(run['p75_ms'])}"


def signed(n: int) -> str:
    """An integer with its sign; 0 has none."""
    return f"{n:+d}" if n else "0"


def loss(loss_db: float, precision: str) -> str:
    """Difference from FP32 in brackets; empty for FP32 itself."""
    # Adding 0 turns -0.0 into 0.0.
    return "" if precision == "fp32" else f"  ({round(-loss_db, 2) + 0.0:+.2f})"


def reason(key: str) -> str:
    """Legend entry for a reason why layers stay float."""
    return "stays float in mixed" if key == UNKNOWN_REASON else f"stays float: {key.replace('_', ' ')}"
