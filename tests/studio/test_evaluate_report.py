"""A whole comparison on tiny data: measurements, files, and the page in a real browser."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import subprocess
from dataclasses import asdict

import av
import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="needs the studio extra")

from avatar_app.contracts.errors import StudioError, UserError  # noqa: E402
from avatar_app.contracts.student_spec import Precision  # noqa: E402
from avatar_app.live.student.folder import read_manifest  # noqa: E402
from avatar_app.live.student.processor import instruction_set  # noqa: E402
from avatar_app.live.student.registry import find_model  # noqa: E402
from avatar_app.studio.evaluate import cli, model_cost, page, speed  # noqa: E402
from avatar_app.studio.evaluate.compare import read_ablation  # noqa: E402
from avatar_app.studio.evaluate.figures import markdown  # noqa: E402
from avatar_app.studio.evaluate.sensitivity_table import sensitivity  # noqa: E402
from avatar_app.studio.evaluate.steps import Steps  # noqa: E402
from avatar_app.studio.export.graphs import export_graph  # noqa: E402
from avatar_app.studio.metrics import held_out  # noqa: E402
from avatar_app.studio.metrics.held_out import load_test_data  # noqa: E402
from avatar_app.studio.nets import Student28x, Wav2Lip  # noqa: E402
from avatar_app.studio.nets.expert import SyncExpert, save_expert  # noqa: E402
from avatar_app.studio.nets.teacher import Teacher, save_teacher  # noqa: E402
from tests.fakes.data_folder import write_data  # noqa: E402
from tests.studio.small_nets import make_wav2lip_small  # noqa: E402

pytestmark = [pytest.mark.studio, pytest.mark.slow]
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
ABLATION = {"budget": "ten steps", "rows": [{"name": "A <b>", "mouth_psnr_db": 30.5, "jitter": 4}, {"name": "B"}]}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def small_wav2lip():
    with pytest.MonkeyPatch.context() as patch:
        make_wav2lip_small(patch)
        yield


@pytest.fixture(scope="module")
def short_noises():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(held_out, "SILENCE_S", 1)
        patch.setattr(held_out, "NOISE_S", 1)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory, data, small_wav2lip, short_noises):
    """A report on a shipped student and an untrained, narrow teacher, with an untrained sync expert."""
    root = tmp_path_factory.mktemp("evaluate")
    torch.manual_seed(0)
    save_teacher(root / "teacher", Teacher(), {})
    save_expert(root / "expert", SyncExpert(), {"may_judge": True})
    (root / "ablation.json").write_text(json.dumps(ABLATION))
    words = ["--models", "nova-96", "--teacher", root / "teacher", "--expert", root / "expert",
             "--ablation", root / "ablation.json", "--data", data, "--out", root / "report",
             "--clips", 1, "--voices", 1, "--noises", 2, "--rounds", 1, "--lookaheads", 40, 160]  # fmt: skip
    progress = io.StringIO()
    with contextlib.redirect_stderr(progress):
        assert cli.main([str(word) for word in words]) == 0
    (root / "report" / "progress.txt").write_text(progress.getvalue())
    return root / "report"


@pytest.fixture(scope="module")
def report(folder):
    return json.loads((folder / "report.json").read_text())


def test_report_when_made_then_every_engine_precision_and_thread_was_timed(report):
    runs = {(r["model"], r["form"], r["engine"], r["precision"], r["n_threads"]) for r in report["speed"]["runs"]}
    wanted = {("nova-96", "step", e, p.value, n) for e in speed.ENGINES for p in Precision for n in (1, 2)}
    wanted |= {("teacher", "whole", e, "fp32", n) for e in speed.ENGINES for n in (1, 2)}
    assert wanted <= runs and not report["speed"]["refused"]
    assert all(0 < r["p25_ms"] <= r["p50_ms"] <= r["p75_ms"] for r in report["speed"]["runs"])
    assert report["machine"]["cpu"]


def test_report_when_made_then_names_the_instruction_set(folder, report):
    assert report["machine"]["instruction_set"] == instruction_set()
    assert f"{instruction_set()}, {report['machine']['n_cores']} cores" in (folder / "index.html").read_text()


def test_report_when_made_then_names_the_arithmetic_of_the_expert(folder, report):
    assert report["arithmetic"] == "fp32"
    assert "The sync expert computes in fp32." in (folder / "index.html").read_text()


def test_report_when_there_is_a_teacher_then_the_headline_is_the_ratio_of_times(report):
    whole = next(h for h in report["speed"]["headline"] if h["teacher_form"] == "whole")
    runs = {
        (r["model"], r["form"], r["engine"], r["precision"]): r for r in report["speed"]["runs"] if r["n_threads"] == 1
    }
    slow = runs["teacher", "whole", "onnxruntime-cpu", "fp32"]
    best = runs["nova-96", "step", whole["engine"], whole["precision"]]
    assert whole["model"] == "nova-96"
    assert whole["ratio"] == pytest.approx(slow["p50_ms"] / best["p50_ms"], rel=0.01)
    assert best["p50_ms"] == min(r["p50_ms"] for (model, *_), r in runs.items() if model == "nova-96")
    assert {(e["engine"], e["precision"]) for e in report["speed"]["against_fp32"] if e["model"] == "nova-96"} == {
        (engine, p) for engine in speed.ENGINES for p in ("fp16", "int8", "mixed")
    }


def test_report_when_made_then_sizes_are_those_of_the_whole_networks(report, small_wav2lip):
    """`test_nets_cost` compares the published networks."""
    big, small = (report["models"][m]["cost"] for m in ("teacher", "nova-96"))
    assert big["whole"] == asdict(model_cost.published_cost(Wav2Lip()))
    assert small["whole"] == asdict(model_cost.published_cost(Student28x()))
    assert small["whole"]["n_parameters"] == 1_258_143
    assert small["step"]["n_macs"] < small["whole"]["n_macs"]


def test_report_when_made_then_every_model_has_every_score_at_each_of_its_lookaheads(report):
    found = {m: [k for k in about["quality"] if k.startswith("look")] for m, about in report["models"].items()}
    assert found == {"teacher": ["lookahead_160"], "nova-96": ["lookahead_40", "lookahead_160"]}
    keys = {"mouth_psnr_db", "mouth_ssim", "mouth_lmd_px", "opening_correlation", "voices_correlation", "jitter",
            "noise_motion_ratio", "silence_motion_ratio", "sync", "clips", "voices", "noises"}  # fmt: skip
    scores = report["models"]["nova-96"]["quality"]["lookahead_160"]
    assert keys <= set(scores)
    assert scores["sync"]["offset_ms"] == 40 * scores["sync"]["offset_pictures"]
    assert scores["silence_motion_ratio"] == 0
    assert np.isfinite([scores[key] for key in ("mouth_psnr_db", "mouth_lmd_px", "jitter")]).all()
    for engine in speed.ENGINES:
        losses = report["models"]["nova-96"]["precisions"][engine]
        assert set(losses) == {p.value for p in Precision} and losses["fp32"]["loss_db"] == 0


def test_video_when_made_then_as_long_as_the_clip_with_sound_and_three_faces(folder):
    (video,) = folder.glob("*.mp4")
    with av.open(str(video)) as container:
        assert container.streams.video[0].width == 3 * (256 + 8) + 8
        assert len(container.streams.audio) == 1
        assert sum(1 for _ in container.decode(video=0)) == pytest.approx(50, abs=1)


def test_page_when_written_then_needs_nothing_from_elsewhere_and_escapes_names(folder):
    text = (folder / "index.html").read_text()
    assert "A &lt;b&gt;" in text and "A <b>" not in text
    assert not re.findall(r"https?://", text) and "<script" not in text
    sources = set(re.findall(r'src="([^"]+)"', text))
    assert {s for s in sources if not s.startswith("data:image/jpeg;base64,")} == {"still_002.mp4"}


def test_page_when_a_number_changes_then_the_page_does(folder, report):
    """Every number of the page comes from the report."""
    report = json.loads(json.dumps(report))
    report["models"]["nova-96"]["quality"]["lookahead_160"]["mouth_psnr_db"] = 12.34
    report["speed"]["headline"][0]["ratio"] = 77.0
    report["models"]["nova-96"]["title"] = "Other"
    text = page.render(report, [])
    assert "12.34" in text and "77x faster" in text and "Nova 96" not in text


def test_markdown_when_written_then_tables_with_the_numbers_of_the_report(folder, report):
    text = (folder / "figures.md").read_text()
    tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")]
    assert len(tables) == 5
    for table in tables:
        assert len({line.count("|") for line in table}) == 1
    report = json.loads(json.dumps(report))
    report["models"]["nova-96"]["quality"]["lookahead_160"]["mouth_psnr_db"] = 12.34
    report["models"]["nova-96"]["cost"]["whole"]["n_parameters"] = 7_770_000
    changed = markdown(report)
    assert "12.3 dB" in changed and "7.77 M" in changed and "12.3 dB" not in text


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed")
def test_page_when_opened_in_chromium_then_tables_and_pictures_are_there_without_errors(folder, tmp_path):
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--hide-scrollbars", f"--user-data-dir={tmp_path / 'u'}",
             "--enable-logging=stderr", "--v=0", "--virtual-time-budget=4000"]  # fmt: skip
    # The report has no script; the copy has one that reports the loaded files and the layout.
    probe = folder / "probe.html"
    text = (folder / "index.html").read_text().replace("</body>", PROBE + "</body>")
    probe.write_text(text)
    done = subprocess.run(
        [CHROMIUM, *flags, "--dump-dom", probe.as_uri()], capture_output=True, text=True, timeout=120, check=False
    )
    found = json.loads(re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)[1])
    assert found["tables"] >= 9 and found["charts"] >= 4 and found["emptyTables"] == 0
    assert found["pictures"] == 3 and found["broken"] == 0
    assert found["wide"] is False
    assert [url for url in found["loaded"] if not url.startswith(("file:", "data:"))] == []
    assert "CONSOLE" not in done.stderr


PROBE = """<script>addEventListener("load", () => {
  const all = (query) => [...document.querySelectorAll(query)];
  const found = {
    tables: all("table").length, charts: all("svg.chart").length,
    emptyTables: all("tbody").filter(body => !body.rows.length).length,
    pictures: all("img").length, broken: all("img").filter(image => !image.naturalWidth).length,
    wide: document.documentElement.scrollWidth > innerWidth,
    loaded: performance.getEntriesByType("resource").map(entry => entry.name.slice(0, 40)),
  };
  const shown = document.createElement("pre");
  shown.id = "probe"; shown.textContent = JSON.stringify(found); document.body.append(shown);
});</script>"""


def test_evaluate_when_one_model_is_named_then_json_as_before(data, capsys):
    words = ["--model", "nova-96", "--precision", "fp32", "--data", str(data), "--lookaheads", "80",
             "--clips", "1", "--voices", "1", "--noises", "1", "--arithmetic", "bf16"]  # fmt: skip
    assert cli.main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], found["model"], found["engine"], found["arithmetic"]) == (1, "nova-96", "FP32", "bf16")
    assert {"mouth_psnr_db", "voices_correlation", "noise_motion_ratio", "clips"} <= set(found["lookahead_80"])


@pytest.mark.parametrize(("words", "said"), [
    (["--models", "none"], "no model named 'none'"),
    (["--models", "nova-96", "--teacher", "nowhere"], "teacher in nowhere cannot be read"),
    (["--models", "nova-96", "--ablation", "nowhere.json"], "ablation table nowhere.json cannot be used"),
])  # fmt: skip
def test_evaluate_when_something_is_missing_then_one_sentence(words, said, data, tmp_path):
    with pytest.raises(UserError, match=said) as caught:
        cli.main([*words, "--data", str(data), "--out", str(tmp_path / "r")])
    assert "\n" not in str(caught.value)


def test_test_data_when_no_clip_has_sound_then_a_warning_for_each_and_one_sentence(tmp_path, caplog):
    root = write_data(tmp_path / "data")
    (root / "nova" / "clips" / "still_002" / "audio.flac").unlink()
    with pytest.raises(StudioError, match="None of the test clips"):
        load_test_data(root)
    assert "still_002 is left out" in caplog.text


@pytest.mark.usefixtures("small_wav2lip")
@pytest.mark.parametrize("net", [Student28x, Wav2Lip])
def test_graph_cost_when_exported_then_equal_to_that_of_torch(net, tmp_path):
    inputs = (torch.zeros(1, 1, 80, 16), torch.zeros(1, 6, 96, 96))
    graph = export_graph(net().eval(), inputs, ["mel", "face"], ["picture"])
    found, expected = model_cost.graph_cost(graph), model_cost.published_cost(net())
    assert (found.n_macs, found.n_macs_output_grid) == (expected.n_macs, expected.n_macs_output_grid)


def test_graph_cost_when_it_multiplies_matrices_then_counted():
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[1,3] x, float[3,5] w) => (float[1,5] y) { y = MatMul(x, w) }'
    )
    assert model_cost.graph_cost(model).n_macs == 15


@pytest.mark.parametrize("entry", [None, [], {}, {"psnr_db": 3}, {"psnr_db": {}}, {"psnr_db": {"a": "x"}}])
def test_sensitivity_when_the_manifest_has_none_or_a_damaged_one_then_none(entry):
    spec = read_manifest(find_model("nova-96"))
    object.__setattr__(spec, "provenance", {"sensitivity": entry})
    assert sensitivity(spec) is None


@pytest.mark.parametrize(("entry", "reasons"), [
    ({"psnr_db": {"/a/Conv": 50.0, "/b/Conv": 60}, "float_in_mixed": ["/a/Conv"]}, {"/a/Conv": "stays_float"}),
    (
        {"psnr_db": {"/a/Conv": {"alone": 50.0, "all_but_it": 45.0}, "/b/Conv": {"alone": 60.0}}, "all_psnr_db": 44.0,
         "float_in_mixed": {"too_small": ["/a/Conv"], "too_harmful": []}},
        {"/a/Conv": "too_small"},
    ),
])  # fmt: skip
def test_sensitivity_when_the_manifest_is_old_or_new_then_read_and_charted(entry, reasons, report):
    spec = read_manifest(find_model("nova-96"))
    object.__setattr__(spec, "provenance", {"sensitivity": entry})
    found = sensitivity(spec)
    assert found["psnr_db"] == {"/a/Conv": 50.0, "/b/Conv": 60.0} and found["float_in_mixed"] == reasons
    report = json.loads(json.dumps(report))
    report["models"]["nova-96"]["sensitivity"] = found
    text = page.render(report, [])
    assert "50.0 dB" in text and "stays float" in text
    assert ("45.0 dB" in text) == bool(found["all_but_it_db"])


@pytest.mark.parametrize("text", ["", "[]", '{"rows": [{}]}', '{"rows": [{"name": "a", "jitter": "much"}]}'])
def test_ablation_when_the_file_is_no_table_then_one_sentence(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(StudioError, match="cannot be used"):
        read_ablation(tmp_path / "a.json")


def runner(model, form, precision, times_ms):
    made = speed.Runner(model, form, "onnxruntime-cpu", precision, 1, "", lambda k: None, lambda: None)
    made.rounds_ms = [[t] for t in times_ms]
    return made


def test_ratios_when_the_machine_slows_down_within_the_run_then_unchanged():
    teacher = runner("teacher", "whole", "fp32", [40, 80, 160])
    student = runner("s", "step", "fp32", [4, 8, 16])
    quick = runner("s", "step", "int8", [1, 2, 4])
    (found,) = speed.headline([teacher, student, quick], ["teacher"])
    assert (found["model"], found["precision"], found["ratio"], found["p25"], found["p75"]) == ("s", "int8", 40, 40, 40)
    (own,) = speed.against_fp32([teacher, student, quick])
    assert (own["precision"], own["ratio"]) == ("int8", 4)


def test_steps_when_the_long_one_is_left_then_the_estimate_is_long():
    progress = io.StringIO()
    steps = Steps({"short": 1.0, "long": 9.0}, progress)
    steps("short")
    assert steps.left_s(2.0) == pytest.approx(18.0)
    steps("long")
    assert [line.split("  ")[-1] for line in progress.getvalue().splitlines()] == ["short", "long"]
    assert steps.left_s(2.0) == 0


def test_steps_when_a_report_is_made_then_all_were_expected(folder):
    lines = (folder / "progress.txt").read_text().splitlines()
    done = [line for line in lines if " left  " in line]
    assert done[-1].strip().startswith(f"{len(done)} of {len(done)}  0:00 left")


def test_evaluate_when_a_look_ahead_is_unknown_then_refused_before_anything_is_measured(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--models", "nova-96", "--data", "d", "--lookaheads", "50"])
    assert "invalid choice: 50" in capsys.readouterr().err
