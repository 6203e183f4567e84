"""The part of the figures page about the live program: speed, latency, memory, long measurements."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from figures_format import ENGINES, NONE, PRECISIONS, Data, machine_line, source, table

Cell = Callable[[Data], str]


def is_limited(bench: Data) -> bool:
    """Whether an environment variable limited the instruction set. It does not limit ONNX Runtime."""
    return "(by " in str(bench["machine"]["instruction_set"])


def live_part(benches: Sequence[Data]) -> list[str]:
    """The live program, one column a machine."""
    rows = [[name, target, *(cell(found, bench) for bench in benches)] for name, target, found, cell in _live_rows()]
    heads = ["", "target", *(str(bench["machine"]["instruction_set"]) for bench in benches)]
    notes = [f"- {machine_line(bench['machine'])}" for bench in benches]
    if any(is_limited(bench) for bench in benches):
        notes.append(
            "- A column with a variable in its head is the same machine, limited to that instruction set. The variable"
            " does not limit ONNX Runtime, so OpenVINO is the engine there. A real processor of that kind may also be"
            " slower in other ways."
        )
    shown = [row for row in rows if any(value != NONE for value in row[2:])]
    return [
        "## Live program",
        "Measured with `avatar-app bench --json`. Latency is the time from the microphone to the finished picture.",
        table(heads, shown),
        "\n".join([*notes, *_missed_targets(benches)]),
    ]


def _missed_targets(benches: Sequence[Data]) -> list[str]:
    missed = [
        f"- Target not reached: {target['name']}: {target['value']} instead of {target['limit']}"
        f" ({bench['machine']['instruction_set']})."
        for bench in benches
        for target in bench["targets"]
        if not target["is_reached"]
    ]
    return missed or ["- All targets are reached."]


def _live_rows() -> list[tuple[str, str, Cell, Callable[[Cell, Data], str]]]:
    """Name, target and cell of each row; a cell whose section was not measured is a dash."""
    rows: list[tuple[str, str, Cell]] = [
        ("`nova-96`, one step, one thread, p95", "1.5 ms", lambda b: _fastest(b, "nova-96")),
        ("`nova-hd`, one step, one thread, p95", "8 ms", lambda b: _fastest(b, "nova-hd")),
        ("composing a picture, p50", "4 ms", lambda b: f"{_stage(b, 'compose'):.1f} ms"),
        *((f"latency at look-ahead {ms} ms, p50 / p95", target, _latency(ms))
          for ms, target in ((0, ""), (40, "p95 95 ms"), (80, ""), (160, "p95 250 ms"))),
        ("program, 25 fps, 512 x 512, CPU", "45 % of one core",
         lambda b: f"{_program(b)['cpu_percent_of_one_core']:.0f} %"),
        ("program, memory", "450 MB", lambda b: f"{_program(b)['rss_mb']:.0f} MB"),
        ("program, growth of memory", "0.5 MB a minute", _growth),
        ("start to first talking picture", "3 s", lambda b: f"{_program(b)['first_talking_frame_s']:.1f} s"),
        *((f"pacing, {fps} fps", "0.5 % off, 0 missed", _pacing(fps)) for fps in (25, 60)),
        ("turned head, one thread, p95", "6 ms", lambda b: f"{b['sections']['pose']['p95_ms']:.1f} ms"),
        ("head follows a webcam, CPU and memory", "110 % of one core, 700 MB", _follow_cost),
        ("webcam to picture, p50 / p95", "p95 90 ms", _follow_latency),
        ("browser source, two viewers, CPU", "40 % of one core more", _browser),
        ("`render`, 25 fps, 512 x 512", "5 times real time",
         lambda b: f"{b['sections']['render']['real_time_ratio']:.1f} times"),
    ]  # fmt: skip
    return [(name, target, cell, _or_dash) for name, target, cell in rows]


def _or_dash(cell: Cell, bench: Data) -> str:
    try:
        return cell(bench)
    except KeyError:
        return NONE


def _fastest(bench: Data, model: str) -> str:
    pairs = [p for p in bench["sections"]["students"][model]["pairs"] if not p["error"]]
    if is_limited(bench):
        pairs = [p for p in pairs if p["engine"] == "openvino"]
    best = min(pairs, key=lambda pair: float(pair["p50_ms"]))
    return f"{best['p95_ms']:.2f} ms ({PRECISIONS[best['precision']]}, {ENGINES[best['engine']]})"


def _stage(bench: Data, stage: str) -> float:
    return float(bench["sections"]["latency"]["lookahead_40"]["stage_ms"][stage]["p50"])


def _latency(lookahead_ms: int) -> Cell:
    def cell(bench: Data) -> str:
        found = bench["sections"]["latency"][f"lookahead_{lookahead_ms}"]
        return f"{found['p50_ms']:.0f} / {found['p95_ms']:.0f} ms"

    return cell


def _program(bench: Data) -> Data:
    found: Data = bench["sections"]["program"]
    return found


def _growth(bench: Data) -> str:
    found = _program(bench)
    return f"{found['rss_growth_mb_per_min']:.1f} MB a minute, in {found['seconds']:.0f} s"


def _pacing(fps: int) -> Cell:
    def cell(bench: Data) -> str:
        found = bench["sections"]["pacing"][f"fps_{fps}"]
        return f"{found['error_percent']:.1f} % off, {found['n_missed']} missed"

    return cell


def _follow_cost(bench: Data) -> str:
    found = bench["sections"]["follow"]
    return f"{found['cpu_percent_of_one_core']:.0f} %, {found['rss_mb']:.0f} MB"


def _follow_latency(bench: Data) -> str:
    found = bench["sections"]["follow"]
    return f"{found['head_p50_ms']:.0f} / {found['head_p95_ms']:.0f} ms"


def _browser(bench: Data) -> str:
    return f"{bench['sections']['on_air']['browser']['added_percent_of_one_core']:.1f} %"


def students_part(benches: Sequence[Data]) -> list[str]:
    """Every engine and precision, from the same runs; one column a machine."""
    cells: dict[tuple[str, str, str], dict[int, str]] = {}
    for column, bench in enumerate(benches):
        for model, found in bench["sections"].get("students", {}).items():
            for pair in found["pairs"]:
                key = f"`{model}`", ENGINES.get(pair["engine"], pair["engine"]), PRECISIONS[pair["precision"]]
                cells.setdefault(key, {})[column] = _pair(pair)
    rows = [[*key, *(found.get(column, NONE) for column in range(len(benches)))] for key, found in cells.items()]
    heads = ["", "engine", "precision", *(str(bench["machine"]["instruction_set"]) for bench in benches)]
    return [
        "### Engines and precisions",
        "One step on one thread, p50 / p95, and the arithmetic that the engine really uses.",
        table(heads, rows),
    ]


def _pair(pair: Data) -> str:
    return pair["error"] or f"{pair['p50_ms']:.2f} / {pair['p95_ms']:.2f} ms ({pair['arithmetic']})"


def long_part(found: Data) -> list[str]:
    """Measurements that take long or need special equipment, each with its date, commit and command."""
    rows = [
        [m["what"], m["target"] or NONE, m["measured"], f"{m['date']}, {m['commit']}", f"`{m['command']}`"]
        for m in found["measurements"]
    ]
    return [
        "## Long measurements",
        f"Measured on: {machine_line(found['machine'])}. Each row names the version that it was measured with.",
        table(["", "target", "measured", "date, commit", "command"], rows),
        *source(found),
    ]
