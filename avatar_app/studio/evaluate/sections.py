"""The tables and charts of the page, each made from the whole report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from avatar_app.studio.evaluate import formatting
from avatar_app.studio.evaluate.candidates import TEACHER_ID
from avatar_app.studio.evaluate.charts import Bar, BarChart, LineChart
from avatar_app.studio.evaluate.formatting import Report
from avatar_app.studio.evaluate.speed import ENGINES, WHOLE

# The most sensitive layers; a folded chart shows all.
N_LAYERS = 14
HIGHER_IS_BETTER = ("mouth_psnr_db", "mouth_ssim", "opening_correlation", "confidence")
QUALITY_COLUMNS: Mapping[str, tuple[str, Callable[[Report], str]]] = {
    "mouth_psnr_db": ("mouth PSNR, dB", lambda s: f"{s['mouth_psnr_db']:.2f}"),
    "mouth_ssim": ("mouth SSIM", lambda s: f"{s['mouth_ssim']:.3f}"),
    "mouth_lmd_px": ("LMD, px", lambda s: f"{s['mouth_lmd_px']:.2f}"),
    "opening_correlation": ("opening r, clips", lambda s: f"{s['opening_correlation']:.3f}"),
    "voices_correlation": ("opening r, voices", lambda s: formatting.optional(s, "voices_correlation", 3)),
    "closed_ratio": ("lips closed", formatting.closed),
    "jitter": ("jitter", lambda s: f"{s['jitter']:.2f}"),
}
QUALITY_CHARTS = (
    ("mouth_psnr_db", "Mouth PSNR", "dB", 1),
    ("mouth_lmd_px", "Landmark distance", "px, less is better", 2),
    ("opening_correlation", "Opening on clips", "r", 2),
    ("voices_correlation", "Opening on held-out speakers", "r", 2),
)


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        head: names of the columns.
        rows: cells by row.
        caption: text below the table.
        best: row of the best value by column; it is bold.
        n_texts: number of leading columns with text instead of numbers.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    best: Mapping[int, int] = field(default_factory=dict)
    n_texts: int = 1


@dataclass(frozen=True)
class Swept:
    """Charts of the sensitivity sweep of one model.

    Attributes:
        name: title of the model.
        legend: colour number by meaning.
        most_sensitive: the most sensitive layers, each alone in INT8.
        all_layers: all layers; None if the first chart shows them.
        all_but_one: all layers in INT8 but one; None if it was not measured.
        all_but_one_title: its heading.
    """

    name: str
    legend: Mapping[str, int]
    most_sensitive: BarChart
    all_layers: BarChart | None
    all_but_one: BarChart | None
    all_but_one_title: str


def sizes(report: Report) -> Table:
    """Parameters and multiply-adds."""
    teacher, names = formatting.teacher_of(report), formatting.titles(report)
    head = ["", "part", "parameters", "multiply-adds, true", "on the output grid"]
    head += ["teacher / model: parameters", "true", "output grid"] if teacher else []
    rows = []
    for model, about in report["models"].items():
        whole = "whole, as published" if about["cost"]["is_published_form"] else "whole"
        for part, name in (("whole", whole), ("step", "live step")):
            cost = about["cost"][part]
            row = [names[model], name, f"{cost['n_parameters']:,}", formatting.millions(cost["n_macs"]),
                   formatting.millions(cost["n_macs_output_grid"])]  # fmt: skip
            rows.append(row + (_ratios(report, teacher, cost, part) if teacher else []))
    caption = "A live step contains the encoders of all look-aheads. Ratios compare whole with whole, step with step."
    return Table(head, rows, caption, n_texts=2)


def files(report: Report) -> Table:
    """Sizes of the files of each model."""
    present = {name for about in report["models"].values() for name in about["file_bytes"]}
    names = [name for name in (*formatting.PRECISION_NAMES, "face") if name in present]
    rows = [
        [title, *(formatting.megabytes(report["models"][model]["file_bytes"].get(name)) for name in names)]
        for model, title in formatting.titles(report).items()
    ]
    return Table(["", *(formatting.PRECISION_NAMES.get(name, name) for name in names)], rows)


def _ratios(report: Report, teacher: str, cost: Report, part: str) -> list[str]:
    big = report["models"][teacher]["cost"][part]
    return [f"{big[key] / cost[key]:.1f}x" for key in ("n_parameters", "n_macs", "n_macs_output_grid")]


def step_times(report: Report) -> BarChart:
    """Milliseconds of a step on one thread."""
    names, colours = formatting.titles(report), formatting.colours(report)
    rows = [
        Bar(f"{names[r['model']]}, {formatting.form_name(r)}{formatting.pair_name(r)}",
            r["p50_ms"], r["p25_ms"], r["p75_ms"], colours[r["model"]], r["form"] == WHOLE)
        for r in report["speed"]["runs"] if r["n_threads"] == 1
    ]  # fmt: skip
    return BarChart(rows, "ms", "milliseconds of a step on one thread", is_log=True)


def teacher_speedups(report: Report) -> Table:
    """Speed-up of the fastest configuration of each student over the teacher."""
    names = formatting.titles(report)
    rows = [
        [names[e["model"]], formatting.pair_name(e), "whole network" if e["teacher_form"] == WHOLE else "live step",
         f"{e['ratio']:.1f}x", formatting.ratio_range(e)]
        for e in report["speed"]["headline"]
    ]  # fmt: skip
    return Table(["", "fastest configuration", "teacher", "speed-up", "quartiles over rounds"], rows, n_texts=3)


def fp32_speedups(report: Report) -> Table:
    """Speed-up of each precision over FP32 of the same model and engine."""
    found: dict[tuple[str, str], dict[str, Report]] = {}
    for e in report["speed"]["against_fp32"]:
        found.setdefault((e["model"], e["engine"]), {})[e["precision"]] = e
    names, wanted = formatting.titles(report), [p for p in formatting.PRECISION_NAMES if p != "fp32"]
    rows = [
        [f"{names[model]}, {formatting.engine_name(engine)}", *(_speedup(by.get(precision)) for precision in wanted)]
        for (model, engine), by in found.items()
    ]
    return Table(["", *(formatting.PRECISION_NAMES[p] for p in wanted)], rows)


def _speedup(entry: Report | None) -> str:
    return f"{entry['ratio']:.2f}x  ({formatting.ratio_range(entry)})" if entry else formatting.NONE


def runs(report: Report) -> Table:
    """Milliseconds of every run."""
    names = formatting.titles(report)
    threads = sorted({r["n_threads"] for r in report["speed"]["runs"]})
    rows: dict[tuple[str, ...], list[str]] = {}
    for r in report["speed"]["runs"]:
        engine, precision = formatting.engine_name(r["engine"]), formatting.precision_name(r["precision"])
        times = rows.setdefault(
            (names[r["model"]], r["form"], engine, precision, r["arithmetic"]), [formatting.NONE] * len(threads)
        )
        times[threads.index(r["n_threads"])] = f"{formatting.milliseconds(r['p50_ms'])}  ({formatting.spread(r)})"
    head = ["", "part", "engine", "precision", "runs as", *(f"{n} thread{'s' * (n > 1)}, ms" for n in threads)]
    return Table(head, [[*key, *times] for key, times in rows.items()], "Median (25th .. 75th percentile).", n_texts=5)


def quality(report: Report) -> Table:
    """Scores by model and look-ahead."""
    names = formatting.titles(report)
    rows = [
        [names[m], f"{ms} ms", *(text(scores) for _, text in QUALITY_COLUMNS.values())]
        for m, ms, scores in formatting.by_lookahead(report)
    ]
    data = report["data"]
    caption = (
        f"{len(data['clips'])} held-out clips, {data['n_voices']} held-out speakers. The landmark reader's own error "
        f"on ground-truth pictures is {data['lip_reader_error_px']:.2f} px."
    )
    return Table(["", "look-ahead", *(name for name, _ in QUALITY_COLUMNS.values())], rows, caption, n_texts=2)


def quality_charts(report: Report) -> list[LineChart]:
    """Scores over look-ahead."""
    names, colours = formatting.titles(report), formatting.colours(report)
    by_name = {names[model]: colour for model, colour in colours.items()}
    charts = [
        LineChart(_series(report, key), by_name, title, "ms", unit, digits)
        for key, title, unit, digits in QUALITY_CHARTS
    ]
    return [chart for chart in charts if chart.series]


def _series(report: Report, key: str) -> dict[str, list[tuple[float, float]]]:
    names = formatting.titles(report)
    found: dict[str, list[tuple[float, float]]] = {}
    for model, ms, scores in formatting.by_lookahead(report):
        if key in scores:
            found.setdefault(names[model], []).append((ms, scores[key]))
    return found


def precisions(report: Report) -> Table:
    """Mouth PSNR of each precision."""
    names, rows = formatting.titles(report), []
    for model, about in report["models"].items():
        at = f"{about['precisions']['lookahead_ms']} ms"
        for engine in ENGINES:
            by = about["precisions"].get(engine, {})
            cells = (f"{by[p]['mouth_psnr_db']:.2f}{formatting.loss(by[p]['loss_db'], p)}"
                     if p in by else formatting.NONE for p in formatting.PRECISION_NAMES)  # fmt: skip
            rows.append([names[model], formatting.engine_name(engine), at, *cells])
    head = ["", "engine", "look-ahead", *formatting.PRECISION_NAMES.values()]
    caption = "Mouth PSNR in dB on the held-out clips (difference from FP32 in the same engine)."
    return Table(head, rows, caption, n_texts=3)


def sync(report: Report) -> Table:
    """Scores of the sync expert."""
    names = formatting.titles(report)
    rows = [["Ground truth", formatting.NONE, *_sync_cells(report["true_sync"])]]
    rows += [[names[m], f"{ms} ms", *_sync_cells(s.get("sync", {}))] for m, ms, s in formatting.by_lookahead(report)]
    head = ["", "look-ahead", "offset, pictures", "offset, ms", "distance (LSE-D)", "confidence (LSE-C)"]
    return Table(head, rows, "Speech of all held-out clips together.", n_texts=2)


def _sync_cells(sync: Report) -> list[str]:
    if not sync:
        return [formatting.NONE] * 4
    return [formatting.signed(sync["offset_pictures"]), formatting.signed(sync["offset_ms"]),
            f"{sync['distance']:.3f}", f"{sync['confidence']:.3f}"]  # fmt: skip


def noise(report: Report) -> Table:
    """Motion of the mouth without speech."""
    names, sounds = formatting.titles(report), report["data"]["noises"]
    rows = [
        [names[m], f"{ms} ms", formatting.percent(s["noise_motion_ratio"]),
         *(formatting.percent(s["noises"][name]) for name in sounds)]
        for m, ms, s in formatting.by_lookahead(report)
    ]  # fmt: skip
    head = ["", "look-ahead", "all", *(name.replace("_", " ") for name in sounds)]
    return Table(head, rows, "Motion of the mouth in percent of that in speech.", n_texts=2)


def sensitivities(report: Report) -> list[Swept]:
    """Charts of the models whose manifests contain a sensitivity sweep."""
    names = formatting.titles(report)
    return [
        _swept(names[model], about["sensitivity"]) for model, about in report["models"].items() if about["sensitivity"]
    ]


def _swept(name: str, swept: Report) -> Swept:
    reasons = swept["float_in_mixed"]
    colours = {reason: 2 + k for k, reason in enumerate(dict.fromkeys(reasons.values()))}
    title = f"sensitivity of the layers of {name}"

    def chart(numbers: Mapping[str, float], *, is_descending: bool = False) -> BarChart:
        in_order = sorted(numbers.items(), key=lambda item: item[1], reverse=is_descending)
        rows = [
            Bar(formatting.layer_name(n), db, colour=colours[reasons[n]] if n in reasons else 1) for n, db in in_order
        ]
        return BarChart(rows, "dB", title, digits=1)

    alone, others = chart(swept["psnr_db"]), chart(swept["all_but_it_db"], is_descending=True)
    return Swept(
        name,
        {"INT8 in mixed": 1, **{formatting.reason(r): c for r, c in colours.items()}},
        BarChart(alone.rows[:N_LAYERS], "dB", title, digits=1),
        alone if len(alone.rows) > N_LAYERS else None,
        others if others.rows else None,
        f"All layers in INT8 but one: PSNR against FP32; all layers together reach {swept['all_db']} dB",
    )


def ablation(report: Report) -> Table:
    """The table of other runs."""
    table = report["ablation"]
    columns = {key: v for key, v in formatting.ABLATION_COLUMNS.items() if any(key in row for row in table["rows"])}
    best = {}
    for column, key in enumerate(columns, start=1):
        # The teacher is a reference, not a candidate.
        values = [(row[key], k) for k, row in enumerate(table["rows"]) if key in row and row["name"] != TEACHER_ID]
        if key != "offset_pictures" and len(values) > 1:
            best[column] = max(values)[1] if key in HIGHER_IS_BETTER else min(values)[1]
    rows = [[row["name"], *(formatting.ablated(row, key) for key in columns)] for row in table["rows"]]
    return Table(["", *(heading for heading, _ in columns.values())], rows, table["budget"], best)


def clips(report: Report) -> Table:
    """Scores of every clip."""
    names = formatting.titles(report)
    rows = [
        [names[model], f"{ms} ms", clip, f"{s['mouth_psnr_db']:.2f}", f"{s['mouth_ssim']:.3f}",
         f"{s['mouth_lmd_px']:.2f}", f"{s['opening_correlation']:.3f}", f"{s['jitter']:.2f}",
         *_sync_cells(s.get("sync", {}))[:1]]
        for model, ms, scores in formatting.by_lookahead(report)
        for clip, s in scores["clips"].items()
    ]  # fmt: skip
    head = ["", "look-ahead", "clip", "PSNR, dB", "SSIM", "LMD, px", "opening r", "jitter", "offset"]
    return Table(head, rows, n_texts=3)


def voices(report: Report) -> Table:
    """Distribution of the correlation over held-out speakers."""
    names = formatting.titles(report)
    rows = [
        [names[model], f"{ms} ms", *(f"{v:.2f}" for v in formatting.quantiles(sorted(scores["voices"].values())))]
        for model, ms, scores in formatting.by_lookahead(report)
        if scores["voices"]
    ]
    return Table(["", "look-ahead", "minimum", "25 %", "median", "75 %", "maximum"], rows)
