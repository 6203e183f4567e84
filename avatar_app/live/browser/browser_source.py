"""The browser source: one thread encodes pictures, another serves them."""

from __future__ import annotations

import asyncio
import enum
import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import quote

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.handoff import Latest
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import Picture
from avatar_app.live.browser.control import Action, ControlApi, State
from avatar_app.live.browser.guard import Guard
from avatar_app.live.browser.loopback import listen
from avatar_app.live.browser.message import encode
from avatar_app.live.browser.placeholder import placeholder_picture
from avatar_app.live.browser.viewers import Viewers
from avatar_app.live.runtime.meters import RateMeter
from avatar_app.live.runtime.worker import Worker

if TYPE_CHECKING:
    from avatar_app.live.browser.site import Site

log = logging.getLogger(__name__)

MAX_VIEWERS = 8
# Duration of one step of the server thread; between steps the worker can stop.
STEP_S = 0.1
NOTICE_KEY = "browser"
NO_ACTIONS: Mapping[str, Action] = MappingProxyType({})


class BrowserState(enum.Enum):
    """Whether the server runs."""

    STOPPED = "stopped"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class BrowserStatus:
    """Status of the browser source.

    Attributes:
        url: address of the page without the token, "" while stopped; may be logged.
        port: the port in use, which can differ from the requested one; 0 while stopped.
        n_viewers: pages that show the pictures.
        n_controllers: control clients.
        fps_sent: pictures a second that were encoded for viewers.
        n_dropped: pictures dropped because viewers were too slow.
    """

    state: BrowserState
    url: str
    port: int
    n_viewers: int
    n_controllers: int
    fps_sent: float
    n_dropped: int


@dataclass(frozen=True)
class _Running:
    """Resources of a running server."""

    port: int
    site: Site
    loop: asyncio.AbstractEventLoop

    def close(self) -> None:
        """Close all connections and the loop, which must not be running."""
        self.loop.run_until_complete(_close(self.site))
        self.loop.close()


class BrowserSource:
    """Serves the pictures, and the control API, on the loopback interface.

    Thread: `start` and `stop` by one owner, outside any asyncio loop; `status` and `page_url` any.

    Args:
        pictures: mailbox of the pictures, for this sink alone.
        token: every request must carry it; at least 16 characters.
        port: where to listen; when it is taken, one of the next few. 0 takes any.
        clock: the program's.
        notices: gets a warning when another port is used.
        control: actions of the control API by name; called on the server's thread.
        state: the state that control clients get; called on the server's thread, up to five times a second for each
            client.
    """

    def __init__(
        self,
        pictures: Latest[Picture],
        token: str,
        port: int,
        clock: Clock,
        notices: NoticeBoard,
        control: Mapping[str, Action] = NO_ACTIONS,
        state: Callable[[], State] = dict,
    ) -> None:
        self._pictures = pictures
        self._token = token
        self._port = port
        self._clock = clock
        self._notices = notices
        self._control = ControlApi(control, state, clock)
        self._viewers = Viewers(MAX_VIEWERS)
        self._rate = RateMeter()
        self._encoded: Latest[bytes] = Latest()
        self._is_send_scheduled = threading.Event()
        self._running: _Running | None = None
        self._abandoned: _Running | None = None
        self._is_shown = True
        self._last_shape: tuple[int, ...] | None = None
        self._server = Worker("browser", self._serve, clock, notices)
        self._encoder = Worker("browser-encode", self._encode, clock, notices)

    @property
    def workers(self) -> tuple[Worker, ...]:
        """The threads, for the watchdog."""
        return (self._server, self._encoder)

    def start(self) -> None:
        """Listen and serve; a second call does nothing.

        Raises:
            OutputError: no port can be used.
            SettingsError: the token is too short.
        """
        if self._running is not None:
            return
        with ExitStack() as stack:
            self._running = running = self._listen(stack)
            self._server.start()
            self._encoder.start()
            stack.pop_all()
        self._report_port(running.port)

    def stop(self) -> None:
        """Close all connections; within a second, or five when an action hangs. A second call does nothing."""
        running = self._running
        if running is None:
            return
        self._encoder.stop()
        self._server.stop()
        self._running = None
        self._is_send_scheduled.clear()
        self._encoded.take()
        if running.loop.is_running():
            # An action hangs, and the worker has reported it: its own thread closes when the action returns.
            self._abandoned = running
            return
        # The loop is not running, because its thread has ended.
        running.close()

    def show(self, *, is_on: bool) -> None:
        """Show the pictures, or the placeholder. The page and the control API stay available."""
        self._is_shown = is_on

    def status(self) -> BrowserStatus:
        """The current status."""
        running, n_viewers = self._running, len(self._viewers)
        return BrowserStatus(
            state=BrowserState.STOPPED if running is None else BrowserState.RUNNING,
            url="" if running is None else _url(running.port),
            port=0 if running is None else running.port,
            n_viewers=n_viewers,
            n_controllers=0 if running is None else running.site.n_controllers,
            fps_sent=self._rate.per_s(self._clock.now_ns()) if n_viewers else 0.0,
            n_dropped=self._viewers.n_dropped,
        )

    @property
    def page_url(self) -> str:
        """The page's address with the token, for the user to copy; never logged. "" while stopped."""
        running = self._running
        return "" if running is None else f"{_url(running.port)}?token={quote(self._token, safe='')}"

    def _listen(self, undo: ExitStack) -> _Running:
        """Bind a port and serve there; `undo` releases everything after a failure."""
        from avatar_app.live.browser.site import Site

        # A token that is too short is refused before a port is taken.
        Guard(self._token, self._port)
        port, sockets = listen(self._port)
        for listening in sockets:
            undo.callback(listening.close)
        loop = asyncio.new_event_loop()
        undo.callback(loop.close)
        site = Site(Guard(self._token, port), self._viewers, self._control)
        loop.run_until_complete(site.open(sockets))
        return _Running(port, site, loop)

    def _report_port(self, port: int) -> None:
        log.info("browser source at %s", _url(port))
        if self._port in (0, port):
            self._notices.clear(NOTICE_KEY)
            return
        text = f"Port {self._port} is taken, so the browser source is at port {port}."
        self._notices.warning(NOTICE_KEY, text, "Copy the new address into OBS.")

    def _serve(self, stop: threading.Event) -> None:
        """Run the loop for one step; connections stay open between steps."""
        del stop
        running = self._running
        if running is None:
            return
        running.loop.run_until_complete(asyncio.sleep(STEP_S))
        if running is self._abandoned:
            running.close()

    def _encode(self, stop: threading.Event) -> None:
        """Encode the next picture once for all viewers, and schedule its sending."""
        del stop
        picture, running = self._next_picture(), self._running
        if picture is None or running is None or not len(self._viewers):
            return
        self._encoded.put(encode(picture))
        self._rate.note(self._clock.now_ns())
        # One call at a time, so that calls do not pile up when the loop is late.
        if not self._is_send_scheduled.is_set():
            self._is_send_scheduled.set()
            running.loop.call_soon_threadsafe(self._send)

    def _next_picture(self) -> Picture | None:
        """The next picture; the placeholder once when the avatar was stopped."""
        picture = self._pictures.take(timeout_s=0.1)
        if self._is_shown:
            self._last_shape = self._last_shape if picture is None else picture.pixels.shape
            return picture
        shape, self._last_shape = self._last_shape, None
        return None if shape is None else placeholder_picture(shape)

    def _send(self) -> None:
        self._is_send_scheduled.clear()
        message = self._encoded.take()
        if message is not None:
            self._viewers.offer(message)


async def _close(site: Site) -> None:
    await site.close()
    pending = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}/"
