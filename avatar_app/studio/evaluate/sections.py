"""The sections of the page: each takes the whole report and gives pieces of markup."""

from __future__ import annotations

from collections.abc import Callable

from avatar_app.studio.evaluate import formatting, markup
from avatar_app.studio.evaluate.candidates import TEACHER_ID
from avatar_app.studio.evaluate.charts import Bar, bars, lines
from avatar_app.studio.evaluate.formatting import Report
from avatar_app.studio.evaluate.speed import ENGINES, WHOLE

# The layers that matter; the others are unfolded by whoever wants them.
N_LAYERS = 14


def sizes(report: Report) -> list[str]:
    """Parameters, multiply-adds and bytes."""
    teacher, names = formatting.teacher_of(report), formatting.titles(report)
    head = ["", "part", "parameters", "multiply-adds, true", "on the output grid"]
    head += ["teacher / it: parameters", "true", "output grid"] if teacher else []
    rows = []
    for model, about in report["models"].items():
        for part, name in (("whole", _whole_name(about)), ("step", "live step")):
            cost = about["cost"][part]
            row = [names[model], name, f"{cost['n_parameters']:,}", formatting.millions(cost["n_macs"]),
                   formatting.millions(cost["n_macs_output_grid"])]  # fmt: skip
            rows.append(row + (_ratios(report, teacher, cost, part) if teacher else []))
    caption = "A live step holds the encoders of all its look-aheads. Whole and step are compared with whole and step."
    return [markup.table(head, rows, caption, n_texts=2), markup.headline("Files"), _files(report)]


def _files(report: Report) -> str:
    held = {name for about in report["models"].values() for name in about["file_bytes"]}
    files = [name for name in (*formatting.PRECISION_NAMES, "face") if name in held]
    rows = [
        [name, *(formatting.megabytes(report["models"][model]["file_bytes"].get(file)) for file in files)]
        for model, name in formatting.titles(report).items()
    ]
    return markup.table(["", *(formatting.PRECISION_NAMES.get(name, name) for name in files)], rows)


def _whole_name(about: Report) -> str:
    return "whole, as published" if about["cost"]["is_published_form"] else "whole"


def _ratios(report: Report, teacher: str, cost: Report, part: str) -> list[str]:
    big = report["models"][teacher]["cost"][part]
    return [f"{big[key] / cost[key]:.1f}x" for key in ("n_parameters", "n_macs", "n_macs_output_grid")]


def speed(report: Report) -> list[str]:
    """Milliseconds of every run, and how much faster than teacher and FP32."""
    speed, names, colours = report["speed"], formatting.titles(report), formatting.colours(report)
    rows = [
        Bar(f"{names[r['model']]}, {formatting.form_name(r)}{formatting.pair_name(r)}",
            r["p50_ms"], r["p25_ms"], r["p75_ms"], colours[r["model"]], r["form"] == WHOLE)
        for r in speed["runs"] if r["n_threads"] == 1
    ]  # fmt: skip
    ratios = [
        [names[e["model"]], formatting.pair_name(e),
         "whole network" if e["teacher_form"] == WHOLE else "live step", f"{e['ratio']:.1f}x",
         formatting.ratio_range(e)]
        for e in speed["headline"]
    ]  # fmt: skip
    return [
        markup.paragraph(f"Milliseconds of a step, one thread, {speed['n_rounds']} rounds; the axis is logarithmic."),
        formatting.legend(report),
        bars(rows, "ms", "milliseconds of a step on one thread", is_log=True),
        markup.headline("Against the teacher in FP32 in ONNX Runtime, one thread") if ratios else "",
        markup.table(["", "at its best", "teacher", "ratio", "middle half of rounds"], ratios, n_texts=3)
        if ratios
        else "",
        markup.headline("Against its own FP32 in the same engine, one thread"),
        _own_ratios(report),
        markup.headline("All runs"),
        _all_runs(report),
        *(markup.paragraph(f"Refused: {r['reason']}", is_soft=True) for r in speed["refused"]),
    ]


def _own_ratios(report: Report) -> str:
    found: dict[tuple[str, str], dict[str, Report]] = {}
    for e in report["speed"]["against_fp32"]:
        found.setdefault((e["model"], e["engine"]), {})[e["precision"]] = e
    names, wanted = formatting.titles(report), [p for p in formatting.PRECISION_NAMES if p != "fp32"]
    rows = [
        [f"{names[model]}, {formatting.engine_name(engine)}",
         *(f"{by[p]['ratio']:.2f}x  ({formatting.ratio_range(by[p])})" if p in by else formatting.NONE for p in wanted)]
        for (model, engine), by in found.items()
    ]  # fmt: skip
    return markup.table(["", *(formatting.PRECISION_NAMES[p] for p in wanted)], rows)


def _all_runs(report: Report) -> str:
    names = formatting.titles(report)
    threads = sorted({r["n_threads"] for r in report["speed"]["runs"]})
    rows: dict[tuple[str, ...], list[str]] = {}
    for r in report["speed"]["runs"]:
        key = (
            names[r["model"]],
            r["form"],
            formatting.engine_name(r["engine"]),
            formatting.precision_name(r["precision"]),
            r["arithmetic"],
        )
        times = rows.setdefault(key, [formatting.NONE] * len(threads))
        times[threads.index(r["n_threads"])] = f"{formatting.milliseconds(r['p50_ms'])}  ({formatting.spread(r)})"
    head = ["", "part", "engine", "precision", "runs as", *(f"{n} thread{'s' * (n > 1)}, ms" for n in threads)]
    cells = [[*key, *times] for key, times in rows.items()]
    return markup.table(head, cells, "Median (25th .. 75th percentile).", n_texts=5)


def quality(report: Report) -> list[str]:
    """Scores of pictures and openings, as lines and as a table."""
    names, colours = formatting.titles(report), formatting.colours(report)
    columns: dict[str, tuple[str, Callable[[Report], str]]] = {
        "mouth_psnr_db": ("mouth PSNR, dB", lambda s: f"{s['mouth_psnr_db']:.2f}"),
        "mouth_ssim": ("mouth SSIM", lambda s: f"{s['mouth_ssim']:.3f}"),
        "mouth_lmd_px": ("LMD, px", lambda s: f"{s['mouth_lmd_px']:.2f}"),
        "opening_correlation": ("opening r, clips", lambda s: f"{s['opening_correlation']:.3f}"),
        "voices_correlation": ("opening r, voices", lambda s: formatting.optional(s, "voices_correlation", 3)),
        "closed_ratio": ("lips close", formatting.closed),
        "jitter": ("jitter", lambda s: f"{s['jitter']:.2f}"),
    }
    rows = [
        [names[m], f"{ms} ms", *(show(scores) for _, show in columns.values())]
        for m, ms, scores in formatting.by_lookahead(report)
    ]
    charts = [
        lines(_series(report, key), {names[m]: colours[m] for m in names}, title, "ms", unit, digits)
        for key, title, unit, digits in (
            ("mouth_psnr_db", "Mouth PSNR", "dB", 1),
            ("mouth_lmd_px", "Landmark distance", "px, less is better", 2),
            ("opening_correlation", "Opening on clips", "r", 2),
            ("voices_correlation", "Opening on unheard voices", "r", 2),
        )
        if _series(report, key)
    ]
    n_voices, error_px = report["data"]["n_voices"], report["data"]["lip_reader_error_px"]
    caption = (
        f"{len(report['data']['clips'])} held-out clips, {n_voices} real voices that nobody learned from. "
        f"The landmark reader's own error on true pictures is {error_px:.2f} px."
    )
    head = ["", "look-ahead", *(name for name, _ in columns.values())]
    return [
        formatting.legend(report),
        f'<div class="pair">{"".join(charts)}</div>',
        markup.table(head, rows, caption, n_texts=2),
    ]


def _series(report: Report, key: str) -> dict[str, list[tuple[float, float]]]:
    names = formatting.titles(report)
    found: dict[str, list[tuple[float, float]]] = {}
    for model, ms, scores in formatting.by_lookahead(report):
        if key in scores:
            found.setdefault(names[model], []).append((ms, scores[key]))
    return found


def precisions(report: Report) -> list[str]:
    """What fewer bits cost."""
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
    return [markup.table(head, rows, caption, n_texts=3)]


def sync(report: Report) -> list[str]:
    """What the judging expert says."""
    if "true_sync" not in report:
        return [markup.paragraph("Not measured: no judging expert was given (--expert).", is_soft=True)]
    names = formatting.titles(report)
    rows = [["True pictures", formatting.NONE, *_sync_cells(report["true_sync"])]]
    rows += [[names[m], f"{ms} ms", *_sync_cells(s.get("sync", {}))] for m, ms, s in formatting.by_lookahead(report)]
    head = ["", "look-ahead", "offset, pictures", "offset, ms", "distance (LSE-D)", "confidence (LSE-C)"]
    return [markup.table(head, rows, "Speech of all held-out clips together.", n_texts=2)]


def _sync_cells(sync: Report) -> list[str]:
    if not sync:
        return [formatting.NONE] * 4
    return [formatting.signed(sync["offset_pictures"]), formatting.signed(sync["offset_ms"]), f"{sync['distance']:.3f}",
            f"{sync['confidence']:.3f}"]  # fmt: skip


def noise(report: Report) -> list[str]:
    """How still the mouth is when nobody speaks."""
    names, sounds = formatting.titles(report), report["data"]["noises"]
    rows = [
        [
            names[m],
            f"{ms} ms",
            formatting.percent(s["noise_motion_ratio"]),
            *(formatting.percent(s["noises"][name]) for name in sounds),
        ]
        for m, ms, s in formatting.by_lookahead(report)
    ]
    head = ["", "look-ahead", "all", *(name.replace("_", " ") for name in sounds)]
    return [markup.table(head, rows, "Motion of the mouth, in percent of that in speech.", n_texts=2)]


def sensitivity(report: Report) -> list[str]:
    """Which layers 8 bits harm; nothing where no sweep was published."""
    names, parts = formatting.titles(report), []
    for model, about in report["models"].items():
        if about["sensitivity"]:
            parts += _swept(names[model], about["sensitivity"])
    if parts:
        parts.insert(0, markup.paragraph("Short bars are the layers that 8 bits harm most.", is_soft=True))
    return parts


def _swept(name: str, told: Report) -> list[str]:
    """The charts of one model's sweep."""
    kept = told["float_in_mixed"]
    colours = {reason: 2 + k for k, reason in enumerate(dict.fromkeys(kept.values()))}
    of = {node: colours[kept[node]] if node in kept else 1 for node in told["psnr_db"]}
    alone = [Bar(formatting.layer_name(n), db, colour=of[n]) for n, db in sorted(told["psnr_db"].items(), key=_second)]
    left = [
        Bar(formatting.layer_name(n), db, colour=of.get(n, 1))
        for n, db in sorted(told["all_but_it_db"].items(), key=_second, reverse=True)
    ]
    title = f"sensitivity of the layers of {name}"
    without = f"All layers in INT8 but one: PSNR against FP32, where all together give {told['all_db']} dB"
    return [
        markup.headline(f"{name}: each layer in INT8 alone, PSNR against FP32"),
        markup.legend({"INT8 in mixed": 1, **{formatting.reason(r): c for r, c in colours.items()}}),
        bars(alone[:N_LAYERS], "dB", title, digits=1),
        markup.folded("All layers", bars(alone, "dB", title, digits=1)) if len(alone) > N_LAYERS else "",
        markup.folded(without, bars(left, "dB", title, digits=1)) if left else "",
    ]


def _second(item: tuple[str, float]) -> float:
    return item[1]


def ablation(report: Report) -> list[str]:
    """The table that was given; nothing without one."""
    told = report.get("ablation")
    if not told:
        return []
    keys = [key for key in formatting.ABLATION_COLUMNS if any(key in row for row in told["rows"])]
    high = {"mouth_psnr_db", "mouth_ssim", "opening_correlation", "confidence"}
    best = {}
    for column, key in enumerate(keys, start=1):
        # The teacher stands there for comparison, not as one of the ways to make a student.
        values = [(row[key], k) for k, row in enumerate(told["rows"]) if key in row and row["name"] != TEACHER_ID]
        if key != "offset_pictures" and len(values) > 1:
            best[column] = max(values)[1] if key in high else min(values)[1]
    rows = [[row["name"], *(formatting.ablated(row, key) for key in keys)] for row in told["rows"]]
    head = ["", *(formatting.ABLATION_COLUMNS[key][0] for key in keys)]
    return [markup.table(head, rows, told["budget"], best)]


def details(report: Report) -> list[str]:
    """Every clip, and how voices spread."""
    names = formatting.titles(report)
    clip_rows, voice_rows = [], []
    for model, ms, scores in formatting.by_lookahead(report):
        for clip, s in scores["clips"].items():
            clip_rows.append(
                [names[model], f"{ms} ms", clip, f"{s['mouth_psnr_db']:.2f}", f"{s['mouth_ssim']:.3f}",
                 f"{s['mouth_lmd_px']:.2f}", f"{s['opening_correlation']:.3f}", f"{s['jitter']:.2f}",
                 *_sync_cells(s.get("sync", {}))[:1]]
            )  # fmt: skip
        if scores["voices"]:
            values = sorted(scores["voices"].values())
            voice_rows.append([names[model], f"{ms} ms", *(f"{v:.2f}" for v in formatting.quantiles(values))])
    head = ["", "look-ahead", "clip", "PSNR, dB", "SSIM", "LMD, px", "opening r", "jitter", "offset"]
    return [
        markup.folded("Every clip", markup.table(head, clip_rows, n_texts=3)),
        markup.headline("Opening r on real voices") if voice_rows else "",
        markup.table(["", "look-ahead", "least", "25 %", "median", "75 %", "best"], voice_rows) if voice_rows else "",
    ]
