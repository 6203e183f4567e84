"""A browser source on any free port, fed with pictures by a thread that counts them."""

import base64
import json
import os
import socket
import struct
import threading
import time

import cv2
import numpy as np

from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.handoff import Latest
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import Picture
from avatar_app.live.browser import BrowserSource

# Reached only when something fails.
DEADLINE_S = 60.0
TOKEN = "correct-horse-battery-staple"  # noqa: S105 - of the tests


def disc_picture(size_px: int = 128, colour=(40, 90, 200), hidden=(0, 255, 0)) -> np.ndarray:
    """BGRA: a disc of one colour with a soft edge; pixels under alpha 0 have a colour that must not be visible."""
    y, x = np.mgrid[:size_px, :size_px]
    alpha = np.clip((0.4 * size_px - np.hypot(x - size_px / 2, y - size_px / 2)) * 64 + 128, 0, 255).astype(np.uint8)
    picture = np.empty((size_px, size_px, 4), np.uint8)
    picture[:, :, :3] = np.where(alpha[:, :, None] > 0, np.uint8(colour), np.uint8(hidden))
    picture[:, :, 3] = alpha
    return picture


def decode(message: bytes) -> tuple[int, np.ndarray]:
    """Decode a message as the page does: number and (H, W, 4) BGRA."""
    index, width, height, n_runs, _ = struct.unpack_from("<IHHII", message)
    lengths = np.frombuffer(message, "<u2", n_runs, 16)
    values = np.frombuffer(message, np.uint8, n_runs, 16 + 2 * n_runs)
    colours = cv2.imdecode(np.frombuffer(message, np.uint8, offset=16 + 3 * n_runs), cv2.IMREAD_COLOR)
    alpha = np.repeat(values, lengths).reshape(height, width)
    return index, np.dstack((colours, alpha))


def exchange(port: int, sent: bytes, address: str = "127.0.0.1") -> bytes:
    """Send bytes; return the answer up to the end of the connection."""
    with socket.create_connection((address, port), timeout=DEADLINE_S) as connection:
        try:
            connection.sendall(sent)
            return read_all(connection)
        except (ConnectionError, BrokenPipeError):
            return b""


def read_all(connection: socket.socket) -> bytes:
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def request(
    port: int, target: str, method: str = "GET", body: bytes = b"", host: str = "", version: str = "1.1", **headers: str
) -> bytes:
    lines = [f"{method} {target} HTTP/{version}", f"Host: {host or f'127.0.0.1:{port}'}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def handshake(port: int, path: str, token: str = TOKEN, **headers: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Key": key, "Sec_WebSocket_Version": "13"}
    return request(port, f"{path}?token={token}", **upgrade, **headers)


def frame(payload: bytes, opcode: int = 1, first_byte: int | None = None) -> bytes:
    """A masked WebSocket frame, as clients send them."""
    first = 0x80 | opcode if first_byte is None else first_byte
    if len(payload) < 126:
        head = struct.pack("!BB", first, 0x80 | len(payload))
    else:
        head = struct.pack("!BBH", first, 0x80 | 126, len(payload))
    return head + b"\0\0\0\0" + payload


class Client:
    """A WebSocket client on a raw socket; it answers nothing by itself."""

    def __init__(self, port: int, path: str, token: str = TOKEN, **headers: str) -> None:
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)
        self._file = self.connection.makefile("rb")
        self.connection.sendall(handshake(port, path, token, **headers))
        self.status = int(self._file.readline().split()[1])
        while self._file.readline().strip():
            pass

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()
        self.connection.close()

    def send(self, text: str) -> None:
        self.connection.sendall(frame(text.encode()))

    def ask(self, **asked):
        """Send a request and return its answer; state events before it are skipped."""
        self.send(json.dumps(asked))
        while "event" in (answer := json.loads(self.receive())):
            pass
        return answer

    def receive(self, timeout_s: float = DEADLINE_S) -> bytes | None:
        """The next message; None when the server closed, TimeoutError when none comes."""
        self.connection.settimeout(timeout_s)
        head = self._file.read(2)
        if len(head) < 2 or head[0] & 0x0F == 8:
            return None
        n_bytes = head[1] & 0x7F
        if n_bytes > 125:
            n_bytes = int.from_bytes(self._file.read(2 if n_bytes == 126 else 8), "big")
        payload = self._file.read(n_bytes)
        return payload if head[0] & 0x0F < 8 else self.receive(timeout_s)


class Stand:
    """A browser source and its input."""

    def __init__(self, port: int = 0, token: str = TOKEN, **options) -> None:
        self.pictures: Latest[Picture] = Latest()
        self.notices = NoticeBoard()
        self.source = BrowserSource(self.pictures, token, port, MonotonicClock(), self.notices, **options)
        self.index = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Stand":
        self.source.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop_feeding()
        self.source.stop()

    @property
    def port(self) -> int:
        return self.source.status().port

    def put(self, pixels: np.ndarray) -> None:
        self.index += 1
        self.pictures.put(Picture(0, time.monotonic_ns(), self.index, pixels))

    def feed(self, pixels: np.ndarray, fps: int = 25) -> None:
        self._stop.clear()
        self._thread = threading.Thread(target=self._feed, args=(pixels, 1 / fps), name="fake-pictures")
        self._thread.start()

    def stop_feeding(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _feed(self, pixels: np.ndarray, period_s: float) -> None:
        while not self._stop.wait(period_s):
            self.put(pixels)


def wait_until(is_so, timeout_s: float = DEADLINE_S) -> None:
    t_limit_s = time.monotonic() + timeout_s
    while not is_so() and time.monotonic() < t_limit_s:
        time.sleep(0.02)
    assert is_so()
