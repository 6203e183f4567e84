"""Markdown tables from `report.json`, for documentation with generated numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from avatar_app.studio.evaluate import formatting
from avatar_app.studio.evaluate.formatting import Report
from avatar_app.studio.evaluate.speed import STEP, WHOLE

MILLION = 1e6
PRECISIONS = ("fp32", "fp16", "mixed", "int8")


def markdown(report: Report) -> str:
    """All tables; the first heading of each names its subject.

    Args:
        report: content of `report.json`.
    """
    parts = [_sizes(report), _speed(report), _precisions(report), _quality(report), _ablation(report)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _sizes(report: Report) -> str:
    teacher = formatting.teacher_of(report)
    rows = []
    for model, name in formatting.titles(report).items():
        about = report["models"][model]
        whole, step, sizes = about["cost"]["whole"], about["cost"]["step"], about["file_bytes"]
        big = report["models"][teacher]["cost"]["whole"] if teacher and teacher != model else None
        keys = ("n_parameters", "n_macs", "n_macs_output_grid")
        counts = [f"{whole[k] / MILLION:,.2f} M" + (f" ({big[k] / whole[k]:.1f}x less)" if big else "") for k in keys]
        megabytes = " / ".join(f"{sizes[p] / MILLION:.1f}" if p in sizes else formatting.NONE for p in PRECISIONS)
        rows.append([name, *counts, f"{step['n_macs'] / MILLION:,.1f} M", megabytes])
    heads = ["whole network", "parameters", "multiply-adds, true", "on the output grid"]
    return _table([*heads, "true, of a live step", "MB: FP32 / FP16 / mixed / INT8"], rows)


def _speed(report: Report) -> str:
    rows = []
    for (model, form, engine), runs in _grouped(report["speed"]["runs"]).items():
        what = f"{formatting.titles(report)[model]}{', whole network' if form == WHOLE else ''}"
        rows.append(
            [what, formatting.engine_name(engine), *(_ms(runs.get((p, n))) for n in (1, 2) for p in PRECISIONS)]
        )
    heads = [f"{formatting.precision_name(p)}, {n}" for n in (1, 2) for p in PRECISIONS]
    lines = [_table(["ms, threads", "", *heads], rows)]
    for entry in report["speed"]["headline"]:
        pair = f"{formatting.precision_name(entry['precision'])} in {formatting.engine_name(entry['engine'])}"
        form = "whole network" if entry["teacher_form"] == WHOLE else "live step"
        lines.append(
            f"- {formatting.titles(report)[entry['model']]}, {pair}: {entry['ratio']:.0f} times as fast as its teacher,"
            f" {form}, in FP32 in ONNX Runtime (quartiles {entry['p25']:.0f} .. {entry['p75']:.0f})."
        )
    return "\n".join([lines[0], "", *lines[1:]])


def _grouped(runs: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, str], dict[tuple[str, int], float]]:
    found: dict[tuple[str, str, str], dict[tuple[str, int], float]] = {}
    for run in runs:
        key = (run["model"], run["form"], run["engine"])
        found.setdefault(key, {})[run["precision"], run["n_threads"]] = run["p50_ms"]
    return dict(sorted(found.items(), key=lambda item: item[0][1] == STEP))


def _precisions(report: Report) -> str:
    rows = []
    for model, name in formatting.titles(report).items():
        for engine in formatting.ENGINE_NAMES:
            losses = report["models"][model]["precisions"].get(engine, {})
            shown = [f"{losses[p]['loss_db']:+.2f} dB" if p in losses else formatting.NONE for p in PRECISIONS[1:]]
            rows.append([name, formatting.engine_name(engine), *shown])
    return _table(["mouth PSNR lost against FP32", "", *map(formatting.precision_name, PRECISIONS[1:])], rows)


def _quality(report: Report) -> str:
    rows = []
    for model, ms, scores in formatting.by_lookahead(report):
        sync = scores.get("sync")
        rows.append(
            [
                formatting.titles(report)[model],
                f"{ms} ms",
                f"{scores['mouth_psnr_db']:.1f} dB",
                f"{scores['mouth_ssim']:.3f}",
                f"{scores['mouth_lmd_px']:.2f} px",
                f"{scores['opening_correlation']:.3f}",
                formatting.optional(scores, "voices_correlation", 2),
                formatting.closed(scores),
                f"{scores['jitter']:.1f}",
                f"{sync['offset_ms']} ms" if sync else formatting.NONE,
                f"{sync['distance']:.2f} / {sync['confidence']:.2f}" if sync else formatting.NONE,
                f"{100 * scores['silence_motion_ratio']:.1f} % / {100 * scores['noise_motion_ratio']:.1f} %",
            ]
        )
    heads = ["", "look-ahead", "mouth PSNR", "SSIM", "LMD", "opening r, clips", "voices", "lips closed", "jitter"]
    return _table([*heads, "offset", "distance / confidence", "motion in silence / noise"], rows)


def _ablation(report: Report) -> str:
    ablation = report.get("ablation")
    if not ablation:
        return ""
    rows = [
        [str(row["name"]), *(formatting.ablated(row, key) for key in formatting.ABLATION_COLUMNS)]
        for row in ablation["rows"]
    ]
    heads = [head for head, _ in formatting.ABLATION_COLUMNS.values()]
    budget = str(ablation.get("budget", ""))
    return "\n\n".join([_table(["ablation", *heads], rows), *([f"{budget}."] if budget else [])])


def _ms(value: float | None) -> str:
    return formatting.NONE if value is None else formatting.milliseconds(value)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
