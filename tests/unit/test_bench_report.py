import pytest

from avatar_app import machine
from avatar_app.bench import report
from avatar_app.live.student.processor import instruction_set


def test_text_when_anything_was_measured_then_first_line_names_processor_and_instruction_set():
    facts = machine.facts()
    first = report.text({"machine": facts, "sections": {}, "targets": []}).splitlines()[0]
    assert first.startswith(f"{facts['cpu']}, {instruction_set()}, ")


@pytest.mark.parametrize(("compose_ms", "latency_ms", "is_reached"), [(3.9, 94.0, True), (4.1, 96.0, False)])
def test_targets_when_latency_was_measured_then_compose_and_mic_to_picture_are_judged(
    compose_ms, latency_ms, is_reached
):
    stages = {"compose": {"p50": compose_ms, "p95": 9.0}}
    latency = {name: {"p95_ms": latency_ms, "stage_ms": stages} for name in ("lookahead_40", "lookahead_160")}
    reached = {target["name"]: target["is_reached"] for target in report.targets({"latency": latency})}
    assert reached["compose p50, ms"] is is_reached
    assert reached["mic to picture p95, look-ahead 40, ms"] is is_reached


@pytest.mark.parametrize(("percent", "is_reached"), [(44.0, True), (46.0, False)])
def test_targets_when_program_was_measured_then_45_percent_of_a_core_is_the_limit(percent, is_reached):
    program = {
        "cpu_percent_of_one_core": percent,
        "rss_mb": 300.0,
        "rss_growth_mb_per_min": 0.0,
        "first_talking_frame_s": 1.0,
    }
    reached = {target["name"]: target["is_reached"] for target in report.targets({"program": program})}
    assert reached["program, % of one core"] is is_reached
