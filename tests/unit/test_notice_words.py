"""Texts for the user contain no inner terms: no names of classes, threads or files of the program."""

import ast
import re
from pathlib import Path

import pytest

import avatar_app
from avatar_app.live.runtime.worker import TITLES

ROOT = Path(avatar_app.__file__).parent
FILES = sorted([*(ROOT / "live").rglob("*.py"), *(ROOT / "gui").rglob("*.py"), ROOT / "app.py", ROOT / "parts.py"])
INNER = re.compile(
    r"\b(thread|worker|mailbox|errno|pipeline|sink|traceback|exception|callback|queue|graph|frame part|speech part"
    r"|frame thread|step|Latest|ring|subprocess|module-null-sink)\b"
)
# Errors that the user never sees.
BOARDS = ("notices", "board")
NOT_SHOWN = ("ValueError", "RuntimeError", "TypeError", "InternalError", "KeyError", "AssertionError")


def shown_texts(tree):
    """Line and text of all arguments of notices and of errors that the user sees."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Assign) and ast.unparse(call.targets[0]) in ("text", "what_to_do"):
            yield from ((call.lineno, text) for text in texts_in(call.value))
        if not isinstance(call, ast.Call):
            continue
        receiver, _, name = ast.unparse(call.func).rpartition(".")
        is_notice = name == "Notice" or (name in ("info", "warning") and receiver.endswith(BOARDS))
        if is_notice or (name.lower().endswith("error") and name not in NOT_SHOWN):
            for part in (*call.args[1 if is_notice else 0 :], *(word.value for word in call.keywords)):
                yield from ((part.lineno, text) for text in texts_in(part))


def texts_in(node):
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_notices_when_read_then_hold_no_inner_words_and_no_names_of_errors(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert [pair for pair in shown_texts(tree) if INNER.search(pair[1])] == []
    notices = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Notice"]
    assert not any("__name__" in ast.unparse(notice) or "!r" in ast.unparse(notice) for notice in notices)


def test_workers_when_they_fail_then_each_has_a_name_that_the_user_knows():
    made = re.compile(r'\bWorker\("([\w-]+)"')
    names = {name for file in FILES for name in made.findall(file.read_text(encoding="utf-8"))}
    # The watchdog has no failure of its own to report.
    assert names - {"watchdog"} <= set(TITLES)
