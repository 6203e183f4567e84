"""Sets the sync offset of an input in OBS through obs-websocket 5, so that OBS delays the raw microphone.

The password appears in no log line, error or `repr`.
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
ADD_INPUT = "Add your microphone in OBS."
UPDATE_OBS = "Install OBS 28 or later, which brings obs-websocket 5."


@dataclass(frozen=True, slots=True)
class ObsAddress:
    """Address and password of OBS."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    password: str = field(default="", repr=False)

    @property
    def place(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ObsInput:
    """An input of OBS that has sound, with its current sync offset.

    Attributes:
        is_microphone: it captures a microphone or another sound input, not what the machine plays.
    """

    name: str
    offset_ms: int
    is_microphone: bool = True


def list_obs_inputs(address: ObsAddress) -> tuple[ObsInput, ...]:
    """The inputs that have sound. Blocks for up to a few seconds: do not call it on the window's thread.

    Raises:
        OutputError: OBS does not answer, refuses the password, or is too old.
        MissingExtraError: the `obs` extra is not installed.
    """
    return _run(address, _inputs)


def set_obs_offset(address: ObsAddress, input_name: str, offset_ms: float) -> int:
    """Delay an input's sound in OBS. Blocks for up to a few seconds: do not call it on the window's thread.

    Args:
        address: of OBS.
        input_name: its name in OBS.
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
    return _run(address, lambda client: _set(client, input_name, round(offset_ms)))


async def _inputs(client: Any) -> tuple[ObsInput, ...]:
    answer = await _request(client, "GetInputList")
    found = []
    for entry in (answer.responseData or {}).get("inputs", []):
        name, kind = str(entry["inputName"]), str(entry["inputKind"])
        # OBS does not report which inputs have sound; those without refuse this request.
        answer = await _request(client, "GetInputAudioSyncOffset", inputName=name)
        if answer.ok():
            offset_ms = round((answer.responseData or {}).get("inputAudioSyncOffset", 0))
            found.append(ObsInput(name, offset_ms, is_microphone=_is_microphone(kind)))
    return tuple(found)


def _is_microphone(kind: str) -> bool:
    """Whether inputs of a kind capture a microphone: `pulse_input_capture`, `wasapi_input_capture` and so on."""
    # A JACK output is an input of OBS.
    return "input_capture" in kind or kind.startswith("jack_output_capture")


async def _set(client: Any, input_name: str, offset_ms: int) -> int:
    answer = await _request(client, "SetInputAudioSyncOffset", inputName=input_name, inputAudioSyncOffset=offset_ms)
    if answer.ok():
        return offset_ms
    known = "; ".join(each.name for each in await _inputs(client))
    if answer.requestStatus.code == NOT_FOUND:
        raise OutputError(
            f"OBS has no input named {input_name!r}.", f"Choose one that has sound: {known}." if known else ADD_INPUT
        )
    reason = answer.requestStatus.comment or f"code {answer.requestStatus.code}"
    raise OutputError(
        f"OBS cannot shift the sound of {input_name!r}: {reason}",
        f"Choose another input: {known}." if known else ADD_INPUT,
    )


async def _request(client: Any, kind: str, **data: object) -> Any:
    return await client.call(_library().Request(kind, data or None), timeout=TIMEOUT_S)


def _run(address: ObsAddress, request: Callable[[Any], Awaitable[T]]) -> T:
    """Connect, run a request, and disconnect."""
    library = _library()

    async def connected_request() -> T:
        async with _connected(library, address) as client:
            return await request(client)

    try:
        return asyncio.run(connected_request())
    except (library.MessageTimeout, library.NotIdentifiedError, KeyError, TypeError, ValueError) as error:
        raise _no_answer(address) from error
    except library.websockets.exceptions.WebSocketException as error:
        raise OutputError(f"The program at {address.place} is not OBS, or is too old.", START_OBS) from error
    except (OSError, asyncio.TimeoutError) as error:
        raise OutputError(f"OBS does not answer at {address.place}.", START_OBS) from error


@asynccontextmanager
async def _connected(library: Any, address: ObsAddress) -> AsyncIterator[Any]:
    """A client that OBS has accepted."""
    parameters = library.IdentificationParameters(eventSubscriptions=0)
    client = library.WebSocketClient(f"ws://{address.place}", address.password, parameters)
    await asyncio.wait_for(_connect(library, client), TIMEOUT_S)
    receiving = client.recv_task
    try:
        await _wait_until_accepted(client, address)
        yield client
    finally:
        await client.disconnect()
        # Its error was reported already; asyncio logs errors that are never read.
        await asyncio.gather(receiving, return_exceptions=True)


async def _connect(library: Any, client: Any) -> None:
    # WORKAROUND(simpleobsws): `connect` would send even the loopback interface through the system's proxy. Remove when:
    # it takes `proxy=None`.
    client.ws = await library.websockets.connect(
        client.url, subprotocols=["obswebsocket.msgpack"], max_size=2**24, proxy=None
    )
    client.ws_open = True
    client.recv_task = asyncio.create_task(client._ws_recv_task())


async def _wait_until_accepted(client: Any, address: ObsAddress) -> None:
    """Wait until OBS accepts the connection; the library does not report a refusal.

    Raises:
        OutputError: OBS refuses it.
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
        return OutputError(f"OBS at {address.place} uses another version of its protocol.", UPDATE_OBS)
    if client.hello_message is None:
        return OutputError(f"The program at {address.place} does not use obs-websocket 5.", UPDATE_OBS)
    return _no_answer(address)


def _no_answer(address: ObsAddress) -> OutputError:
    return OutputError(f"OBS at {address.place} gave no valid answer.", "Restart OBS and try again.")


def _library() -> Any:
    try:
        library = importlib.import_module("simpleobsws")
    except ImportError as error:
        raise MissingExtraError(
            "The package for OBS is not installed.",
            "Install the obs extra: .venv/bin/pip install -e '.[obs]'",
        ) from error
    # Its debug lines contain a hash of the password.
    logging.getLogger("simpleobsws").setLevel(logging.INFO)
    logging.getLogger("websockets").setLevel(logging.INFO)
    return library
