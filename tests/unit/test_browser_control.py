import json

import pytest

from avatar_app.contracts.clock import ManualClock
from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live.browser import Action, Argument
from avatar_app.live.browser.control import MAX_ACTIONS_PER_S, ControlApi


def refuse(value):
    raise OutputError("The disk is full.", "Make room.")


class Program:
    """A program with a few actions."""

    def __init__(self) -> None:
        self.done = []
        self.is_muted = False
        self.clock = ManualClock(NS_PER_S)
        actions = (
            Action("mute", "Mute the microphone.", Argument.SWITCH, self.mute),
            Action("panic", "Show the idle face.", Argument.NONE, lambda value: self.done.append("panic")),
            Action("gain", "Amplify, in dB.", Argument.NUMBER, lambda value: self.done.append(value)),
            Action("profile", "Use a profile.", Argument.TEXT, lambda value: self.done.append(value)),
            Action("record", "Record.", Argument.NONE, refuse),
        )
        self.control = ControlApi(
            {action.name: action for action in actions}, lambda: {"is_muted": self.is_muted}, self.clock
        )

    def mute(self, value) -> None:
        self.is_muted = not self.is_muted if value is None else value

    def ask(self, **asked):
        return self.control.answer(json.dumps(asked))


@pytest.fixture
def program():
    return Program()


def test_answer_when_switch_is_toggled_then_state_is_the_new_one(program):
    assert program.ask(id=1, do="mute") == {"id": 1, "ok": True, "state": {"is_muted": True}}
    assert program.ask(id="b", do="mute", value=True)["state"] == {"is_muted": True}
    assert program.ask(do="mute") == {"id": None, "ok": True, "state": {"is_muted": False}}


@pytest.mark.parametrize(("name", "value"), [("gain", 3), ("gain", -2.5), ("profile", "stream"), ("panic", None)])
def test_answer_when_value_fits_then_action_gets_it(program, name, value):
    assert program.ask(id=1, do=name, value=value)["ok"]
    assert program.done == [value or "panic"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mute", 1), ("mute", "on"), ("panic", True), ("gain", "3"), ("gain", True), ("gain", None),
        ("profile", 5), ("profile", "x" * 1001), ("profile", ["stream"]),
    ],
)  # fmt: skip
def test_answer_when_value_does_not_fit_then_error_and_nothing_is_done(program, name, value):
    answer = program.ask(id=1, do=name, value=value)
    assert (answer["id"], answer["ok"]) == (1, False)
    assert f"{name!r} takes" in answer["error"]
    assert (program.done, program.is_muted) == ([], False)


def test_answer_when_requests_flood_then_runs_a_few_a_second_and_refuses_the_rest(program):
    answers = [program.ask(id=k, do="panic") for k in range(3 * MAX_ACTIONS_PER_S)]
    assert len(program.done) == sum(answer["ok"] for answer in answers) == MAX_ACTIONS_PER_S
    assert "too many" in answers[-1]["error"]
    assert program.ask(id=1, do="state")["ok"], "the state is not limited"
    program.clock.advance(NS_PER_S)
    assert program.ask(id=1, do="panic")["ok"]


def test_answer_when_action_is_misspelt_then_suggests_the_nearest(program):
    assert program.ask(id=1, do="mtue")["what_to_do"] == "Did you mean 'mute'?"
    assert "mute, panic" in program.ask(id=1, do="zzz")["what_to_do"]


def test_answer_when_action_fails_then_its_error(program):
    answer = program.ask(id=4, do="record")
    assert answer == {"id": 4, "ok": False, "error": "The disk is full.", "what_to_do": "Make room."}


@pytest.mark.parametrize(
    "text",
    ["", "mute", "[]", "1", "{", '{"do": 1}', '{"id": {}, "do": "mute"}', '{"id": 1}', '{"do": "mute", "to": true}',
     "[" * 3000, '{"id": 1.5, "do": "mute"}', '{"id": "' + "x" * 200 + '", "do": "mute"}', "\udcff",
     '{"id": 1, "do": "gain", "value": NaN}', '{"id": 1, "do": "gain", "value": 1' + "0" * 400 + "}",
     '{"id": 1, "do": "gain", "value": 1e400}', '{"id": 1, "do": "' + "x" * 4000 + '"}',
     '{"id": 1' + "0" * 4000 + ', "do": "mute"}'],
)  # fmt: skip
def test_answer_when_request_is_malformed_then_error_is_short_json(program, text):
    answer = program.control.answer(text)
    assert not answer["ok"]
    assert answer["error"] and answer["what_to_do"]
    assert len(json.dumps(answer)) < 600
    assert not program.is_muted


def test_answer_when_help_or_state_is_requested_then_gives_it(program):
    actions = program.ask(id=1, do="help")["actions"]
    assert {"name": "panic", "help": "Show the idle face.", "value": "nothing"} in actions
    assert len(actions) == 5
    assert program.ask(id=1, do="state")["state"] == {"is_muted": False}


@pytest.mark.parametrize(("body", "is_muted"), [("", True), ("  ", True), ('{"value": true}', True), ("[]", False)])
def test_answer_post_when_body_is_valid_or_empty_then_runs_it(program, body, is_muted):
    assert program.control.answer_post("mute", body)["ok"] is is_muted
    assert program.is_muted is is_muted
