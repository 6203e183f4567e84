"""The replies of the process that finds the person in pictures. The requests are those of the face tracker."""

from __future__ import annotations

import struct
from typing import BinaryIO

REPLY = struct.Struct("<cI")
READY, MASK, FAILED = b"R", b"M", b"X"
KINDS = (READY, MASK, FAILED)
MAX_REPLY_BYTES = 50_000_000


def write_reply(pipe: BinaryIO, kind: bytes, body: bytes = b"") -> None:
    """Send a reply."""
    pipe.write(REPLY.pack(kind, len(body)) + body)
    pipe.flush()


def read_reply(pipe: BinaryIO) -> tuple[bytes, bytes] | None:
    """The next reply's kind and body; None at the end of the stream or on invalid data."""
    head = pipe.read(REPLY.size)
    if len(head) < REPLY.size:
        return None
    kind, n_bytes = REPLY.unpack(head)
    if kind not in KINDS or n_bytes > MAX_REPLY_BYTES:
        return None
    body = pipe.read(n_bytes)
    return (kind, body) if len(body) == n_bytes else None
