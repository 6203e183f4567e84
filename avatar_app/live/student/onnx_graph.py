"""Whether an ONNX graph is whole in itself: weights in files beside it are not covered by its checksum.

ONNX is a protobuf. The messages that can hold a tensor are walked here with the numbers of their fields
(onnx/onnx.proto3 of ONNX 1.16), because the live install has no `onnx`, and both engines open such files silently,
from the folder that the program happens to stand in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

# Message: the fields that hold messages which can hold a tensor.
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
    """Whether all weights are in the graph itself.

    Raises:
        ValueError: it is no ONNX graph.
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
                        raise ValueError("a field is of another kind")
                    below.append((MESSAGES[kind][number], value))
        level = below
    raise ValueError("nested too deeply")


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Numbers and values of a message; values of fixed size are left out."""
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
    """A whole number of up to ten bytes, and where the next field begins."""
    value = 0
    for k in range(10):
        if at + k >= len(message):
            raise ValueError("cut short")
        value |= (message[at + k] & 0x7F) << 7 * k
        if message[at + k] < 0x80:
            return value, at + k + 1
    raise ValueError("a number without an end")
