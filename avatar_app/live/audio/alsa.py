"""ALSA's own words, which it writes onto stderr from wherever it is: several a second while a device is slow."""

from __future__ import annotations

import atexit
import ctypes
import logging
import sys

log = logging.getLogger(__name__)

LIBRARY = "libasound.so.2"
# `snd_lib_error_handler_t`: file, line, function, error, format, and what goes into the format, which is left alone.
Handler = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p)


@Handler  # type: ignore[untyped-decorator]
def _to_log(file: bytes, line: int, function: bytes, code: int, message: bytes) -> None:
    del file, line
    # What stands for the format's gaps cannot be had in Python.
    log.info("ALSA, in %s: %s, error %d", _text(function), _text(message).replace("%s", "..."), code)


def quieten_alsa() -> None:
    """Send them to the log; nothing where there is no ALSA."""
    if not sys.platform.startswith("linux"):
        return
    try:
        library = ctypes.CDLL(LIBRARY)
        library.snd_lib_error_set_handler(_to_log)
    except (OSError, AttributeError) as error:
        log.info("ALSA keeps its own way to tell errors: %s", error)
        return
    # A driver's thread may outlive Python.
    atexit.register(library.snd_lib_error_set_handler, None)


def _text(words: bytes | None) -> str:
    return (words or b"").decode(errors="replace").strip()
