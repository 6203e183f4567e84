"""`report.json` as a page for people. No figure here is typed: each is looked up in what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from avatar_app.studio.evaluate import formatting, markup, sections
from avatar_app.studio.evaluate.clip_pictures import GROUND_TRUTH
from avatar_app.studio.evaluate.compare import ClipPictures
from avatar_app.studio.evaluate.formatting import Report
from avatar_app.studio.evaluate.speed import WHOLE

# Above this others worked on the machine as well, which readers should know.
BUSY_LOAD = 0.5
TERMS = {
    "Multiply-adds": "of convolutions and linear layers for one picture; norms, activations and joins count nothing. "
    "True: a transposed convolution touches each of its input positions once. On the output grid: older profilers "
    "count it per output position; the 28x of arXiv 2304.00471 is in this convention.",
    "Whole network": "face encoder, audio encoder and the whole picture, as published. Live step: what runs for each "
    "picture: the face is encoded once, and only rows below the middle of the face are drawn.",
    "Time of a step": "everything takes its turn in every round of one run; median over all steps, whiskers from "
    "the 25th to the 75th percentile. Ratios are taken within rounds; their range is that of the rounds.",
    "Mouth PSNR, SSIM": "of lips and teeth, 96 x 80 pixels of the 256 px face crop, through the whole live path "
    "(mel, speech gate, network, blending), mean over pictures, then over clips.",
    "LMD": "mean distance of 22 lip landmarks (12 around the lips, 10 at their inner edges) between drawn and true "
    "picture, in pixels of the 256 px crop. One linear reader, fitted to true pictures of training clips, finds them "
    "in both; its own error is stated below the table.",
    "Opening r": "Pearson correlation of the lip gap that is read from the drawn pictures with the true one (clips), "
    "or with the one that the phones of real speakers ask for (voices).",
    "Jitter": "mean absolute second difference over time of the error of the mouth's pixels, in grey levels; smaller "
    "is steadier.",
    "Motion in silence, in noise": "mean change of a mouth pixel from picture to picture against that in speech.",
    "Sync": "by an expert that no network here learned from, in the manner of LSE-D and LSE-C (arXiv 2008.10010): "
    "distance of embeddings at the best shift, and median over shifts less that minimum. Offset 0 is in sync; above 0 "
    "the picture comes before the sound. These numbers compare with each other, not with those of other experts.",
}


def render(report: Report, shown: Sequence[ClipPictures]) -> str:
    """The page.

    Args:
        report: from `compare`.
        shown: the pictures.
    """
    names = formatting.titles(report)
    title = "Evaluation: " + ", ".join(names.values())
    parts = [
        _top(report, title),
        markup.section("Pictures side by side", *_pictures(report, shown)),
        markup.section("Size and work", *sections.sizes(report)),
        markup.section("Speed", *sections.speed(report)),
        markup.section("Quality by look-ahead", *sections.quality(report)),
        markup.section("Quality by precision", *sections.precisions(report)),
        markup.section("Sync", *sections.sync(report)),
        markup.section("Silence and noise", *sections.noise(report)),
        markup.section("Sensitivity to 8 bits", *sections.sensitivity(report)),
        markup.section("Ablation", *sections.ablation(report)),
        markup.section("Clip by clip, voice by voice", *sections.details(report)),
        markup.section("What the numbers mean", markup.definitions(TERMS)),
    ]
    return markup.page(title, parts)


def _top(report: Report, title: str) -> str:
    machine, made = report["machine"], report["made"]
    commit = f", commit {made['commit'][:10]}" if made["commit"] else ""
    packages = ", ".join(f"{name} {found}" for name, found in machine["packages"].items())
    load = machine["load_at_start"]
    busy = f" {load:g} other processes wanted a core when it began." if load is not None and load > BUSY_LOAD else ""
    about = (
        f"Measured on {machine['cpu']}, {machine['instruction_set']}, {machine['n_cores']} cores, "
        f"{machine['memory_gb']:g} GB, {machine['system']}; "
        f"{packages}. {made['utc']} UTC{commit}.{busy} The sync expert computes in {report['arithmetic']}."
    )
    return f"{markup.title(title)}{markup.paragraph(about, is_soft=True)}{markup.tiles(_headlines(report))}"


def _headlines(report: Report) -> list[tuple[str, str]]:
    """The figures that people ask for first; those that need a teacher only with one."""
    teacher, names = formatting.teacher_of(report), formatting.titles(report)
    facts = []
    for entry in report["speed"]["headline"]:
        if entry["teacher_form"] == WHOLE:
            pair = f"{formatting.precision_name(entry['precision'])} in {formatting.engine_name(entry['engine'])}"
            text = f"{names[entry['model']]}, {pair}, against its teacher in FP32 in ONNX Runtime; one thread, same run"
            facts.append((f"{entry['ratio']:.0f}x faster", text))
    if teacher is not None:
        students = [model for model in names if model != teacher]
        facts += [_smaller(report, teacher, model) for model in students]
        facts += [_kept(report, teacher, model) for model in students]
    return facts or [_quickest(report, model) for model in names]


def _smaller(report: Report, teacher: str, model: str) -> tuple[str, str]:
    big, small = (report["models"][m]["cost"]["whole"] for m in (teacher, model))
    ratios = [big[key] / small[key] for key in ("n_parameters", "n_macs", "n_macs_output_grid")]
    text = (
        f"fewer parameters: {formatting.titles(report)[model]}, whole network; {ratios[1]:.1f}x fewer true "
        f"multiply-adds, {ratios[2]:.1f}x counted on the output grid"
    )
    return f"{ratios[0]:.1f}x", text


def _kept(report: Report, teacher: str, model: str) -> tuple[str, str]:
    """How near a student comes to its teacher, each at its largest look-ahead."""
    last = {m: scores for m, _, scores in formatting.by_lookahead(report)}
    big, small = last[teacher], last[model]
    figure = f"{small['mouth_psnr_db'] - big['mouth_psnr_db']:+.2f} dB"
    opening = small["opening_correlation"] - big["opening_correlation"]
    return figure, f"mouth PSNR of {formatting.titles(report)[model]} against its teacher; opening r {opening:+.3f}"


def _quickest(report: Report, model: str) -> tuple[str, str]:
    runs = [r for r in report["speed"]["runs"] if r["model"] == model and r["n_threads"] == 1]
    best = min(runs, key=lambda r: r["p50_ms"])
    pair = f"{formatting.precision_name(best['precision'])} in {formatting.engine_name(best['engine'])}"
    return f"{best['p50_ms']:.2f} ms", f"a step of {formatting.titles(report)[model]}, {pair}, one thread, median"


def _pictures(report: Report, shown: Sequence[ClipPictures]) -> list[str]:
    if not shown:
        return []
    names = {**formatting.titles(report), GROUND_TRUTH: "True"}
    parts = [
        markup.paragraph(
            "Held-out clips, every 80 ms where the mouth moves most; each model at its largest measured look-ahead, "
            "teachers in FP32, students in the precision that they are used in.",
            is_soft=True,
        )
    ]
    for item in shown:
        rows = [(names.get(strip.name, strip.name), strip.data_uri) for strip in item.rows]
        parts += [markup.headline(item.clip), markup.strip_rows(rows)]
        if item.video:
            parts.append(markup.film(item.video, item.poster))
    return parts
