"""README, guide and CONTRIBUTING: every command is accepted, every link and label leads somewhere."""

import argparse
import ast
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from dataclasses import fields

import pytest

from avatar_app import bench, cli
from avatar_app.gui.control.remote import Remote
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.profiles import PRESETS
from avatar_app.studio import cli as studio
from avatar_app.studio.publish.card import card
from avatar_app.studio.train.speech_encoder import SpeechRecipe
from tests.end2end.program import run
from tests.fakes import guide
from tests.fakes.guide import GUIDE, PACKAGING, PAGES, REPO

OURS = ("avatar-app", ".venv/bin/avatar-app")
PYTHON = ("python3",)
# Programs that the pages name and that are not ours, each with the package that brings it.
EXTERNAL = {
    "sudo": "sudo", "apt": "apt", "modprobe": "kmod", "tee": "coreutils", "echo": "coreutils", "rm": "coreutils",
    "pactl": "pulseaudio-utils", "flatpak": "flatpak", "brew": "Homebrew", "curl": "curl", "trtexec": "TensorRT",
    "torchrun": "torch",
}  # fmt: skip
TOOLS = (".venv/bin/pip", ".venv/bin/python")
# Pages whose italics are labels of the window.
LABELLED = tuple(page for page in GUIDE if page.name not in ("CONTRIBUTING.md", "interfaces.md", "figures.md"))


class Parsed(Exception):  # noqa: N818 - no failure
    """A command line was accepted."""


@pytest.fixture
def stops_after_parsing(monkeypatch):
    """Every parser ends the command once it has accepted the arguments."""
    real = argparse.ArgumentParser.parse_args

    def parse(parser, arguments=None, namespace=None):
        raise Parsed(real(parser, arguments, namespace))

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)


def found(starts, pages=GUIDE):
    """Each different command once."""
    commands = {command.words: command for page in pages for command in guide.commands(page, starts)}
    return list(commands.values())


def arguments_of(words):
    """What a user would type: the first of several words, without brackets, dots and redirections."""
    kept = [word.strip("[]").split("|")[0] for word in words if word not in ("...", "2>", "avatar.log")]
    return [word for word in kept if word]


def accept(arguments):
    """The real parser takes these arguments; a command that is only named must have help."""
    is_only_named = all(not word.startswith("-") for word in arguments) and arguments[:1] != ["webcam"]
    if arguments[:1] == ["studio"]:
        accept_studio(arguments[1:])
    elif arguments and is_only_named:
        with pytest.raises(SystemExit) as ended:
            cli.build_parser().parse_args([*arguments, "--help"])
        assert ended.value.code == 0
    else:
        parsed = cli.build_parser().parse_args(arguments)
        bench.parse_sections(getattr(parsed, "only", None))


def accept_studio(arguments):
    if not arguments or arguments == ["--help"]:
        assert "usage" in studio.usage()
        return
    command = studio.find(arguments)
    for package in command.needs:
        pytest.importorskip(package)
    if tuple(arguments) == command.words or arguments[-1] == "--models":
        return
    module = importlib.import_module(command.module)
    with pytest.raises(Parsed):
        module.main(arguments[len(command.words) :])


@pytest.mark.parametrize("command", found(OURS), ids=str)
def test_command_of_the_program_when_in_a_page_then_accepted(command, request):
    arguments = arguments_of(command.words[1:])
    if "studio" in arguments:
        request.getfixturevalue("stops_after_parsing")
    accept(arguments)


@pytest.mark.parametrize("command", found(PYTHON), ids=str)
def test_script_when_in_a_page_then_exists_and_its_arguments_are_accepted(command):
    words = command.words[command.words.index("python3") + 1 :]
    script, arguments = words[0], arguments_of(words[1:])
    assert (REPO / script).is_file()
    if script == "packaging/run.py" and arguments:
        accept(arguments)
    if script == "packaging/test.py":
        folders = [REPO / word for word in arguments if word.startswith("tests")]
        assert all(folder.exists() for folder in folders)
        if "-k" in arguments:
            keyword = arguments[arguments.index("-k") + 1]
            assert any(keyword in name for folder in folders for name in test_names(folder)), keyword


def test_names(folder):
    """Names of test files and functions below a folder."""
    for file in folder.rglob("test_*.py"):
        yield file.stem
        yield from re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)


test_names.__test__ = False


@pytest.mark.parametrize("command", found(TOOLS), ids=str)
def test_tool_when_in_a_page_then_extra_or_module_exists(command):
    words = list(command.words[1:])
    if "install" in words:
        project = (REPO / "pyproject.toml").read_text(encoding="utf-8")
        extras = words[-1].removeprefix(".").strip("[]").split(",")
        assert words[:2] == ["install", "-e"]
        assert all(re.search(rf"^{extra} = \[", project, re.MULTILINE) for extra in extras)
    else:
        assert words[0] == "-m" and importlib.util.find_spec(words[1]) is not None


def test_block_when_it_holds_another_program_then_that_is_listed_with_its_package():
    known = {*OURS, *PYTHON, *TOOLS, *EXTERNAL}
    commands = [command for page in GUIDE for command in guide.block_commands(page)]
    unknown = [str(command) for command in commands if command.words[0] not in known]
    assert not unknown
    packages = {program: package for program, package in EXTERNAL.items() if package}
    assert len(packages) == len(EXTERNAL)


def test_flags_when_in_a_page_then_exist():
    known = {"--nproc-per-node", "--help"} | set(flags_of(cli.build_parser()))
    # The trainings have a flag for each field of their recipe.
    known |= {f"--{field.name.replace('_', '-')}" for field in fields(SpeechRecipe)}
    for file in (*(REPO / "avatar_app" / "studio").rglob("*.py"), *PACKAGING.glob("*.py")):
        known |= set(re.findall(r"--[a-z][a-z-]+", file.read_text(encoding="utf-8")))
    for page in GUIDE:
        text = page.read_text(encoding="utf-8")
        code = "\n".join((*guide.blocks(text), *(s for s in guide.spans(text) if not s.startswith("trtexec"))))
        unknown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", code)) - known
        assert unknown <= {"--check"}, f"{page.name}: {unknown}"


def flags_of(parser):
    """All flags of a parser and of its commands."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from flags_of(child)


@pytest.mark.parametrize("page", GUIDE, ids=lambda page: page.name)
def test_studio_step_when_named_then_exists(page):
    names = {" ".join(command.words) for command in studio.COMMANDS}
    steps = [s for s in guide.spans(page.read_text(encoding="utf-8")) if re.fullmatch(r"(train|distil) \w+", s)]
    assert set(steps) <= names


def test_action_when_in_the_interfaces_then_the_control_api_has_it_and_no_other():
    page = (PACKAGING / "interfaces.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| (switch|none|number) \|", page, re.MULTILINE)
    actions = Remote().actions()
    assert [name for name, _ in rows] == list(actions)
    assert all(kind == actions[name].argument.name.lower() for name, kind in rows)


def test_profile_when_named_on_a_command_line_then_is_a_preset():
    commands = [command for command in found(OURS) if "--profile" in command.words]
    names = {command.words[command.words.index("--profile") + 1] for command in commands}
    assert names - {"NAME"} <= set(PRESETS)


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("webcam", "list"), ("studio", "--help")], ids=" ".join)
def test_program_when_cheap_command_of_the_readme_runs_then_exit_code_0(words):
    ended = run(*words)
    assert ended.code == 0, ended.err
    assert ended.out


def test_figures_when_checked_then_up_to_date():
    ended = subprocess.run(
        [sys.executable, "packaging/figures.py", "--check"], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("model", ["nova-hd", "nova-96"])
def test_card_when_committed_then_equals_what_the_manifest_gives(model):
    folder = REPO / "models" / model
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert (folder / "README.md").read_text(encoding="utf-8") == card(manifest)


@pytest.mark.skipif(shutil.which("pactl") is None, reason="pactl is not installed")
def test_pactl_when_called_then_knows_the_words_of_the_guide():
    ended = subprocess.run(["pactl", "--help"], capture_output=True, text=True, check=False)
    assert all(word in ended.stdout for word in ("load-module", "list"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_link_when_relative_then_leads_to_a_file_and_a_heading(page):
    text = page.read_text(encoding="utf-8")
    for target in guide.links(text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        if anchor:
            assert anchor in guide.anchors(file.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_path_when_in_a_page_then_exists(page):
    spans = guide.spans(page.read_text(encoding="utf-8"))
    paths = [s for s in spans if re.fullmatch(r"[\w./-]+/[\w.-]+\.(py|md|txt|json|html|toml)", s)]
    roots = (REPO, REPO / "avatar_app", page.parent)
    ours = [path for path in paths if path.split("/")[0] in TOP or path.split("/")[0] in ROOMS]
    missing = [path for path in ours if not any((root / path).exists() for root in roots)]
    assert not missing


def test_name_when_in_a_file_of_contributing_then_the_file_has_it():
    text = (PACKAGING / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`(\w+)`\s+in\s+`(avatar_app/[\w/]+\.py)`", text)
    assert len(named) >= 5
    assert all(re.search(rf"^(def )?{name}\b", (REPO / file).read_text(encoding="utf-8"), re.M) for name, file in named)


TOP = ("avatar_app", "packaging", "tests", "assets", "models")
ROOMS = ("contracts", "settings", "live", "gui", "studio", "bench")


def texts_of(*folders):
    """Every text of the sources in these folders."""
    for folder in folders:
        for file in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


@pytest.fixture(scope="module")
def window_texts():
    """Every text of the window, without the marks of its keys."""
    return {*PRESETS, *(text.replace("&", "") for text in texts_of(REPO / "avatar_app" / "gui"))}


@pytest.fixture(scope="module")
def all_texts():
    """Every text of the program and of its set-up."""
    return "\n".join(texts_of(REPO / "avatar_app", PACKAGING))


@pytest.mark.parametrize("page", LABELLED, ids=lambda page: page.name)
def test_label_when_in_italics_then_the_window_has_it(page, window_texts):
    unknown = set(guide.labels(page.read_text(encoding="utf-8"))) - window_texts
    assert not unknown


def quotes():
    """Messages of the program that the pages quote, each with its page; three dots stand for a name."""
    for page in LABELLED:
        for line in guide.prose(page.read_text(encoding="utf-8")).splitlines():
            for message in re.findall(r"\"([^\"]+)\"", guide.CODE.sub("...", line)):
                yield page.name, message


def test_message_when_quoted_then_the_program_has_it(all_texts):
    wrong = [
        (page, message)
        for page, message in quotes()
        if not all(part.strip() in all_texts for part in message.split("..."))
    ]
    assert not wrong


def test_decision_when_named_in_code_then_exists():
    numbers = {page.name[:4] for page in (PACKAGING / "decisions").glob("*.md")}
    for file in (REPO / "avatar_app").rglob("*.py"):
        named = set(re.findall(r"decisions?[/ ](\d{4})", file.read_text(encoding="utf-8")))
        assert named <= numbers, file


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the folders of Linux")
def test_folders_when_in_the_guide_then_are_those_of_the_program(monkeypatch):
    for name in ("CONFIG", "DATA", "STATE", "CACHE"):
        monkeypatch.delenv(f"XDG_{name}_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/user")
    paths = ProfilePaths()
    page = (PACKAGING / "guide" / "files-and-folders.md").read_text(encoding="utf-8")
    for folder in (paths.config_file.parent, paths.models_dir.parent, paths.state_dir, paths.cache_dir):
        assert f"`{str(folder).replace('/home/user', '~')}`" in page


def test_folders_when_on_other_systems_then_as_in_the_guide(monkeypatch):
    macos = pytest.importorskip("platformdirs.macos").MacOS("avatar-app", appauthor=False)
    page = (PACKAGING / "guide" / "files-and-folders.md").read_text(encoding="utf-8")
    for name in ("CONFIG", "DATA", "STATE", "CACHE"):
        monkeypatch.delenv(f"XDG_{name}_HOME", raising=False)
    monkeypatch.setenv("HOME", "/Users/user")
    for folder in (macos.user_config_dir, macos.user_data_dir, macos.user_state_dir, macos.user_cache_dir):
        assert f"`{folder.replace('/Users/user', '~')}`" in page


def test_readme_when_read_then_two_screens():
    lines = (REPO / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 100
