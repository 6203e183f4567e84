"""The avatar with true alpha in a page for OBS and any browser, and a small control API; loopback only, by token."""

from avatar_app.live.browser.browser_source import BrowserSource, BrowserState, BrowserStatus
from avatar_app.live.browser.control import Action, Argument, Json, State
from avatar_app.live.browser.guard import new_token

__all__ = [
    "Action",
    "Argument",
    "BrowserSource",
    "BrowserState",
    "BrowserStatus",
    "Json",
    "State",
    "new_token",
]
