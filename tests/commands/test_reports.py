"""`doctor` and `bench`: their JSON is a public format."""

import json

from avatar_app.live.student.processor import instruction_set
from tests.end2end.program import copied_home, run


def test_doctor_when_all_is_well_then_json_says_healthy(tmp_path):
    ended = run("doctor", "--json", "--profile-dir", tmp_path)
    report = json.loads(ended.out)
    assert ended.code == 0, ended.err
    assert report["schema"] == 1 and report["is_healthy"]
    names = [finding["name"] for finding in report["findings"]]
    assert {"machine", "versions", "engines", "settings", "avatar", "model", "live run"} <= set(names)
    assert report["machine"]["instruction_set"] == instruction_set()
    assert instruction_set() in next(f["text"] for f in report["findings"] if f["name"] == "machine")
    bad = [finding for finding in report["findings"] if finding["health"] != "ok"]
    assert all(finding["what_to_do"] for finding in bad)


def test_doctor_when_model_is_damaged_then_failed_line_says_what_to_do(tmp_path):
    path = copied_home(tmp_path / "home") / "models/nova-hd/student-int8.onnx"
    path.write_bytes(path.read_bytes()[:-5])
    ended = run("doctor", "--json", "--profile-dir", tmp_path, AVATAR_APP_HOME=str(tmp_path / "home"))
    failed = [f for f in json.loads(ended.out)["findings"] if f["health"] == "failed"]
    assert ended.code == 1
    assert "student-int8.onnx" in failed[0]["text"]
    assert failed[0]["what_to_do"]


def test_bench_when_quick_then_json_has_every_pair_and_its_targets(tmp_path):
    ended = run("bench", "--quick", "--json", "--only", "students,render", "--profile-dir", tmp_path)
    assert ended.code == 0, ended.err
    report = json.loads(ended.out)
    assert report["schema"] == 1
    for model in report["sections"]["students"].values():
        assert len([pair for pair in model["pairs"] if not pair["error"]]) >= 4
    assert report["sections"]["render"]["n_pictures"] > 300
    assert report["machine"]["instruction_set"] == instruction_set()
    assert {"name", "value", "limit", "is_reached"} == set(report["targets"][0])


def test_bench_when_section_is_unknown_then_an_error():
    ended = run("bench", "--only", "studnets")
    assert ended.code == 2
    assert "students" in ended.err
