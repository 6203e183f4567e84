import json

import pytest

from avatar_app.contracts.clock import ManualClock
from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live.browser import Action, Argument
from avatar_app.live.browser.control import MAX_ACTIONS_PER_S, Desk


def refuse(value):
    raise OutputError("The disk is full.", "Make room.")


class Programme:
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
        self.desk = Desk({action.name: action for action in actions}, lambda: {"is_muted": self.is_muted}, self.clock)

    def mute(self, value) -> None:
        self.is_muted = not self.is_muted if value is None else value

    def ask(self, **asked):
        return self.desk.answer(json.dumps(asked))


@pytest.fixture
def programme():
    return Programme()


def test_answer_when_switch_is_turned_then_state_is_the_new_one(programme):
    assert programme.ask(id=1, do="mute") == {"id": 1, "ok": True, "state": {"is_muted": True}}
    assert programme.ask(id="b", do="mute", value=True)["state"] == {"is_muted": True}
    assert programme.ask(do="mute") == {"id": None, "ok": True, "state": {"is_muted": False}}


@pytest.mark.parametrize(("name", "value"), [("gain", 3), ("gain", -2.5), ("profile", "stream"), ("panic", None)])
def test_answer_when_value_fits_then_action_gets_it(programme, name, value):
    assert programme.ask(id=1, do=name, value=value)["ok"]
    assert programme.done == [value or "panic"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mute", 1), ("mute", "on"), ("panic", True), ("gain", "3"), ("gain", True), ("gain", None),
        ("profile", 5), ("profile", "x" * 1001), ("profile", ["stream"]),
    ],
)  # fmt: skip
def test_answer_when_value_does_not_fit_then_sentence_and_nothing_is_done(programme, name, value):
    answer = programme.ask(id=1, do=name, value=value)
    assert (answer["id"], answer["ok"]) == (1, False)
    assert f"{name!r} takes" in answer["error"]
    assert (programme.done, programme.is_muted) == ([], False)


def test_answer_when_asked_without_end_then_does_a_few_a_second_and_says_so(programme):
    answers = [programme.ask(id=k, do="panic") for k in range(3 * MAX_ACTIONS_PER_S)]
    assert len(programme.done) == sum(answer["ok"] for answer in answers) == MAX_ACTIONS_PER_S
    assert "too many" in answers[-1]["error"]
    assert programme.ask(id=1, do="state")["ok"], "looking is free"
    programme.clock.advance(NS_PER_S)
    assert programme.ask(id=1, do="panic")["ok"]


def test_answer_when_action_is_misspelt_then_suggests_the_nearest(programme):
    assert programme.ask(id=1, do="mtue")["what_to_do"] == "Did you mean 'mute'?"
    assert "mute, panic" in programme.ask(id=1, do="zzz")["what_to_do"]


def test_answer_when_action_fails_then_its_sentence(programme):
    answer = programme.ask(id=4, do="record")
    assert answer == {"id": 4, "ok": False, "error": "The disk is full.", "what_to_do": "Make room."}


@pytest.mark.parametrize(
    "text",
    ["", "mute", "[]", "1", "{", '{"do": 1}', '{"id": {}, "do": "mute"}', '{"id": 1}', '{"do": "mute", "to": true}',
     "[" * 3000, '{"id": 1.5, "do": "mute"}', '{"id": "' + "x" * 200 + '", "do": "mute"}', "\udcff",
     '{"id": 1, "do": "gain", "value": NaN}', '{"id": 1, "do": "gain", "value": 1' + "0" * 400 + "}",
     '{"id": 1, "do": "gain", "value": 1e400}', '{"id": 1, "do": "' + "x" * 4000 + '"}',
     '{"id": 1' + "0" * 4000 + ', "do": "mute"}'],
)  # fmt: skip
def test_answer_when_request_is_nonsense_then_short_sentence_that_is_json(programme, text):
    answer = programme.desk.answer(text)
    assert not answer["ok"]
    assert answer["error"] and answer["what_to_do"]
    assert len(json.dumps(answer)) < 600
    assert not programme.is_muted


def test_answer_when_help_or_state_is_asked_then_tells(programme):
    actions = programme.ask(id=1, do="help")["actions"]
    assert {"name": "panic", "help": "Show the idle face.", "value": "nothing"} in actions
    assert len(actions) == 5
    assert programme.ask(id=1, do="state")["state"] == {"is_muted": False}


@pytest.mark.parametrize(("body", "is_muted"), [("", True), ("  ", True), ('{"value": true}', True), ("[]", False)])
def test_answer_post_when_body_is_there_or_not_then_does_it(programme, body, is_muted):
    assert programme.desk.answer_post("mute", body)["ok"] is is_muted
    assert programme.is_muted is is_muted
