"""Listening sockets on the loopback interface, for IPv4 and IPv6."""

from __future__ import annotations

import errno
import socket
import sys

from avatar_app.contracts.errors import OutputError

N_TRIES = 5
BACKLOG = 16
NO_IPV6 = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT)


def listen(port: int) -> tuple[int, tuple[socket.socket, ...]]:
    """Listen on a port, or on one of the next few; 0 means any.

    Returns:
        The port, and sockets that listen there on 127.0.0.1 and, where there is IPv6, on ::1.

    Raises:
        OutputError: all are taken, or listening is forbidden.
    """
    problem: OSError | None = None
    for wanted in range(port, min(port + N_TRIES, 65536)) if port else [0] * N_TRIES:
        try:
            return _listen_at(wanted)
        except OSError as error:  # noqa: PERF203
            problem = error
    last = min(port + N_TRIES - 1, 65535)
    raise OutputError(
        f"The browser source cannot use any port from {port} to {last}: {problem and problem.strerror}.",
        "Choose another port, or close the program that uses these.",
    ) from problem


def _listen_at(port: int) -> tuple[int, tuple[socket.socket, ...]]:
    first = _bound(socket.AF_INET, "127.0.0.1", port)
    port = int(first.getsockname()[1])
    try:
        second = _bound(socket.AF_INET6, "::1", port) if socket.has_ipv6 else None
    except OSError as error:
        # Without IPv6 nothing listens on ::1. A port that is taken there is refused: "localhost" can resolve to it.
        if error.errno not in NO_IPV6:
            first.close()
            raise
        second = None
    return port, (first,) if second is None else (first, second)


def _bound(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            # On Windows, SO_REUSEADDR would let another program take the same port.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # A restarted program can use its port although old connections are in TIME_WAIT.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((address, port))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
