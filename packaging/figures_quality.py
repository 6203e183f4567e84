"""The part of the figures page about the networks: size, speed, quality, distillation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from figures_format import ENGINES, MILLION, NONE, PRECISIONS, Data, source, table


def report_part(report: Data, manifests: Sequence[Data]) -> list[str]:
    """Teacher, students and precisions side by side."""
    cpu, made = report["machine"], report["made"]
    return [
        "## Teacher and students",
        "From one run of `avatar-app studio evaluate --models nova-96 nova-hd --teacher DIR --data DATA` on"
        f" {cpu['cpu']}, {cpu['instruction_set']} ({made['utc']}, commit {made['commit'][:7]}). Milliseconds are the"
        " median of a live step on one thread. Losses are of mouth PSNR against FP32 of the same network at a"
        " look-ahead of 160 ms, in the worse engine.",
        table(["", "parameters", "multiply-adds, true", "multiply-adds, output grid"], _sizes(report)),
        table(["", "", *PRECISIONS.values()], _speeds(report)),
        "\n".join([*_headline(report), *_speedups(manifests)]),
        "True multiply-adds are those that are done; the output grid counts a transposed convolution by its output"
        " pixels, as papers do. A live step leaves out what does not depend on the sound. The file of `nova-96` also"
        " holds the audio encoders of all four look-aheads, so it has more parameters than one picture needs.",
        *source(report),
    ]


def _sizes(report: Data) -> list[list[str]]:
    teacher = next((m["cost"]["whole"] for m in report["models"].values() if m["is_teacher"]), None)
    rows = []
    for model, about in report["models"].items():
        whole = about["cost"]["whole"]
        cells = []
        for key, digits in (("n_parameters", 2), ("n_macs", 0), ("n_macs_output_grid", 0)):
            ratio = teacher[key] / whole[key] if teacher and not about["is_teacher"] else 0.0
            is_same_family = ratio and about["cost"]["is_published_form"]
            less = f" ({ratio:.1f} times fewer)" if is_same_family else ""
            cells.append(f"{whole[key] / MILLION:,.{digits}f} million{less}")
        rows.append([_name(model, about), *cells])
    return rows


def _name(model: str, about: Data) -> str:
    return str(about["title"]) if about["is_teacher"] else f"`{model}`"


def _speeds(report: Data) -> list[list[str]]:
    """Two rows of times and one of sizes and losses for each model."""
    rows = []
    times = {
        (run["model"], run["engine"], run["precision"]): f"{run['p50_ms']:.2f} ms ({run['arithmetic']})"
        for run in report["speed"]["runs"]
        if run["form"] == "step" and run["n_threads"] == 1
    }
    for model, about in report["models"].items():
        for engine, name in ENGINES.items():
            cells = [times.get((model, engine, precision), NONE) for precision in PRECISIONS]
            rows.append([_name(model, about), name, *cells])
        rows.append([_name(model, about), "file, loss", *(_file_and_loss(about, p) for p in PRECISIONS)])
    return rows


def _file_and_loss(about: Data, precision: str) -> str:
    if precision not in about["file_bytes"]:
        return NONE
    engines = (found for found in about["precisions"].values() if isinstance(found, Mapping))
    losses = [found[precision]["loss_db"] for found in engines if precision in found]
    lost = f", {max(losses):.2f} dB" if losses and precision != "fp32" else ""
    return f"{about['file_bytes'][precision] / MILLION:.1f} MB{lost}"


def _headline(report: Data) -> list[str]:
    return [
        f"- `{entry['model']}` in {PRECISIONS[entry['precision']]} in {ENGINES[entry['engine']]} is"
        f" {entry['ratio']:.0f} times as fast as its teacher"
        f" ({'the whole network' if entry['teacher_form'] == 'whole' else 'its live step'}, FP32, ONNX Runtime)."
        for entry in report["speed"]["headline"]
    ]


def _speedups(manifests: Sequence[Data]) -> list[str]:
    """The measurements of the gate before a model was registered."""
    return [
        f"- `{m['id']}` in INT8 or mixed, whichever is faster, against its own FP32: "
        + ", ".join(f"{ratio:.1f} times in {ENGINES[engine]}" for engine, ratio in m["quality"]["speedup"].items())
        + " (target 1.8)."
        for m in manifests
    ]


def quality_part(manifests: Sequence[Data], report: Data) -> list[str]:
    """Quality by look-ahead on held-out clips and speakers."""
    rows = [
        [f"`{m['id']}`", *_scores(key, scores)]
        for m in manifests
        for key, scores in m["quality"]["held_out"].items()
        if key.startswith("lookahead_")
    ]
    for about in report["models"].values():
        if about["is_teacher"]:
            rows += [[str(about["title"]), *_scores(key, s)] for key, s in _by_lookahead(about["quality"])]
    held_out = manifests[0]["quality"]["held_out"]
    first = held_out[f"lookahead_{manifests[0]['lookahead_ms'][0]}"]
    heads = ["", "look-ahead", "mouth PSNR", "SSIM", "opening r, clips", "lips close", "opening r, speakers",
             "least .. best speaker", "women / men", "motion in silence / noise"]  # fmt: skip
    return [
        "## Quality",
        f"Measured through the whole live path in {held_out['precision']} precision on {len(first['clips'])} held-out"
        f" clips of the avatar and {len(first['voices'])} held-out speakers. The opening of the lips is read from the"
        " pictures and compared with the ground truth (clips) or with the phones (speakers). 24 of the speakers were"
        " used to choose the gain of the mouth and the loss weight of closed lips. `avatar-app studio publish` writes"
        " these numbers, and each speaker and clip by name, to `models/*/manifest.json`.",
        table(heads, rows),
        "Targets: opening r on speakers 0.75 at 40 ms and 0.80 at 160 ms; motion in noise 5 % of that in speech."
        + _missed(manifests),
    ]


def _by_lookahead(quality: Data) -> list[tuple[str, Data]]:
    return [(key, scores) for key, scores in quality.items() if key.startswith("lookahead_")]


def _scores(key: str, scores: Data) -> list[str]:
    voices = scores.get("voices", {})
    spread = f"{min(voices.values()):.2f} .. {max(voices.values()):.2f}" if voices else NONE
    women, men = (_mean(v for name, v in voices.items() if f"_{sex}_" in name) for sex in "FM")
    return [
        f"{key.removeprefix('lookahead_')} ms",
        f"{scores['mouth_psnr_db']:.1f} dB",
        f"{scores['mouth_ssim']:.3f}",
        f"{scores['opening_correlation']:.2f}",
        f"{100 * scores['closed_ratio']:.0f} %",
        f"{scores['voices_correlation']:.2f}",
        spread,
        f"{women:.2f} / {men:.2f}" if voices else NONE,
        f"{100 * scores['silence_motion_ratio']:.1f} % / {100 * scores['noise_motion_ratio']:.1f} %",
    ]


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0


def _missed(manifests: Sequence[Data]) -> str:
    """Which targets of the correlation are not reached."""
    lines = [
        f" `{m['id']}` misses {target:.2f} at {ms} ms by {target - scores['voices_correlation']:.3f}."
        for m in manifests
        for ms, target in ((40, 0.75), (160, 0.80))
        if (scores := m["quality"]["held_out"][f"lookahead_{ms}"])["voices_correlation"] < target
    ]
    return "".join(lines) or " All are reached."


def distillation_part(manifests: Sequence[Data]) -> list[str]:
    """The distilled student beside its teacher, at the teacher's own 96 pixels."""
    about = next((m["provenance"]["nova96"] for m in manifests if "nova96" in m["provenance"]), None)
    if about is None:
        return []
    closed = about["lips_closed"]
    rows = [["teacher, 160 ms", *_sync_scores(about["teacher_test"], closed["teacher"])]]
    for ms in reversed(about["lookahead_ms"]):
        key = f"lookahead_{ms}"
        rows.append([f"`nova-96`, {ms} ms", *_sync_scores(about["test"][key], closed[key])])
    # The second names are those of models that were published before the keys were renamed.
    before = about.get("initial_test") or about["begun_test"]
    closed_before = closed["initial"] if "initial" in closed else closed["begun"]
    rows.append(["`nova-96` before distillation, 160 ms", *_sync_scores(before, closed_before)])
    heads = ["", "mouth PSNR", "SSIM", "opening r", "sync confidence", "lips close, 24 voices"]
    return [
        "### Distillation",
        "The student and its teacher at 96 pixels on the four held-out clips, from the manifest of `nova-96`. Targets:"
        " within 0.5 dB and 0.02 of the teacher. Confidence is that of a sync expert that was not used to train them.",
        table(heads, rows),
        "Recipes side by side: [decision 0014](../decisions/0014-average-weights-after-distillation.md). Length of"
        " trainings: [decision 0017](../decisions/0017-train-everything-in-one-evening.md).",
    ]


def _sync_scores(scores: Data, closed_ratio: float) -> list[str]:
    return [
        f"{scores['mouth_psnr_db']:.1f} dB",
        f"{scores['mouth_ssim']:.3f}",
        f"{scores['opening_correlation']:.3f}",
        f"{scores['confidence']:.2f}",
        f"{100 * closed_ratio:.0f} %",
    ]
