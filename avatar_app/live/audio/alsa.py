"""ALSA's error messages, which it writes to stderr by default: several a second while a device is slow."""

from __future__ import annotations

import atexit
import ctypes
import logging
import sys

log = logging.getLogger(__name__)

LIBRARY = "libasound.so.2"
# `snd_lib_error_handler_t`: file, line, function, error, format; the arguments of the format are not read.
Handler = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p)


@Handler  # type: ignore[untyped-decorator]
def _to_log(file: bytes, line: int, function: bytes, code: int, message: bytes) -> None:
    del file, line
    # Python cannot read the variable arguments of the format.
    log.info("ALSA, in %s: %s, error %d", _text(function), _text(message).replace("%s", "..."), code)


def redirect_alsa_errors() -> None:
    """Write the messages to the log; does nothing without ALSA."""
    if not sys.platform.startswith("linux"):
        return
    try:
        library = ctypes.CDLL(LIBRARY)
        library.snd_lib_error_set_handler(_to_log)
    except (OSError, AttributeError) as error:
        log.info("cannot redirect ALSA's errors: %s", error)
        return
    # A driver's thread may call the handler after Python has ended.
    atexit.register(library.snd_lib_error_set_handler, None)


def _text(message: bytes | None) -> str:
    return (message or b"").decode(errors="replace").strip()
