"""Colours as settings write them."""

from __future__ import annotations

from avatar_app.contracts.errors import SettingsError


def parse_bgr(text: str) -> tuple[int, int, int]:
    """`#rrggbb` as blue, green, red.

    Raises:
        SettingsError: it is not a colour.
    """
    try:
        if len(text) != 7 or text[0] != "#":
            raise ValueError(text)
        red, green, blue = bytes.fromhex(text[1:])
    except ValueError as error:
        raise SettingsError(f"{text!r} is not a colour.", "Write it as #rrggbb, as in #204060.") from error
    return blue, green, red
