"""The HTTP server, an aiohttp application; only this module imports aiohttp."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from importlib import resources
from typing import TypeAlias

from aiohttp import WSCloseCode, WSMsgType, web

from avatar_app.live.browser.connections import Connections
from avatar_app.live.browser.control import ControlApi, Json
from avatar_app.live.browser.guard import HEADERS, Guard, page_headers
from avatar_app.live.browser.placeholder import PLACEHOLDER_SCRIPT
from avatar_app.live.browser.viewers import Viewers

log = logging.getLogger(__name__)

MAX_CONTROLLERS = 8
MAX_HEADER_BYTES = 4096
MAX_HEADERS = 40
MAX_BODY_BYTES = 4096
# A request must be complete within this time, however slowly it arrives.
REQUEST_TIMEOUT_S = 5.0
# A viewer that does not answer a ping for this long is closed.
HEARTBEAT_S = 10.0
STATE_INTERVAL_S = 0.2
CLOSE_TIMEOUT_S = 0.3
# The same answer to every refused request: it helps a person and reveals nothing else.
REFUSAL_TEXT = "Copy the whole URL from the Output page: it ends in a token."


class Site:
    """Serves the page, its pictures and the control API. Thread: the one that runs the loop.

    Args:
        guard: checks every request.
        viewers: the pages that show the pictures.
        control: answers control requests.
    """

    def __init__(self, guard: Guard, viewers: Viewers, control: ControlApi) -> None:
        self._guard = guard
        self._viewers = viewers
        self._control = control
        page = resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8")
        self._page = page.replace("PLACEHOLDER_SCRIPT", PLACEHOLDER_SCRIPT)
        self._websockets: set[web.WebSocketResponse] = set()
        self._listeners: list[asyncio.Server] = []
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        for method, path, handler in (
            ("GET", "/", self._serve_page),
            ("GET", "/pictures", self._serve_viewer),
            ("GET", "/control", self._serve_controller),
            ("POST", "/control/{action:.*}", self._serve_post),
        ):
            application.router.add_route(method, path, handler)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        self._server: web.Server | None = None
        self._n_controllers = 0
        self._connections: Connections[web.RequestHandler] = Connections()

    @property
    def n_controllers(self) -> int:
        """Control clients that are connected."""
        return self._n_controllers

    async def open(self, sockets: tuple[socket.socket, ...]) -> None:
        """Serve on listening sockets, which belong to the site from now on."""
        await self._runner.setup()
        inner = self._runner.server
        if inner is None:
            raise AssertionError("the runner is set up")
        answer = _guarded(inner.request_handler, self._guard, self._connections)
        self._server = server = web.Server(answer, request_factory=inner.request_factory, handler_cancellation=True)
        loop = asyncio.get_running_loop()
        for listening in sockets:
            self._listeners.append(
                await loop.create_server(lambda: _Connection(server, loop, self._connections), sock=listening)
            )

    async def close(self) -> None:
        """Close all connections and stop listening; takes half a second at most."""
        for listener in self._listeners:
            listener.close()
        closing = [asyncio.ensure_future(one.close(code=WSCloseCode.GOING_AWAY)) for one in self._websockets]
        if closing:
            await asyncio.wait(closing, timeout=CLOSE_TIMEOUT_S)
        if self._server is not None:
            self._server.pre_shutdown()
            await self._server.shutdown(timeout=0.1)
        await self._runner.cleanup()

    async def _serve_page(self, request: web.Request) -> web.StreamResponse:
        headers = page_headers(self._page, request.headers["Host"])
        return web.Response(text=self._page, content_type="text/html", headers=headers)

    async def _serve_viewer(self, request: web.Request) -> web.StreamResponse:
        if self._viewers.is_full:
            return _refusal(503)
        viewer = self._viewers.add()
        try:
            async with self._websocket(request, max_bytes=64) as websocket:
                sending = asyncio.ensure_future(viewer.send_all(websocket.send_bytes))
                try:
                    await _read_while(websocket, lambda text: text == "shown" and viewer.note_shown())
                finally:
                    await _cancel(sending)
        finally:
            self._viewers.remove(viewer)
        return websocket

    async def _serve_controller(self, request: web.Request) -> web.StreamResponse:
        if self._n_controllers >= MAX_CONTROLLERS:
            return _refusal(503)
        self._n_controllers += 1
        try:
            async with self._websocket(request, max_bytes=MAX_BODY_BYTES) as websocket:
                sending = asyncio.ensure_future(self._send_state(websocket))
                try:
                    async for message in websocket:
                        if message.type is not WSMsgType.TEXT:
                            break
                        await websocket.send_str(json.dumps(self._control.answer(message.data)))
                finally:
                    await _cancel(sending)
        finally:
            self._n_controllers -= 1
        return websocket

    async def _send_state(self, websocket: web.WebSocketResponse) -> None:
        """Send the state, and again whenever it has changed."""
        sent: dict[str, Json] | None = None
        while True:
            state = self._control.state()
            if state != sent:
                sent = state
                await websocket.send_str(json.dumps({"event": "state", "state": state}))
            await asyncio.sleep(STATE_INTERVAL_S)

    async def _serve_post(self, request: web.Request) -> web.StreamResponse:
        body = await asyncio.wait_for(request.read(), REQUEST_TIMEOUT_S)
        answer = self._control.answer_post(request.match_info["action"], body.decode(errors="replace"))
        return web.json_response(answer, status=200 if answer["ok"] else 400, headers=HEADERS)

    @asynccontextmanager
    async def _websocket(self, request: web.Request, max_bytes: int) -> AsyncIterator[web.WebSocketResponse]:
        websocket = web.WebSocketResponse(
            max_msg_size=max_bytes, heartbeat=HEARTBEAT_S, compress=False, timeout=CLOSE_TIMEOUT_S
        )
        await websocket.prepare(request)
        self._websockets.add(websocket)
        try:
            yield websocket
        finally:
            self._websockets.discard(websocket)


class _Connection(web.RequestHandler):
    """One connection that serves one request: it enforces the limits and never reveals why a request failed."""

    __slots__ = ("_connections",)

    def __init__(
        self, server: web.Server, loop: asyncio.AbstractEventLoop, connections: Connections[web.RequestHandler]
    ) -> None:
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
        surplus = self._connections.add(self)
        if surplus is not None:
            surplus.force_close()

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
        # A client that disconnected, or a malformed request, is not an error of this program.
        if status >= 500 and exc is not None and not isinstance(exc, ConnectionError):
            log.error("a request failed", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        return _refusal()


Handler: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def _guarded(handler: Handler, guard: Guard, connections: Connections[web.RequestHandler]) -> Handler:
    """Check the token before the application sees a request, and give every refusal the same answer.

    Not a middleware: an application answers the header `Expect` before its middlewares run, so it would answer without
    a token, and not as every other refusal.
    """

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if not guard.allows(request.headers, request.query.getall("token", [])):
            return _refusal()
        connections.authenticate(request.protocol)
        try:
            response = await handler(request)
        except web.HTTPRequestEntityTooLarge as error:
            return _refusal(error.status)
        except web.HTTPException:
            return _refusal()
        # The time limit of the first request is that of the connection.
        response.force_close()
        return response

    return answer


def _refusal(status: int = 404) -> web.Response:
    """The answer to a request that is not served; the connection closes after it."""
    response = web.Response(status=status, text=REFUSAL_TEXT if status == 404 else None, headers=HEADERS)
    response.force_close()
    return response


async def _read_while(websocket: web.WebSocketResponse, accepts: Callable[[str], bool]) -> None:
    """Read messages until the client closes or sends one that is not accepted."""
    async for message in websocket:
        if message.type is not WSMsgType.TEXT or not accepts(message.data):
            return


async def _cancel(task: asyncio.Future[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, ConnectionError):
        await task
