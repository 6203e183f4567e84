"""The server, an asyncio program on `aiohttp`, which is imported in this module alone."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib import resources
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from avatar_app.live.browser.control import Desk, Json
from avatar_app.live.browser.guard import HEADERS, Guard, page_headers
from avatar_app.live.browser.viewers import Viewers

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 80
# Of those, connections that did not show the token yet. One more closes the oldest: a page shows it within
# milliseconds, so that nobody keeps others away by saying little.
MAX_STRANGERS = 48
MAX_CONTROLLERS = 8
MAX_HEADER_BYTES = 4096
MAX_HEADERS = 40
MAX_BODY_BYTES = 4096
# A request must be complete by then, whatever it dribbles.
REQUEST_TIMEOUT_S = 5.0
# A viewer that does not answer for so long is gone.
HEARTBEAT_S = 10.0
STATE_EVERY_S = 0.2
GOODBYE_S = 0.3
CONTROL = "/control"
# Said to everyone who is not let in, whatever was asked for: it helps a person and tells nothing else.
STRANGER_TEXT = "Copy the whole address from the On air page: it ends in a token."


class Site:
    """Everything that is served. Thread: the one that runs the loop.

    Args:
        guard: who is let in.
        viewers: where pages that want pictures are entered.
        desk: what answers control requests.
    """

    def __init__(self, guard: Guard, viewers: Viewers, desk: Desk) -> None:
        self._guard = guard
        self._viewers = viewers
        self._desk = desk
        self._page = resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8")
        self._sockets: set[web.WebSocketResponse] = set()
        self._listeners: list[asyncio.Server] = []
        self._server: web.Server | None = None
        self._n_controllers = 0
        self._connections = _Connections()

    @property
    def n_controllers(self) -> int:
        """Control clients that are connected."""
        return self._n_controllers

    async def open(self, sockets: tuple[socket.socket, ...]) -> None:
        """Serve on listening sockets, which belong to the site from now on."""
        loop = asyncio.get_running_loop()
        server = web.Server(self._answer, request_factory=_make_request, handler_cancellation=True)
        self._server = server
        for listening in sockets:
            self._listeners.append(
                await loop.create_server(lambda: _Connection(server, loop, self._connections), sock=listening)
            )

    async def close(self) -> None:
        """Say goodbye to everyone and stop listening; takes half a second at most."""
        for listener in self._listeners:
            listener.close()
        goodbyes = [asyncio.ensure_future(made.close(code=WSCloseCode.GOING_AWAY)) for made in self._sockets]
        if goodbyes:
            await asyncio.wait(goodbyes, timeout=GOODBYE_S)
        if self._server is not None:
            self._server.pre_shutdown()
            await self._server.shutdown(timeout=0.1)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Any request: whoever is not let in sees the same as where nothing is."""
        if not self._guard.lets_in(request.headers, request.query.getall("token", [])):
            return _nothing()
        self._connections.let_in(request.protocol)
        try:
            return await self._serve(request)
        except web.HTTPException as refusal:
            return _refusal(refusal.status)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET" and request.path == "/":
            headers = page_headers(self._page, request.headers["Host"])
            return _once(web.Response(text=self._page, content_type="text/html", headers=headers))
        if request.method == "GET" and request.path == "/pictures" and _wants_socket(request):
            return await self._serve_viewer(request)
        if request.method == "GET" and request.path == CONTROL and _wants_socket(request):
            return await self._serve_controller(request)
        if request.method == "POST" and request.path.startswith(f"{CONTROL}/"):
            return await self._serve_post(request)
        return _nothing()

    async def _serve_viewer(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._viewers.is_full:
            return _refusal(503)
        viewer = self._viewers.add()
        try:
            async with self._socket(request, max_bytes=64) as made:
                sending = asyncio.ensure_future(viewer.send_all(made.send_bytes))
                try:
                    await _hear(made, lambda text: text == "shown" and viewer.note_shown())
                finally:
                    await _end(sending)
        finally:
            self._viewers.remove(viewer)
        return made

    async def _serve_controller(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._n_controllers >= MAX_CONTROLLERS:
            return _refusal(503)
        self._n_controllers += 1
        try:
            async with self._socket(request, max_bytes=MAX_BODY_BYTES) as made:
                telling = asyncio.ensure_future(self._tell_state(made))
                try:
                    async for message in made:
                        if message.type is not WSMsgType.TEXT:
                            break
                        await made.send_str(json.dumps(self._desk.answer(message.data)))
                finally:
                    await _end(telling)
        finally:
            self._n_controllers -= 1
        return made

    async def _tell_state(self, made: web.WebSocketResponse) -> None:
        """Send the state, and again whenever it changed."""
        told: dict[str, Json] | None = None
        while True:
            state = self._desk.state()
            if state != told:
                told = state
                await made.send_str(json.dumps({"event": "state", "state": state}))
            await asyncio.sleep(STATE_EVERY_S)

    async def _serve_post(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await asyncio.wait_for(request.read(), REQUEST_TIMEOUT_S)
        name = request.path.removeprefix(f"{CONTROL}/")
        answer = self._desk.answer_post(name, body.decode(errors="replace"))
        return _once(web.json_response(answer, status=200 if answer["ok"] else 400, headers=HEADERS))

    @asynccontextmanager
    async def _socket(self, request: web.BaseRequest, max_bytes: int) -> AsyncIterator[web.WebSocketResponse]:
        made = web.WebSocketResponse(max_msg_size=max_bytes, heartbeat=HEARTBEAT_S, compress=False, timeout=GOODBYE_S)
        await made.prepare(request)
        self._sockets.add(made)
        try:
            yield made
        finally:
            self._sockets.discard(made)


class _Connections:
    """Who is connected now. One that was told to leave counts no more, though its socket takes a moment to close."""

    def __init__(self) -> None:
        # In the order in which they came.
        self._strangers: dict[web.RequestHandler, None] = {}
        self._let_in: set[web.RequestHandler] = set()

    def add(self, connection: web.RequestHandler) -> web.RequestHandler | None:
        """Take a new one; whoever must leave for it: the oldest stranger, itself where all places are taken."""
        if len(self._strangers) + len(self._let_in) >= MAX_CONNECTIONS:
            return connection
        self._strangers[connection] = None
        if len(self._strangers) <= MAX_STRANGERS:
            return None
        oldest = next(iter(self._strangers))
        del self._strangers[oldest]
        return oldest

    def let_in(self, connection: web.RequestHandler) -> None:
        """It showed the token."""
        if connection in self._strangers:
            del self._strangers[connection]
            self._let_in.add(connection)

    def remove(self, connection: web.RequestHandler) -> None:
        """It is gone; an unknown one is fine."""
        self._strangers.pop(connection, None)
        self._let_in.discard(connection)


class _Connection(web.RequestHandler):
    """One connection, which serves one request: the limits, and no word about what was wrong with it."""

    __slots__ = ("_connections",)

    def __init__(self, server: web.Server, loop: asyncio.AbstractEventLoop, connections: _Connections) -> None:
        self._connections = connections
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=REQUEST_TIMEOUT_S,
            lingering_time=1.0,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
            auto_decompress=False,
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        leaving = self._connections.add(self)
        if leaving is not None:
            leaving.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._connections.remove(self)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        del message
        # A client that has gone meanwhile is no failure, and one that talks nonsense is none of ours.
        if status >= 500 and exc is not None and not isinstance(exc, ConnectionError):
            log.error("a request failed", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        return _nothing()


def _make_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY_BYTES)


def _wants_socket(request: web.BaseRequest) -> bool:
    return web.WebSocketResponse().can_prepare(request).ok


def _nothing() -> web.Response:
    return _refusal(404, STRANGER_TEXT)


def _refusal(status: int, text: str | None = None) -> web.Response:
    return _once(web.Response(status=status, text=text, headers=HEADERS))


def _once(response: web.Response) -> web.Response:
    """An answer after which the connection is closed: the time-out of the first request is that of all."""
    response.force_close()
    return response


async def _hear(made: web.WebSocketResponse, accepts: Callable[[str], bool]) -> None:
    """Hear a client out until it leaves or says what it must not."""
    async for message in made:
        if message.type is not WSMsgType.TEXT or not accepts(message.data):
            return


async def _end(task: asyncio.Future[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, ConnectionError):
        await task
