"""The worked examples of `packaging/interfaces.md`, as they stand there."""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from avatar_app.live.browser import Action, Argument
from tests.fakes.browser_source import TOKEN, Stand

PAGE = Path(__file__).parents[2] / "packaging" / "interfaces.md"


def example(language: str, port: int) -> str:
    found = re.findall(f"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(found) == 1
    return found[0].replace("PORT", str(port)).replace("TOKEN", TOKEN)


@pytest.fixture
def stand():
    state = {"is_muted": False}

    def mute(value):
        state["is_muted"] = not state["is_muted"] if value is None else value

    with Stand(control={"mute": Action("mute", "Mute.", Argument.SWITCH, mute)}, state=lambda: state) as made:
        yield made


def test_python_example_when_run_then_mutes(stand):
    command = [sys.executable, "-c", example("python", stand.port)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ast.literal_eval(done.stdout) == {"id": 1, "ok": True, "state": {"is_muted": True}}


@pytest.mark.skipif(shutil.which("curl") is None, reason="this machine has no curl")
def test_curl_examples_when_run_then_mute(stand):
    first, second = example("sh", stand.port).strip().splitlines()
    for line, is_muted in ((first, True), (first, False), (second, True), (second, True)):
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["state"] == {"is_muted": is_muted}
