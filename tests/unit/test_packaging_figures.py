"""The page of figures is what its data give."""

import copy
import importlib
import sys

import pytest

from avatar_app.settings.paths import repo_root

PACKAGING = repo_root() / "packaging"
MODULES = ("figures", "figures_live", "figures_person", "figures_quality", "figures_format")


@pytest.fixture
def figures(monkeypatch):
    """The script's module."""
    monkeypatch.syspath_prepend(str(PACKAGING))
    yield importlib.import_module("figures")
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def bench(figures):
    """The output of one `bench --json`."""
    return copy.deepcopy(figures.read(PACKAGING / "figures" / "bench-avx2.json"))


def test_page_when_committed_then_equals_what_the_data_give(figures):
    committed = (PACKAGING / "guide" / "figures.md").read_text(encoding="utf-8")
    assert committed == figures.page(), "run python3 packaging/figures.py"


def test_check_when_a_number_differs_then_exit_code_1(figures, monkeypatch, tmp_path, capsys):
    page = tmp_path / "figures.md"
    page.write_text(figures.page().replace("31.1 dB", "33.1 dB"), encoding="utf-8")
    monkeypatch.setattr(figures, "PAGE", page)
    monkeypatch.setattr(sys, "argv", ["figures.py", "--check"])
    assert figures.main() == 1
    monkeypatch.setattr(sys, "argv", ["figures.py"])
    assert figures.main() == 0
    monkeypatch.setattr(sys, "argv", ["figures.py", "--check"])
    assert figures.main() == 0
    assert "is up to date" in capsys.readouterr().out


def test_live_when_latency_changes_then_page_shows_the_new_number(figures, bench):
    bench["sections"]["latency"]["lookahead_40"]["p95_ms"] = 94.4
    assert "| latency at look-ahead 40 ms, p50 / p95 | p95 95 ms | 82 / 94 ms |" in "\n".join(
        figures.live_part([bench])
    )


def test_live_when_a_section_is_missing_everywhere_then_row_is_left_out(figures, bench):
    full = "\n".join(figures.live_part([bench]))
    del bench["sections"]["render"]
    assert "`render`" in full and "`render`" not in "\n".join(figures.live_part([bench]))


def test_live_when_a_section_is_missing_in_one_run_then_dash(figures, bench):
    other = copy.deepcopy(bench)
    del other["sections"]["render"]
    row = next(line for line in "\n".join(figures.live_part([bench, other])).splitlines() if "`render`" in line)
    assert row.endswith("| 5.4 times | – |")


def test_live_when_instruction_set_is_limited_then_only_openvino_counts(figures, bench):
    row = next(line for line in figures.live_part([bench])[2].splitlines() if "`nova-hd`" in line)
    assert "OpenVINO" in row
    bench["machine"]["instruction_set"] = "AVX2"
    row = next(line for line in figures.live_part([bench])[2].splitlines() if "`nova-hd`" in line)
    assert "ONNX Runtime" in row


def test_live_when_a_target_is_missed_then_named(figures, bench):
    assert "All targets are reached." in "\n".join(figures.live_part([bench]))
    bench["targets"][0].update(value=9.0, is_reached=False)
    assert "Target not reached: nova-96 step p95, ms: 9.0 instead of 1.5" in "\n".join(figures.live_part([bench]))


def test_quality_when_a_correlation_is_below_its_target_then_named(figures):
    manifests = [figures.read(repo_root() / "models" / name / "manifest.json") for name in figures.MODELS]
    report = figures.read(PACKAGING / "figures" / "report.json")
    assert "`nova-96` misses 0.80 at 160 ms by 0.017." in figures.quality_part(manifests, report)[-1]
    for manifest in manifests:
        manifest["quality"]["held_out"]["lookahead_160"]["voices_correlation"] = 0.9
    assert figures.quality_part(manifests, report)[-1].endswith("All are reached.")


def test_long_when_listed_then_each_names_its_version_and_command(figures):
    for measurement in figures.read(PACKAGING / "figures" / "long.json")["measurements"]:
        assert all(measurement[key] for key in ("what", "measured", "date", "commit", "command"))


def test_distillation_when_a_manifest_has_the_present_keys_then_the_same_table(figures):
    quality = importlib.import_module("figures_quality")
    old = figures.read(repo_root() / "models" / "nova-96" / "manifest.json")
    new = copy.deepcopy(old)
    about = new["provenance"]["nova96"]
    about["initial_test"], about["lips_closed"]["initial"] = about.pop("begun_test"), about["lips_closed"].pop("begun")
    assert quality.distillation_part([new]) == quality.distillation_part([old])
