"""The part of the figures page about avatars of people."""

from __future__ import annotations

from collections.abc import Sequence

from figures_format import NONE, Data, machine_line, table

TARGETS = (
    "Targets for a minute of video on two cores: *quick* 12 min, *good* 45 min, 3 GB. For real people: opening r 0.75"
    " at 160 ms and 0.65 at 40 ms, 90 % of closings, sharpness 0.8, seam 1.15, motion in silence 5 %."
)
SCORES = (
    "", "quality", "look-ahead", "mouth PSNR", "opening r", "closings", "sharpness", "seam", "motion in silence",
)  # fmt: skip


def person_part(runs: Sequence[Data]) -> list[str]:
    """What avatars of people reach on held-out sentences, and what they cost to make."""
    return [
        "## An avatar of a person",
        "Made by `avatar-app studio enrol`, measured through the live path in mixed precision. Opening and closings are"
        " read from the pictures and compared with the landmarks of the recording. Sharpness is the Laplacian variance"
        " of the mouth, seam the gradient across the mask's border, both relative to the recording.",
        table(["", "machine", "quality", "video", "time", "memory"], [_cost(run) for run in runs]),
        table(SCORES, [row for run in runs for row in _scores(run)]),
        TARGETS,
        *(f"{run['person']}, {run['quality']}: {run['note']}" for run in runs if run.get("note")),
    ]


def _cost(run: Data) -> list[str]:
    minutes = sum(step.get("seconds", 0) for step in run["report"]["steps"].values()) / 60
    taught = f"{run['report']['learned_s']:.0f} s, {run['video']}"
    return [
        run["person"],
        machine_line(run["report"]["machine"]),
        run["quality"],
        taught,
        f"{minutes:.1f} min",
        f"{run['memory_mb'] / 1000:.1f} GB" if run["memory_mb"] else NONE,
    ]


def _scores(run: Data) -> list[list[str]]:
    held_out = run["report"]["held_out"]
    return [
        [
            f"{run['person']}, {held_out['n_sentences']} sentences",
            run["quality"],
            f"{key.removeprefix('lookahead_')} ms",
            f"{scores['mouth_psnr_db']:.1f} dB",
            f"{scores['opening_correlation']:.2f}",
            f"{100 * scores['closed_ratio']:.0f} % of {scores['n_closings']}",
            f"{scores['sharpness']:.2f}",
            f"{scores['seam']:.2f}",
            f"{100 * scores['rest_motion']:.1f} %",
        ]
        for key, scores in held_out.items()
        if key.startswith("lookahead_")
    ]
