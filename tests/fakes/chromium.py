"""Real headless Chromium, driven by its own debugging protocol."""

import asyncio
import base64
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import aiohttp
import cv2
import numpy as np

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--remote-debugging-port=0", "--remote-allow-origins=*", "--window-size=800,600",
)  # fmt: skip
START_S = 60


def find_chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Tab:
    """One page. Calls are answered in order; events are left aside."""

    def __init__(self, chromium: "Chromium", socket: aiohttp.ClientWebSocketResponse) -> None:
        self._run = chromium.run
        self._socket = socket
        self._n_calls = 0
        self.call("Emulation.setDefaultBackgroundColorOverride", color={"r": 0, "g": 0, "b": 0, "a": 0})

    def call(self, method: str, **parameters):
        self._n_calls += 1
        return self._run(self._call(self._n_calls, method, parameters))

    async def _call(self, number: int, method: str, parameters: dict):
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while (message := await self._socket.receive_json()).get("id") != number:
            pass
        assert "error" not in message, message
        return message["result"]

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def reload(self) -> None:
        self.call("Page.reload")

    def value(self, expression: str):
        """What a script gives; None where it fails."""
        return self.call("Runtime.evaluate", expression=expression, awaitPromise=True)["result"].get("value")

    def screenshot(self) -> np.ndarray:
        """(H, W, 4) BGRA."""
        data = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)

    def close(self) -> None:
        self._run(self._socket.close())


class Chromium:
    """A browser with an empty profile."""

    def __init__(self, profile: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._session = self.run(self._new_session())
        self._log = profile / "log"
        profile.mkdir(parents=True)
        command = [find_chromium(), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        with self._log.open("w") as log:
            # A session of its own: Chromium is many processes, and all must go.
            self._process = subprocess.Popen(command, stderr=log, stdout=log, start_new_session=True)
        self._port = self._wait_for_port()

    def run(self, coroutine):
        return self._loop.run_until_complete(asyncio.wait_for(coroutine, START_S))

    def new_tab(self) -> Tab:
        return Tab(self, self.run(self._open_tab()))

    def close(self) -> None:
        self.run(self._session.close())
        self._loop.close()
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    async def _new_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    async def _open_tab(self) -> aiohttp.ClientWebSocketResponse:
        async with self._session.put(f"http://127.0.0.1:{self._port}/json/new?about:blank") as answer:
            address = (await answer.json())["webSocketDebuggerUrl"]
        return await self._session.ws_connect(address, max_msg_size=0)

    def _wait_for_port(self) -> int:
        t_limit_s = time.monotonic() + START_S
        while time.monotonic() < t_limit_s and self._process.poll() is None:
            found = re.search(r"DevTools listening on ws://127\.0\.0\.1:(\d+)/", self._log.read_text())
            if found:
                return int(found.group(1))
            time.sleep(0.05)
        raise AssertionError(f"Chromium did not start: {self._log.read_text()}")
