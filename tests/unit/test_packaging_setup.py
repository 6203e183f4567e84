"""Set-up without a network: what is decided, said, and remembered."""

import ast
import importlib
import json
import subprocess
import sys

import pytest

from avatar_app.settings.paths import repo_root

PACKAGING = repo_root() / "packaging"


@pytest.fixture
def packaging(monkeypatch):
    """Imports a module of the folder as the two commands do."""
    monkeypatch.syspath_prepend(str(PACKAGING))
    yield importlib.import_module
    for name in ("environment", "setup_steps", "system_packages", "trim", "run", "test"):
        sys.modules.pop(name, None)


@pytest.fixture
def repo(packaging, monkeypatch, tmp_path):
    """The environment module with a repository of its own that looks set up."""
    environment = packaging("environment")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "tracker.txt").write_text("mediapipe==1\n")
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "run-cpu.txt").write_text("numpy==1\n")
    monkeypatch.setattr(environment, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(environment, "TRACKER_LOCK", tmp_path / "tracker.txt")
    venv = tmp_path / ".venv"
    venv.mkdir()
    for name, value in (("REPO", tmp_path), ("VENV", venv), ("STAMP", venv / "s.json"), ("PYTHON", venv / "python")):
        monkeypatch.setattr(environment, name, value)
    (venv / "python").write_text("")
    return environment


def test_is_ready_when_nothing_changed_then_true(repo):
    repo._write_stamp(repo.RUN, {})
    assert repo.is_ready(repo.RUN)
    assert not repo.is_ready(repo.TEST)


def test_is_ready_when_tests_were_set_up_then_the_app_is_too(repo):
    repo._write_stamp(repo.TEST, {})
    assert repo.is_ready(repo.RUN)
    assert repo.is_ready(repo.TEST)


def test_is_ready_when_app_is_set_up_again_then_tests_stay_ready(repo):
    repo._write_stamp(repo.TEST, {})
    repo._write_stamp(repo.RUN, repo._stamps())
    assert repo.is_ready(repo.TEST)


@pytest.mark.parametrize("change", ["pyproject", "lock", "new lock", "tracker", "python", "gpu", "stamp"])
def test_is_ready_when_something_changed_then_false(repo, monkeypatch, change):
    repo._write_stamp(repo.RUN, {})
    if change == "pyproject":
        (repo.REPO / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    elif change == "lock":
        (repo.LOCKS / "run-cpu.txt").write_text("numpy==2\n")
    elif change == "new lock":
        (repo.LOCKS / "run-gpu.txt").write_text("numpy==1\n")
    elif change == "tracker":
        repo.TRACKER_LOCK.write_text("mediapipe==2\n")
    elif change == "python":
        repo.PYTHON.unlink()
    elif change == "gpu":
        is_there = repo.has_nvidia_driver()
        monkeypatch.setattr(repo, "has_nvidia_driver", lambda: not is_there)
    else:
        repo.STAMP.write_text("{broken")
    assert not repo.is_ready(repo.RUN)


def test_make_ready_when_python_is_too_old_then_one_sentence(repo, packaging, monkeypatch):
    monkeypatch.setattr(repo, "OLDEST_PYTHON", (99, 0))
    with pytest.raises(packaging("setup_steps").SetupError, match=r"needs 3\.10 or newer"):
        repo.make_ready(repo.RUN)


def test_check_disk_when_too_small_then_says_how_much(repo, packaging):
    repo.PYTHON.unlink()
    repo.VENV.rmdir()
    with pytest.raises(packaging("setup_steps").SetupError, match="needs 1000000000 GB"):
        repo._check_disk(1e9)


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("Failed to establish a new connection: [Errno -3] Temporary failure in name resolution", "cannot be reached"),
        ("ERROR: No matching distribution found for openvino", "not offered for this Python"),
        ("ERROR: In --require-hashes mode, all requirements must have their versions pinned", "not offered for this"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "not the one that this program"),
        ("boom", "`pip install x` failed"),
    ],
)
def test_explain_when_pip_fails_then_says_why(packaging, output, sentence):
    assert sentence in str(packaging("setup_steps").explain(output, ["pip", "install", "x"]))


@pytest.fixture
def pip(repo, packaging, monkeypatch):
    """What pip is asked to do, by `_install`; `installed` names what it lists."""
    asked = []

    def run(command, step, environment=None, is_needed=True):
        asked.append([str(word) for word in command[3:]])
        return True

    def listed(*installed):
        text = json.dumps([{"name": name, "version": "1"} for name in installed])
        repo.PYTHON.write_text(f"#!{sys.executable}\nprint({text!r})\n")
        repo.PYTHON.chmod(0o755)
        return asked

    monkeypatch.setattr(packaging("setup_steps"), "run_quietly", run)
    return listed


@pytest.mark.skipif(sys.platform == "win32", reason="the fake pip is a script")
@pytest.mark.parametrize(("plan", "runtime"), [("RUN", "cpu"), ("RUN", "gpu"), ("TEST", "cpu"), ("TEST", "gpu")])
def test_install_when_asked_then_from_the_lock_with_hashes_and_wheels_alone(repo, pip, plan, runtime):
    asked = pip()
    repo._install(getattr(repo, plan), runtime)
    lock = str(repo.LOCKS / f"{plan.lower()}-{runtime}.txt")
    assert asked[0][1:] == ["install", "--progress-bar=off", "--require-hashes", "--only-binary=:all:",
                            "--requirement", lock]  # fmt: skip
    torch = [words for words in asked if repo.TORCH in words]
    assert [("--only-binary=:all:" in words) for words in torch] == ([True] if plan == "TEST" else [])
    # The program itself brings nothing that the lock does not name, its build tool included.
    assert asked[-1][3:] == ["--no-deps", "--no-build-isolation", "--editable", str(repo.REPO)]


@pytest.mark.skipif(sys.platform == "win32", reason="the fake pip is a script")
@pytest.mark.parametrize(
    ("installed", "runtime", "removed"),
    [
        (("numpy", "onnxruntime", "opencv-python-headless"), "cpu", None),
        (("numpy", "onnxruntime"), "gpu", ["onnxruntime"]),
        (("onnxruntime", "onnxruntime-gpu"), "cpu", ["onnxruntime-gpu", "onnxruntime"]),
        (("opencv-contrib-python",), "cpu", ["opencv-contrib-python"]),
        (("PySide6_Addons", "PySide6_Essentials"), "cpu", ["pyside6-addons", "pyside6-essentials"]),
    ],
)
def test_install_when_another_package_has_the_same_files_then_both_go_first(repo, pip, installed, runtime, removed):
    asked = pip(*installed)
    repo._install(repo.RUN, runtime)
    first = asked[0][1:]
    assert first == ["uninstall", "--yes", *removed] if removed else first[0] == "install"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only done on Linux")
def test_trim_when_done_then_only_what_no_window_needs_is_gone(packaging, tmp_path):
    qt = tmp_path / "lib" / "python3.12" / "site-packages" / "PySide6"
    kept = ("QtCore.abi3.so", "QtSvg.abi3.so", "QtQml.pyi", "Qt/lib/libQt6Gui.so.6", "Qt/plugins/platforms/libqxcb.so",
            "Qt/lib/libQt6WaylandClient.so.6", "Qt/plugins/platforminputcontexts/libibus.so")  # fmt: skip
    gone = ("QtQuick.abi3.so", "designer", "Qt/qml/QtQuick/qmldir", "Qt/lib/libQt6QuickControls2.so.6")
    for name in (*kept, *gone):
        (qt / name).parent.mkdir(parents=True, exist_ok=True)
        (qt / name).write_text("")
    for _ in range(2):
        packaging("trim").trim_qt(tmp_path)
    left = {str(file.relative_to(qt)) for file in qt.rglob("*") if file.is_file()}
    assert left == set(kept)


def test_run_quietly_when_command_fails_then_shows_its_last_lines(packaging, capfd):
    steps = packaging("setup_steps")
    command = [sys.executable, "-c", "print('the reason'); raise SystemExit(3)"]
    with pytest.raises(steps.SetupError), steps.Step("a step") as step:
        steps.run_quietly(command, step)
    out, err = capfd.readouterr()
    assert "the reason" in err
    assert "a step" in out
    assert "failed" in out


def test_run_quietly_when_command_succeeds_then_quiet_and_timed(packaging, capfd):
    steps = packaging("setup_steps")
    with steps.Step("a step") as step:
        assert steps.run_quietly([sys.executable, "-c", "print('chatter')"], step)
    out, err = capfd.readouterr()
    assert "chatter" not in out + err
    assert "done in" in out


@pytest.mark.parametrize(
    ("variables", "platform", "expected"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"QT_QPA_PLATFORM": "offscreen"}, "linux", True),
        ({}, "darwin", True),
        ({}, "win32", True),
    ],
)
def test_has_screen_when_asked_then_knows(packaging, variables, platform, expected):
    assert packaging("run").has_screen(variables, platform) is expected


@pytest.mark.parametrize(
    ("words", "expected"), [([], True), (["--fps", "30"], True), (["render", "--audio", "x"], False), (["-h"], False)]
)
def test_wants_window_when_a_command_is_named_then_not(packaging, words, expected):
    assert packaging("run").wants_window(words) is expected


def test_commands_when_a_library_is_missing_then_names_the_package(packaging, monkeypatch):
    system = packaging("system_packages")
    part = system.SystemPart("libnothere.so.9", "libnothere9", "nothere", "nothere")
    assert part.is_missing()
    for tool, expected in (("apt-get", "apt-get install -y libnothere9"), ("dnf", "dnf install -y nothere")):
        monkeypatch.setattr(
            system.shutil, "which", lambda name, tool=tool: f"/usr/bin/{name}" if name == tool else None
        )
        assert expected in system._command([part])


def test_packaging_when_python_is_old_then_the_first_files_still_parse():
    # The sentence about an old Python must reach whoever has one: no syntax newer than 3.7 in these.
    for name in ("run", "environment", "setup_steps", "trim"):
        ast.parse((PACKAGING / f"{name}.py").read_text(), feature_version=(3, 7))


def test_ci_run_when_called_then_is_the_test_command():
    script = repo_root() / ".ci" / "run"
    assert "packaging/test.py" in script.read_text()
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0


def test_test_command_when_a_folder_has_tests_then_it_is_run_in_one_of_the_two_rounds(packaging):
    # The standard library has a package of this name.
    sys.modules.pop("test", None)
    command = packaging("test")
    folders = {f"tests/{file.parent.name}" for file in (repo_root() / "tests").glob("*/test_*.py")}
    assert folders == {*command.ALONE, *command.TOGETHER}
    assert not set(command.ALONE) & set(command.TOGETHER)
