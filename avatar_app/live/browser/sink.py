"""The browser source as a sink."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack

from avatar_app.contracts.handoff import Fan, Mailboxes
from avatar_app.contracts.packets import Picture, VoiceBlock
from avatar_app.contracts.sink import Sink, SinkContext
from avatar_app.live.browser.browser_source import BrowserSource, BrowserStatus
from avatar_app.live.browser.control import Action, State
from avatar_app.settings.schema import Settings


class BrowserSink(Sink[Settings]):
    """Serves the page for OBS's browser source, and the control API.

    It stays open while the program is stopped, so that a control client that stopped the program can start it again;
    the page is empty meanwhile.

    Thread: see `Sink`.

    Args:
        context: see `Sink`.
        token: what every request must carry.
        control: actions of the control API by name.
        state: returns the state for control clients.
    """

    name = "browser"
    title = "The browser source"
    fields = ("is_browser_on", "browser_port")
    stays_open = True

    def __init__(
        self, context: SinkContext[Settings], token: str, control: Mapping[str, Action], state: Callable[[], State]
    ) -> None:
        self._context = context
        self._token, self._control, self._state = token, control, state
        self._browser: BrowserSource | None = None
        self._running = ExitStack()

    def is_on(self, settings: Settings) -> bool:
        """See `Sink`."""
        return settings.is_browser_on

    def start(self, settings: Settings, pictures: Mailboxes[Picture], voice: Fan[VoiceBlock]) -> None:
        """See `Sink`.

        Raises:
            OutputError: no port can be used.
        """
        del voice
        clock, notices = self._context.clock, self._context.notices
        with ExitStack() as stack:
            mailbox = pictures.add()
            stack.callback(pictures.remove, mailbox)
            browser = BrowserSource(
                mailbox, self._token, settings.browser_port, clock, notices, self._control, self._state
            )
            browser.start()
            stack.callback(browser.stop)
            self._browser, self._running = browser, stack.pop_all()

    def stop(self) -> None:
        """See `Sink`."""
        self._browser = None
        self._running.close()

    def status(self) -> BrowserStatus | None:
        """See `Sink`."""
        browser = self._browser
        return browser.status() if browser is not None else None

    def update(self, settings: Settings) -> bool:
        """See `Sink`: a server that chose another port keeps it when the settings change to that port."""
        status = self.status()
        return status is not None and status.port == settings.browser_port

    def set_live(self, *, is_live: bool) -> None:
        """Send pictures, or one empty picture."""
        if self._browser is not None:
            self._browser.show(is_on=is_live)

    @property
    def page_url(self) -> str:
        """Address of the page with its token; "" while it is off."""
        browser = self._browser
        return browser.page_url if browser is not None else ""
