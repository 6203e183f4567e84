from avatar_app.bench import machine, report
from avatar_app.live.student.processor import instruction_set


def test_text_when_anything_was_measured_then_first_line_names_processor_and_instruction_set():
    facts = machine.facts()
    first = report.text({"machine": facts, "sections": {}, "targets": []}).splitlines()[0]
    assert first.startswith(f"{facts['cpu']}, {instruction_set()}, ")
