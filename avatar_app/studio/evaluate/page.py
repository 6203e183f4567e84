"""`report.json` as an HTML page; every number comes from the report."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from avatar_app.studio.evaluate import formatting, sections
from avatar_app.studio.evaluate.clip_pictures import GROUND_TRUTH
from avatar_app.studio.evaluate.compare import ClipPictures
from avatar_app.studio.evaluate.formatting import Report
from avatar_app.studio.evaluate.speed import WHOLE

# A higher load means that other programs disturbed the measurement; the page says so.
BUSY_LOAD = 0.5


def render(report: Report, clips: Sequence[ClipPictures]) -> str:
    """The page, without scripts or files from elsewhere.

    Args:
        report: from `compare`.
        clips: pictures of the held-out clips.
    """
    names, colours = formatting.titles(report), formatting.colours(report)
    return _template().render(
        title="Evaluation: " + ", ".join(names.values()),
        about=_about(report),
        tiles=_tiles(report),
        report=report,
        sections=sections,
        clips=clips,
        names={**names, GROUND_TRUTH: "Ground truth"},
        colours={names[model]: colour for model, colour in colours.items()},
        n_colours=formatting.N_COLOURS,
    )


@cache
def _template() -> Template:
    loader = PackageLoader("avatar_app.studio.evaluate")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["px"] = lambda value: f"{value:.1f}"
    return environment.get_template("page.html")


def _about(report: Report) -> str:
    machine, made = report["machine"], report["made"]
    commit = f", commit {made['commit'][:10]}" if made["commit"] else ""
    packages = ", ".join(f"{name} {found}" for name, found in machine["packages"].items())
    load = machine["load_at_start"]
    busy = f" The load average at the start was {load:g}." if load is not None and load > BUSY_LOAD else ""
    return (
        f"Measured on {machine['cpu']}, {machine['instruction_set']}, {machine['n_cores']} cores, "
        f"{machine['memory_gb']:g} GB, {machine['system']}; "
        f"{packages}. {made['utc']} UTC{commit}.{busy} The sync expert computes in {report['arithmetic']}."
    )


def _tiles(report: Report) -> list[tuple[str, str]]:
    """The main numbers with their meaning: students against the teacher, or their times without one."""
    teacher, names = formatting.teacher_of(report), formatting.titles(report)
    if teacher is None:
        return [_fastest(report, model) for model in names]
    students = [model for model in names if model != teacher]
    return [
        *(_faster(report, entry) for entry in report["speed"]["headline"] if entry["teacher_form"] == WHOLE),
        *(_smaller(report, teacher, model) for model in students),
        *(_quality(report, teacher, model) for model in students),
    ]


def _faster(report: Report, entry: Report) -> tuple[str, str]:
    name, pair = formatting.titles(report)[entry["model"]], _in_engine(entry)
    return f"{entry['ratio']:.0f}x faster", f"{name}, {pair}, than its teacher in FP32 in ONNX Runtime; one thread"


def _smaller(report: Report, teacher: str, model: str) -> tuple[str, str]:
    big, small = (report["models"][m]["cost"]["whole"] for m in (teacher, model))
    ratios = [big[key] / small[key] for key in ("n_parameters", "n_macs", "n_macs_output_grid")]
    text = (
        f"fewer parameters: {formatting.titles(report)[model]}, whole network; {ratios[1]:.1f}x fewer true "
        f"multiply-adds, {ratios[2]:.1f}x on the output grid"
    )
    return f"{ratios[0]:.1f}x", text


def _quality(report: Report, teacher: str, model: str) -> tuple[str, str]:
    """Difference between a student and its teacher, each at its largest look-ahead."""
    last = {m: scores for m, _, scores in formatting.by_lookahead(report)}
    big, small = last[teacher], last[model]
    figure = f"{small['mouth_psnr_db'] - big['mouth_psnr_db']:+.2f} dB"
    opening = small["opening_correlation"] - big["opening_correlation"]
    return figure, f"mouth PSNR of {formatting.titles(report)[model]} against its teacher; opening r {opening:+.3f}"


def _fastest(report: Report, model: str) -> tuple[str, str]:
    runs = [r for r in report["speed"]["runs"] if r["model"] == model and r["n_threads"] == 1]
    best = min(runs, key=lambda r: r["p50_ms"])
    name = formatting.titles(report)[model]
    return f"{best['p50_ms']:.2f} ms", f"a step of {name}, {_in_engine(best)}, one thread, median"


def _in_engine(run: Report) -> str:
    return f"{formatting.precision_name(run['precision'])} in {formatting.engine_name(run['engine'])}"
