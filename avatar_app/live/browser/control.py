"""The control API: requests of a stream deck or script, and their answers. Independent of the network."""

from __future__ import annotations

import difflib
import enum
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import InputFileError, UserError
from avatar_app.contracts.input_file import parse_object
from avatar_app.contracts.units import NS_PER_S

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
State: TypeAlias = Mapping[str, Json]

MAX_TEXT_CHARACTERS = 1000
MAX_ID_CHARACTERS = 100
STATE, HELP = "state", "help"
KEYS = ("id", "do", "value")
# The window runs actions one after the other: too many would keep it busy for minutes.
MAX_ACTIONS_PER_S = 20


class Argument(enum.Enum):
    """What an action takes as `value`."""

    NONE = "nothing"
    SWITCH = "true, false, or nothing to toggle it"
    NUMBER = "a number"
    TEXT = "a text"


@dataclass(frozen=True, slots=True)
class Action:
    """An action that clients can request.

    Attributes:
        name: lower case, words joined by `-`.
        help: one sentence that says what it does.
        argument: what it takes.
        call: runs it with the checked value, None without one. Called on the server's thread, so it must return
            soon. A `UserError` becomes the answer.
    """

    name: str
    help: str
    argument: Argument
    call: Callable[[bool | float | str | None], object]


class RequestError(UserError):
    """A request that cannot be understood."""


class ControlApi:
    """Answers control requests. Thread: the server's.

    Args:
        actions: by name; `state` and `help` are built in.
        state: the current state; called a few times a second while a client is connected.
        clock: the program's.
    """

    def __init__(self, actions: Mapping[str, Action], state: Callable[[], State], clock: Clock) -> None:
        self._actions = dict(actions)
        self._state = state
        self._clock = clock
        self._done_ns: deque[int] = deque(maxlen=MAX_ACTIONS_PER_S)

    def state(self) -> dict[str, Json]:
        """The current state."""
        return dict(self._state())

    def answer(self, text: str) -> dict[str, Json]:
        """Run the request in a message of a WebSocket client.

        Returns:
            `id` as in the request, `ok`, then `state`, or `error` and `what_to_do`.
        """
        request_id: Json = None
        try:
            request = _read_object(text)
            request_id = _read_id(request)
            if unknown := [key for key in request if key not in KEYS]:
                raise RequestError(f"A request has no field {unknown[0][:40]!r}.", f"Use {', '.join(KEYS)}.")
            done = self.do(request.get("do"), request.get("value"))
        except UserError as error:
            return {"id": request_id, "ok": False, "error": error.what, "what_to_do": error.what_to_do}
        return {"id": request_id, "ok": True, **done}

    def answer_post(self, name: str, text: str) -> dict[str, Json]:
        """Run the request `POST /control/<name>`; its body is empty or `{"value": ...}`."""
        body = text if text.strip() else "{}"
        try:
            request = _read_object(body)
        except RequestError as error:
            return {"id": None, "ok": False, "error": error.what, "what_to_do": error.what_to_do}
        return self.answer(json.dumps({**request, "do": name}))

    def do(self, name: Json, value: Json) -> dict[str, Json]:
        """Run one action.

        Raises:
            UserError: the action is unknown, takes another value, or failed.
        """
        if name == HELP:
            return {"actions": self._describe()}
        if name != STATE:
            action = self._find(name)
            checked = _check(action, value)
            self._check_rate()
            action.call(checked)
        return {"state": self.state()}

    def _check_rate(self) -> None:
        now_ns = self._clock.now_ns()
        if len(self._done_ns) == MAX_ACTIONS_PER_S and now_ns - self._done_ns[0] < NS_PER_S:
            raise RequestError("There are too many requests.", f"Send at most {MAX_ACTIONS_PER_S} a second.")
        self._done_ns.append(now_ns)

    def _find(self, name: Json) -> Action:
        if not isinstance(name, str):
            raise RequestError("The request has no action in `do`.", 'As in {"id": 1, "do": "state"}.')
        if name in self._actions:
            return self._actions[name]
        known = [*self._actions, STATE, HELP]
        near = difflib.get_close_matches(name[:MAX_ID_CHARACTERS], known, 1)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(known)}."
        raise RequestError(f"There is no action {name[:MAX_ID_CHARACTERS]!r}.", hint)

    def _describe(self) -> list[Json]:
        return [
            {"name": action.name, "help": action.help, "value": action.argument.value}
            for action in self._actions.values()
        ]


def _read_object(text: str) -> dict[str, Json]:
    try:
        return parse_object(text)
    except InputFileError as error:
        raise RequestError(f"The request cannot be used: {error}.", 'Write it as {"id": 1, "do": "state"}.') from error


def _read_id(request: Mapping[str, Json]) -> Json:
    request_id = request.get("id")
    is_short = isinstance(request_id, str) and len(request_id) <= MAX_ID_CHARACTERS
    is_whole = isinstance(request_id, int) and abs(request_id) < 2**53
    if request_id is None or is_short or is_whole:
        return request_id
    raise RequestError("The `id` of a request is a whole number or a short text.", "Count: 1, 2, 3.")


def _check(action: Action, value: Json) -> bool | float | str | None:
    """The value, when the action takes it."""
    if action.argument is Argument.NONE and value is None:
        return None
    if action.argument is Argument.SWITCH and (value is None or isinstance(value, bool)):
        return value
    if action.argument is Argument.NUMBER and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if action.argument is Argument.TEXT and isinstance(value, str) and len(value) <= MAX_TEXT_CHARACTERS:
        return value
    raise RequestError(f"The action {action.name!r} takes {action.argument.value}.", "Send it in `value`.")
