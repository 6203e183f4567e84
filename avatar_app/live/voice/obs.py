"""OBS delays the raw microphone by itself: its sync offset is set through obs-websocket 5.

The password never leaves this module: it is no part of a log line, of an error or of a `repr`.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from avatar_app.contracts.errors import MissingExtraError, OutputError

T = TypeVar("T")

DEFAULT_PORT = 4455
OFFSET_RANGE_MS = (-950, 20_000)
TIMEOUT_S = 5.0
POLL_S = 0.02
# Close codes and request statuses of obs-websocket 5, protocol.md.
WRONG_PASSWORD, UNSUPPORTED_RPC = 4009, 4010
NOT_FOUND = 600
SETTINGS = "Tools > WebSocket Server Settings"
START_OBS = f"Start OBS 28 or later and enable its server in {SETTINGS}."
UPDATE_OBS = "Install OBS 28 or later, which brings obs-websocket 5."


@dataclass(frozen=True, slots=True)
class ObsAddress:
    """Where OBS listens."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    password: str = field(default="", repr=False)

    @property
    def place(self) -> str:
        """Host and port, for sentences."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ObsInput:
    """An input of OBS that has sound, with the sync offset that it has now.

    Attributes:
        is_microphone: it hears a microphone, or whatever else the machine takes in; not what the machine plays.
    """

    name: str
    offset_ms: int
    is_microphone: bool = True


def list_obs_inputs(address: ObsAddress) -> tuple[ObsInput, ...]:
    """The inputs that have sound. Blocks for up to some seconds; not for the window's thread.

    Raises:
        OutputError: OBS does not answer, refuses the password, or is too old.
        MissingExtraError: the `obs` extra is not installed.
    """
    return _ask(address, _inputs)


def set_obs_offset(address: ObsAddress, input_name: str, offset_ms: float) -> int:
    """Delay an input's sound in OBS. Blocks for up to some seconds; not for the window's thread.

    Args:
        address: where OBS listens.
        input_name: as OBS shows it.
        offset_ms: the delay, -950 to 20000.

    Returns:
        The offset that OBS has now, in whole milliseconds.

    Raises:
        OutputError: as above, or OBS has no such input, or the offset is out of range.
        MissingExtraError: the `obs` extra is not installed.
    """
    low, high = OFFSET_RANGE_MS
    if not low <= offset_ms <= high:
        raise OutputError(f"OBS cannot shift sound by {offset_ms:.0f} ms.", f"Choose {low} to {high} ms.")
    return _ask(address, lambda client: _set(client, input_name, round(offset_ms)))


async def _inputs(client: Any) -> tuple[ObsInput, ...]:
    answer = await _request(client, "GetInputList")
    found = []
    for entry in (answer.responseData or {}).get("inputs", []):
        name, kind = str(entry["inputName"]), str(entry["inputKind"])
        # OBS does not say which inputs have sound; those without refuse this question.
        answer = await _request(client, "GetInputAudioSyncOffset", inputName=name)
        if answer.ok():
            offset_ms = round((answer.responseData or {}).get("inputAudioSyncOffset", 0))
            found.append(ObsInput(name, offset_ms, is_microphone=_is_microphone(kind)))
    return tuple(found)


def _is_microphone(kind: str) -> bool:
    """Whether inputs of a kind hear a microphone: `pulse_input_capture`, `wasapi_input_capture` and their likes."""
    # What JACK calls an output is an input to OBS.
    return "input_capture" in kind or kind.startswith("jack_output_capture")


async def _set(client: Any, input_name: str, offset_ms: int) -> int:
    answer = await _request(client, "SetInputAudioSyncOffset", inputName=input_name, inputAudioSyncOffset=offset_ms)
    if answer.ok():
        return offset_ms
    known = "; ".join(each.name for each in await _inputs(client)) or "none yet: add your microphone in OBS"
    if answer.requestStatus.code == NOT_FOUND:
        raise OutputError(f"OBS has no input named {input_name!r}.", f"Choose one that has sound: {known}.")
    reason = answer.requestStatus.comment or f"code {answer.requestStatus.code}"
    raise OutputError(f"OBS cannot shift the sound of {input_name!r}: {reason}", f"Choose another input: {known}.")


async def _request(client: Any, kind: str, **data: object) -> Any:
    return await client.call(_library().Request(kind, data or None), timeout=TIMEOUT_S)


def _ask(address: ObsAddress, question: Callable[[Any], Awaitable[T]]) -> T:
    """Connect, ask, and hang up."""
    library = _library()

    async def run() -> T:
        async with _connected(library, address) as client:
            return await question(client)

    try:
        return asyncio.run(run())
    except (library.MessageTimeout, library.NotIdentifiedError, KeyError, TypeError, ValueError) as error:
        raise _silent(address) from error
    except library.websockets.exceptions.WebSocketException as error:
        raise OutputError(f"What answers at {address.place} is not OBS, or is too old.", START_OBS) from error
    except (OSError, asyncio.TimeoutError) as error:
        raise OutputError(f"OBS does not answer at {address.place}.", START_OBS) from error


@asynccontextmanager
async def _connected(library: Any, address: ObsAddress) -> AsyncIterator[Any]:
    """A client that OBS has accepted."""
    parameters = library.IdentificationParameters(eventSubscriptions=0)
    client = library.WebSocketClient(f"ws://{address.place}", address.password, parameters)
    await asyncio.wait_for(_connect(library, client), TIMEOUT_S)
    listening = client.recv_task
    try:
        await _be_accepted(client, address)
        yield client
    finally:
        await client.disconnect()
        # What went wrong in there was told as "does not answer"; unread, asyncio would log it.
        await asyncio.gather(listening, return_exceptions=True)


async def _connect(library: Any, client: Any) -> None:
    # WORKAROUND(simpleobsws): `connect` would send even the loopback interface through the system's proxy. Remove when:
    # it takes `proxy=None`.
    client.ws = await library.websockets.connect(
        client.url, subprotocols=["obswebsocket.msgpack"], max_size=2**24, proxy=None
    )
    client.ws_open = True
    client.recv_task = asyncio.create_task(client._ws_recv_task())


async def _be_accepted(client: Any, address: ObsAddress) -> None:
    """Wait until OBS knows us; the library by itself would not notice a refusal.

    Raises:
        OutputError: it does not accept us.
    """
    t_limit_s = asyncio.get_running_loop().time() + TIMEOUT_S
    while not client.is_identified():
        is_over = asyncio.get_running_loop().time() > t_limit_s
        if client.recv_task.done() or is_over:
            raise _refusal(client, address)
        await asyncio.sleep(POLL_S)


def _refusal(client: Any, address: ObsAddress) -> OutputError:
    code = client.ws.close_code
    if code == WRONG_PASSWORD and not address.password:
        return OutputError("OBS asks for a password.", f"Copy it from OBS, {SETTINGS} > Show Connect Info.")
    if code == WRONG_PASSWORD:
        return OutputError("OBS refuses the password.", f"Copy it from OBS, {SETTINGS} > Show Connect Info.")
    if code == UNSUPPORTED_RPC:
        return OutputError(f"OBS at {address.place} speaks another version of its protocol.", UPDATE_OBS)
    if client.hello_message is None:
        return OutputError(f"What answers at {address.place} does not speak obs-websocket 5.", UPDATE_OBS)
    return _silent(address)


def _silent(address: ObsAddress) -> OutputError:
    return OutputError(f"OBS at {address.place} does not answer as it should.", "Restart OBS and try again.")


def _library() -> Any:
    try:
        library = importlib.import_module("simpleobsws")
    except ImportError as error:
        raise MissingExtraError(
            "The package that speaks to OBS is not installed.",
            "Install the obs extra: .venv/bin/pip install -e '.[obs]'",
        ) from error
    # Its debug lines hold the proof of the password.
    logging.getLogger("simpleobsws").setLevel(logging.INFO)
    logging.getLogger("websockets").setLevel(logging.INFO)
    return library
