"""The browser source as one object: two threads, one that encodes and one that serves."""

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

import numpy as np

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.handoff import Latest
from avatar_app.contracts.notices import Level, Notice, NoticeBoard
from avatar_app.contracts.packets import Picture
from avatar_app.live.browser.control import Action, Desk, State
from avatar_app.live.browser.guard import Guard
from avatar_app.live.browser.loopback import listen
from avatar_app.live.browser.message import encode
from avatar_app.live.browser.viewers import Viewers
from avatar_app.live.runtime.meters import RateMeter
from avatar_app.live.runtime.worker import Worker

if TYPE_CHECKING:
    from avatar_app.live.browser.site import Site

log = logging.getLogger(__name__)

MAX_VIEWERS = 8
# How long the loop runs at a stretch before the worker may be asked to stop.
SLICE_S = 0.1
NOTICE_KEY = "browser"
NO_ACTIONS: Mapping[str, Action] = MappingProxyType({})


class BrowserState(enum.Enum):
    """Whether it serves."""

    STOPPED = "stopped"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class BrowserStatus:
    """One look at the browser source.

    Attributes:
        url: address of the page without the token, "" while stopped; may be logged.
        port: where it listens, which can differ from the wanted port; 0 while stopped.
        n_viewers: pages that show the pictures.
        n_controllers: control clients.
        fps_sent: pictures a second that were encoded for viewers.
        n_dropped: pictures that viewers were too slow for.
    """

    state: BrowserState
    url: str
    port: int
    n_viewers: int
    n_controllers: int
    fps_sent: float
    n_dropped: int


@dataclass(frozen=True)
class _Open:
    """What exists while it runs."""

    port: int
    site: Site
    loop: asyncio.AbstractEventLoop

    def close(self) -> None:
        """Send everyone away and close; while the loop rests."""
        self.loop.run_until_complete(_close(self.site))
        self.loop.close()


class BrowserSource:
    """Serves the pictures, and the control API, on the loopback interface.

    Thread: `start` and `stop` by one owner, outside any asyncio loop; `status` and `page_url` any.

    Args:
        pictures: a mailbox of its own.
        token: what a request must carry; at least 16 characters.
        port: where to listen; when it is taken, one of the next few. 0 takes any.
        clock: the program's.
        notices: where another port than the wanted one is told.
        control: what can be asked for, by name; called on the server's thread.
        state: what clients are told; called on the server's thread, up to five times a second for each client.
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
        self._wanted_port = port
        self._clock = clock
        self._notices = notices
        self._desk = Desk(control, state, clock)
        self._viewers = Viewers(MAX_VIEWERS)
        self._rate = RateMeter()
        self._encoded: Latest[bytes] = Latest()
        self._is_called = threading.Event()
        self._open: _Open | None = None
        self._abandoned: _Open | None = None
        self._is_on = True
        self._last_shape: tuple[int, ...] | None = None
        self._server = Worker("browser", self._serve, clock, notices)
        self._encoder = Worker("browser-encode", self._encode, clock, notices)

    @property
    def workers(self) -> tuple[Worker, ...]:
        """Its threads, for the watchdog."""
        return (self._server, self._encoder)

    def start(self) -> None:
        """Listen and serve; a second call while running is fine.

        Raises:
            OutputError: no port can be used.
            SettingsError: the token is too short.
        """
        if self._open is not None:
            return
        with ExitStack() as stack:
            self._open = opened = self._listen(stack)
            self._server.start()
            self._encoder.start()
            stack.pop_all()
        self._tell_port(opened.port)

    def stop(self) -> None:
        """Send the viewers away and close; within a second, or five where an action hangs. Twice is fine."""
        opened = self._open
        if opened is None:
            return
        self._encoder.stop()
        self._server.stop()
        self._open = None
        self._is_called.clear()
        self._encoded.take()
        if opened.loop.is_running():
            # An action hangs, as the worker has said by now: whenever it comes back, its own thread closes.
            self._abandoned = opened
            return
        # The loop rests now that its thread has ended, so that it may be run here.
        opened.close()

    def show(self, *, is_on: bool) -> None:
        """Show the pictures, or an empty one: the page and the control API are there meanwhile."""
        self._is_on = is_on

    def status(self) -> BrowserStatus:
        """How it goes."""
        opened, n_viewers = self._open, len(self._viewers)
        return BrowserStatus(
            state=BrowserState.STOPPED if opened is None else BrowserState.RUNNING,
            url="" if opened is None else _url(opened.port),
            port=0 if opened is None else opened.port,
            n_viewers=n_viewers,
            n_controllers=0 if opened is None else opened.site.n_controllers,
            fps_sent=self._rate.per_s(self._clock.now_ns()) if n_viewers else 0.0,
            n_dropped=self._viewers.n_dropped,
        )

    @property
    def page_url(self) -> str:
        """The page's address with the token, for the user to copy and for nobody's log; "" while stopped."""
        opened = self._open
        return "" if opened is None else f"{_url(opened.port)}?token={quote(self._token, safe='')}"

    def _listen(self, undo: ExitStack) -> _Open:
        """Take a port and serve there; `undo` gives everything back."""
        from avatar_app.live.browser.site import Site

        # A token that protects nothing is refused before a port is taken.
        Guard(self._token, self._wanted_port)
        port, sockets = listen(self._wanted_port)
        for listening in sockets:
            undo.callback(listening.close)
        loop = asyncio.new_event_loop()
        undo.callback(loop.close)
        site = Site(Guard(self._token, port), self._viewers, self._desk)
        loop.run_until_complete(site.open(sockets))
        return _Open(port, site, loop)

    def _tell_port(self, port: int) -> None:
        log.info("browser source at %s", _url(port))
        if self._wanted_port in (0, port):
            self._notices.clear(NOTICE_KEY)
            return
        text = f"Port {self._wanted_port} is taken, so the browser source is at port {port}."
        self._notices.post(Notice(NOTICE_KEY, Level.WARNING, text, "Copy the new address into OBS."))

    def _serve(self, stop: threading.Event) -> None:
        """Run the loop for a moment; connections stay as they are in between."""
        del stop
        opened = self._open
        if opened is None:
            return
        opened.loop.run_until_complete(asyncio.sleep(SLICE_S))
        if opened is self._abandoned:
            opened.close()

    def _encode(self, stop: threading.Event) -> None:
        """Encode the next picture once for all viewers, and call the loop to send it."""
        del stop
        picture, opened = self._next_picture(), self._open
        if picture is None or opened is None or not len(self._viewers):
            return
        self._encoded.put(encode(picture))
        self._rate.note(self._clock.now_ns())
        # One call at a time: were the loop late, calls would pile up.
        if not self._is_called.is_set():
            self._is_called.set()
            opened.loop.call_soon_threadsafe(self._send)

    def _next_picture(self) -> Picture | None:
        """The next picture; while none is to be shown, once an empty one."""
        picture = self._pictures.take(timeout_s=0.1)
        if self._is_on:
            self._last_shape = self._last_shape if picture is None else picture.pixels.shape
            return picture
        shape, self._last_shape = self._last_shape, None
        return None if shape is None else Picture(0, 0, 0, np.zeros(shape, np.uint8))

    def _send(self) -> None:
        self._is_called.clear()
        message = self._encoded.take()
        if message is not None:
            self._viewers.offer(message)


async def _close(site: Site) -> None:
    await site.close()
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}/"
