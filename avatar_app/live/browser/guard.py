"""Access control: host name, origin and token. A refusal does not reveal its reason."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence

from avatar_app.contracts.errors import SettingsError

HOSTS = ("127.0.0.1", "localhost", "[::1]")
MIN_TOKEN_CHARACTERS = 16
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "",
    "X-Content-Type-Options": "nosniff",
}


def new_token() -> str:
    """A random token of 192 bits."""
    return secrets.token_urlsafe(24)


class Guard:
    """Checks requests. Thread: any.

    A page of another site can make a browser send requests here, even under its own host name that resolves to
    this machine (DNS rebinding), so host and origin are checked besides the token.

    Args:
        token: what a request must carry.
        port: where the server listens.

    Raises:
        SettingsError: the token is too short to protect anything.
    """

    def __init__(self, token: str, port: int) -> None:
        if len(token) < MIN_TOKEN_CHARACTERS:
            raise SettingsError(
                f"The token of the browser source has fewer than {MIN_TOKEN_CHARACTERS} characters.",
                "Make a new token and copy the new address into OBS.",
            )
        self._token = token.encode()
        self._hosts = frozenset(f"{host}:{port}" for host in HOSTS)

    def allows(self, headers: Mapping[str, str], tokens: Sequence[str]) -> bool:
        """Whether a request may be served.

        Args:
            headers: of the request; a case-insensitive mapping.
            tokens: all tokens in its query; exactly one is accepted.
        """
        host, origin = headers.get("Host", ""), headers.get("Origin")
        if host not in self._hosts or (origin is not None and origin != f"http://{host}"):
            return False
        return len(tokens) == 1 and hmac.compare_digest(tokens[0].encode(errors="replace"), self._token)


def page_headers(page: str, host: str) -> dict[str, str]:
    """Headers of the page: it may run its own script, and connect to its origin.

    Any style may be added, as OBS does with its *Custom CSS*: a style can load nothing here.
    """
    policy = (
        "default-src 'none'",
        f"script-src '{_digest(page)}'",
        "style-src 'unsafe-inline'",
        f"connect-src 'self' ws://{host}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return {**HEADERS, "Content-Security-Policy": "; ".join(policy)}


def _digest(page: str) -> str:
    """The hash of the page's script, as in a content security policy."""
    found = re.search("<script>(.*?)</script>", page, re.DOTALL)
    content = found.group(1) if found is not None else ""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
