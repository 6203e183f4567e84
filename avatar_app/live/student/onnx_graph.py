"""Checks that an ONNX file contains all its weights: its checksum does not cover weights in other files.

Both engines load external weights silently, relative to the current folder. The live install has no `onnx` package, so
this module walks the protobuf messages that can hold a tensor, by their field numbers (onnx/onnx.proto3 of ONNX 1.16).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

# Message: its fields that can contain a tensor, and their messages.
MESSAGES: Mapping[str, Mapping[int, str]] = MappingProxyType({
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
})  # fmt: skip
EXTERNAL_DATA, DATA_LOCATION = 13, 14
VARINT, EIGHT_BYTES, TEXT, FOUR_BYTES = 0, 1, 2, 5
MAX_DEPTH = 64


def is_whole(graph: bytes) -> bool:
    """Whether the file contains all weights.

    Raises:
        ValueError: it is not an ONNX graph.
    """
    level = [("model", memoryview(graph))]
    for _ in range(MAX_DEPTH):
        if not level:
            return True
        below = []
        for kind, content in level:
            for number, value in _fields(content):
                if kind == "tensor" and (number == EXTERNAL_DATA or (number == DATA_LOCATION and value != 0)):
                    return False
                if number in MESSAGES[kind]:
                    if not isinstance(value, memoryview):
                        raise ValueError("a field has another type")
                    below.append((MESSAGES[kind][number], value))
        level = below
    raise ValueError("nested too deeply")


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Numbers and values of a message; values of fixed size are omitted."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        if key >= 2**32:
            raise ValueError("a field number of more than 32 bits")
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == TEXT:
            n_bytes, at = _varint(message, at)
        elif wire in (EIGHT_BYTES, FOUR_BYTES):
            n_bytes = 8 if wire == EIGHT_BYTES else 4
        else:
            raise ValueError("an unknown wire type")
        if at + n_bytes > len(message):
            raise ValueError("cut short")
        if wire == TEXT:
            yield number, message[at : at + n_bytes]
        at += n_bytes


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A variable-length integer of up to ten bytes, and the offset after it."""
    value = 0
    for k in range(10):
        if at + k >= len(message):
            raise ValueError("cut short")
        value |= (message[at + k] & 0x7F) << 7 * k
        if message[at + k] < 0x80:
            return value, at + k + 1
    raise ValueError("a number without an end")
