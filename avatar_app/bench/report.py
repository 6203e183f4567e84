"""The report of `bench` as text, and the targets of the project."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Sections = Mapping[str, Any]


def targets(sections: Sections) -> list[dict[str, Any]]:
    """Every measured target: name, value, limit, and whether it is reached."""
    return [
        {"name": name, "value": value, "limit": limit, "is_reached": value <= limit if is_upper else value >= limit}
        for name, value, limit, is_upper in _measured(sections)
        if value is not None
    ]


def _measured(sections: Sections) -> Iterator[tuple[str, float | None, float, bool]]:
    """Name, value, limit, and whether the limit is an upper one."""
    for model_id, limit_ms in (("nova-96", 1.5), ("nova-hd", 8.0)):
        if model_id in sections.get("students", {}):
            yield f"{model_id} step p95, ms", sections["students"][model_id]["fastest"]["p95_ms"], limit_ms, True
    for ms, limit_ms in ((40, 95.0), (160, 250.0)):
        if "latency" in sections:
            yield (
                f"mic to picture p95, look-ahead {ms}, ms",
                sections["latency"][f"lookahead_{ms}"]["p95_ms"],
                limit_ms,
                True,
            )
    if "latency" in sections:
        yield (
            "compose p50, ms",
            sections["latency"]["lookahead_40"]["stage_ms"].get("compose", {}).get("p50"),
            4.0,
            True,
        )
    for name, paced in sections.get("pacing", {}).items():
        yield f"{name} rate error, %", paced["error_percent"], 0.5, True
        yield f"{name} missed ticks", paced["n_missed"], 0, True
    if "program" in sections:
        program = sections["program"]
        yield "program, % of one core", program["cpu_percent_of_one_core"], 45.0, True
        yield "program, resident MB", program["rss_mb"], 450.0, True
        yield "program, growth MB/min", program["rss_growth_mb_per_min"], 0.5, True
        yield "first talking picture, s", program["first_talking_frame_s"], 3.0, True
    if "on_air" in sections:
        on_air = sections["on_air"]
        yield "browser source, two viewers, % of one core", on_air["browser"]["added_percent_of_one_core"], 40.0, True
        yield "simulated hours, voice ahead p99, ms", on_air["simulated_hours"]["p99_ms"], 15.0, True
        yield "simulated hours, voice behind p1, ms", on_air["simulated_hours"]["p1_ms"], -45.0, False
    if "soak" in sections:
        soak = sections["soak"]
        yield "soak, growth MB/h", soak["rss_mb_per_hour"], 5.0, True
        yield "soak, more threads", soak["threads_more"], 0, True
        yield "soak, more handles", soak["handles_more"], 0, True
        yield "soak, rate error, %", soak["fps_error_percent"], 0.5, True
    yield from _pictures(sections)


def _pictures(sections: Sections) -> Iterator[tuple[str, float | None, float, bool]]:
    if "pose" in sections:
        yield "a turned head p95, one thread, ms", sections["pose"]["p95_ms"], 6.0, True
    if sections.get("follow", {}).get("is_installed"):
        follow = sections["follow"]
        yield "head follows, whole program, % of one core", follow["cpu_percent_of_one_core"], 110.0, True
        yield "head follows, resident MB", follow["rss_mb"], 700.0, True
        yield "webcam to picture p95, ms", follow["head_p95_ms"], 90.0, True
        yield "a still head moves, RMS px", follow["still_rms_px"], 0.15, True
    if "render" in sections:
        yield "render, x real time", sections["render"]["real_time_ratio"], 5.0, False


def text(found: Mapping[str, Any]) -> str:
    """The whole report for a terminal."""
    machine = found["machine"]
    lines = [f"{machine['cpu']}, {machine['instruction_set']}, {machine['n_cores']} cores, {machine['system']}", ""]
    for model_id, model in found["sections"].get("students", {}).items():
        lines += [f"{model_id}: one mouth, one thread", *(_pair_line(pair) for pair in model["pairs"]), ""]
    for name, figures in found["sections"].get("latency", {}).items():
        stages = ", ".join(f"{stage} {ms['p50']}" for stage, ms in figures["stage_ms"].items())
        lines.append(f"{name:<14} p50 {figures['p50_ms']} ms, p95 {figures['p95_ms']} ms   ({stages})")
    lines += ["", *(_target_line(target) for target in found["targets"])]
    return "\n".join(lines)


def _pair_line(pair: Mapping[str, Any]) -> str:
    if pair["error"]:
        return f"  {pair['engine']:<18}{pair['precision']:<7} {pair['error']}"
    times = f"{pair['p50_ms']:7.2f} ms p50 {pair['p95_ms']:7.2f} ms p95"
    return f"  {pair['engine']:<18}{pair['precision']:<7}{times}  {pair['arithmetic']}"


def _target_line(target: Mapping[str, Any]) -> str:
    mark = "ok    " if target["is_reached"] else "MISSED"
    return f"{mark}  {target['name']:<42}{target['value']:>10} (target {target['limit']})"
