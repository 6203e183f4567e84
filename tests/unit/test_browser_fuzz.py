"""Random and malformed requests over raw sockets. AVATAR_APP_FUZZ sets the number of cases; 1000 without it."""

import contextlib
import json
import logging
import os
import random
import socket
import struct
import threading

import psutil

from avatar_app.live.browser import Action, Argument
from avatar_app.live.browser.site import REFUSAL_TEXT
from tests.fakes.browser_source import (
    DEADLINE_S,
    TOKEN,
    Client,
    Stand,
    exchange,
    frame,
    handshake,
    read_all,
    request,
    wait_until,
)

N_CASES = int(os.environ.get("AVATAR_APP_FUZZ", "1000"))
# Fewer than the connections that the server accepts.
N_TOGETHER = 40
PATHS = ("/", "/pictures", "/control", "/control/mute", "/control/", "//", "/../", "/%2e%2e/etc/passwd", "*", "x")
METHODS = ("GET", "POST", "HEAD", "PUT", "OPTIONS", "CONNECT", "TRACE", "get", "G\0T", "")
HEADERS = (
    "Content-Length: -1", "Content-Length: 99999999999999999999", "Content-Length: 5\r\nContent-Length: 6",
    "Transfer-Encoding: chunked", "Transfer-Encoding: chunked, gzip", "Content-Encoding: br", "Expect: 100-continue",
    "Host: a\r\nHost: b", "Origin: null", "Upgrade: websocket", "Connection: Upgrade", "Connection: keep-alive",
    "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 99", "Sec-WebSocket-Protocol: a,b", "Sec-WebSocket-Extensions: x",
    " folded: yes", "no colon", ": empty", "X: \xff\xfe", "Cookie: " + "c" * 3000, "Range: bytes=0-",
    "Authorization: Basic eDp4", "X-Long: " + "y" * 9000,
)  # fmt: skip
TOKENS = (
    "",
    "token=",
    "token",
    "token=a&token=b",
    "token=%ff%fe",
    "token=" + "z" * 2000,
    "token[]=x",
    "TOKEN=" + TOKEN,
)
ASKED = ({"id": 1, "do": "mute"}, {"do": ["mute"]}, {"id": {"a": []}}, [], "shown", {"do": "help", "value": 1e99})


class Fuzzer:
    """Makes cases from a seed."""

    def __init__(self, seed: int, port: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self.port = port

    def case(self) -> tuple[bytes, bool]:
        """What is sent, and whether it carries the token where the server reads it."""
        makers = (
            self.noise,
            self.without_token,
            self.without_token,
            self.mangled,
            self.with_token,
            self.frames,
            self.frames,
        )
        return self.random.choice(makers)()

    def noise(self):
        return self.random.randbytes(self.random.randrange(1, 3000)), False

    def without_token(self):
        """A well-formed or nearly well-formed request without the token."""
        return self.head(self.random.choice(TOKENS)) + self.noise()[0][: self.random.randrange(200)], False

    def with_token(self):
        """A random request with the token."""
        return self.head(f"token={TOKEN}") + self.noise()[0][: self.random.randrange(200)], True

    def mangled(self):
        """A good request without the token, with a few bytes changed, cut short or sent twice."""
        good = bytearray(handshake(self.port, self.random.choice(PATHS), token="none"))  # noqa: S106
        for _ in range(self.random.randrange(1, 8)):
            good[self.random.randrange(len(good))] = self.random.randrange(256)
        sent = bytes(good) * self.random.randrange(1, 4)
        return sent[: self.random.randrange(len(sent) + 1)], False

    def frames(self):
        """A real handshake, then frames that no client sends."""
        sent = handshake(self.port, self.random.choice(("/pictures", "/control")))
        for _ in range(self.random.randrange(1, 6)):
            sent += self.random.choice((self.frame, self.odd_frame, self.request_frame))()
        return sent, True

    def head(self, query: str) -> bytes:
        line = f"{self.random.choice(METHODS)} {self.random.choice(PATHS)}?{query} HTTP/{self.random.choice('1109')}.1"
        lines = [line, f"Host: 127.0.0.1:{self.port}", *self.random.sample(HEADERS, self.random.randrange(5))]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def frame(self) -> bytes:
        return frame(self.random.randbytes(self.random.randrange(200)), first_byte=self.random.randrange(256))

    def odd_frame(self) -> bytes:
        """Unmasked, of a length that never comes, or of many terabytes."""
        lengths = (struct.pack("!BBQ", 0x81, 0xFF, 2**62), struct.pack("!BB", 0x81, 0x05) + b"hello", b"\x81\xfe\xff")
        return self.random.choice(lengths)

    def request_frame(self) -> bytes:
        text = json.dumps(self.random.choice(ASKED))
        if self.random.random() < 0.5:
            text = text[: self.random.randrange(1, len(text))]
        return frame(text.encode(), opcode=self.random.choice((1, 1, 2, 0)))


def send_all(port: int, cases: list[tuple[bytes, bool]]) -> list[bytes]:
    """Send cases in parallel; return the answers, each up to the end of its connection."""
    connections = [socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) for _ in cases]
    for connection, (sent, _) in zip(connections, cases, strict=True):
        with contextlib.suppress(ConnectionError):
            connection.sendall(sent)
    return [finish(connection) for connection in connections]


def finish(connection: socket.socket) -> bytes:
    got = b""
    connection.settimeout(0.01)
    with connection, contextlib.suppress(ConnectionError):
        try:
            while piece := connection.recv(65536):
                got += piece
        except TimeoutError:
            # The server waits for more.
            got += _rest(connection)
    return got


def _rest(connection: socket.socket) -> bytes:
    connection.settimeout(DEADLINE_S)
    with contextlib.suppress(ConnectionError):
        connection.shutdown(socket.SHUT_WR)
        return read_all(connection)
    return b""


def check_secret(answer: bytes) -> None:
    """The answer is the one refusal with its one sentence, which `HEAD` leaves out."""
    for part in answer.split(b"HTTP/1.")[1:]:
        head, _, body = part.partition(b"\r\n\r\n")
        assert head[2:5] == b"404", answer
        assert body in (b"", REFUSAL_TEXT.encode()), answer
    assert not any(word in answer.lower() for word in (b"aiohttp", b"python", b"html", b"json", TOKEN.encode()))


def test_server_when_fuzzed_then_it_continues_reveals_nothing_and_does_not_grow(caplog):
    caplog.set_level(logging.WARNING)
    n_calls = []
    actions = {"mute": Action("mute", "Mute.", Argument.SWITCH, n_calls.append)}
    process = psutil.Process()
    with Stand(control=actions) as stand:
        fuzzer = Fuzzer(20_240_607, stand.port)
        send_all(stand.port, [fuzzer.case() for _ in range(N_TOGETHER)])
        wait_until(lambda: stand.source.status().n_viewers == 0)
        n_threads, n_files = threading.active_count(), process.num_fds()
        for _ in range(0, N_CASES, N_TOGETHER):
            cases = [fuzzer.case() for _ in range(N_TOGETHER)]
            for (_, has_token), answer in zip(cases, send_all(stand.port, cases), strict=True):
                if not has_token:
                    check_secret(answer)
        wait_until(lambda: stand.source.status().n_viewers == stand.source.status().n_controllers == 0)
        wait_until(lambda: process.num_fds() <= n_files)
        assert threading.active_count() <= n_threads
        assert exchange(stand.port, request(stand.port, f"/?token={TOKEN}")).startswith(b"HTTP/1.1 200 ")
        with Client(stand.port, "/control") as client:
            assert client.ask(id=1, do="state")["ok"]
    assert n_calls, "valid requests among the others were served"
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert stand.notices.current() == ()
