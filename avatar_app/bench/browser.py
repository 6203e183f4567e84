"""The cost of the browser source: the same pictures without viewers, then with viewers in another process."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from itertools import cycle
from typing import Any

import numpy as np
import psutil

from avatar_app.bench import program
from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.handoff import Latest
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import Picture, UInt8
from avatar_app.contracts.units import ns_to_ms
from avatar_app.live.browser import BrowserSource, new_token
from avatar_app.live.frame import Pacer, load_avatar

N_PICTURES = 50
CONNECT_TIMEOUT_S = 20.0
NEVER = threading.Event()


def measure(avatar_id: str = "nova", seconds: float = 20.0, n_viewers: int = 2, fps: int = 30) -> dict[str, Any]:
    """Measure the processor time that viewers cost this process, and the age of pictures when they arrive.

    Returns:
        `added_percent_of_one_core`, `fps_seen` of the slowest viewer, `age_p50_ms`, `age_p95_ms`, `n_dropped`.

    Raises:
        AvatarError: there is no such avatar.
    """
    frames, mailbox = pictures(avatar_id), Latest[Picture]()
    source = BrowserSource(mailbox, new_token(), 0, MonotonicClock(), NoticeBoard())
    source.start()
    try:
        alone_percent, _ = _feed(mailbox, frames, fps, seconds)
        child = start_viewers(source.page_url, n_viewers)
        _wait_for_viewers(source, n_viewers)
        viewed_percent, t_put_ns = _feed(mailbox, frames, fps, seconds)
        n_dropped = source.status().n_dropped
    finally:
        source.stop()
    seen = json.loads(child.communicate(timeout=CONNECT_TIMEOUT_S)[0])
    ages_ms = [ns_to_ms(t_ns - t_put_ns[index]) for viewer in seen for index, t_ns in viewer if index in t_put_ns]
    return {
        "added_percent_of_one_core": round(viewed_percent - alone_percent, 1),
        "fps_seen": round(min(len(viewer) for viewer in seen) / seconds, 2),
        "age_p50_ms": round(float(np.percentile(ages_ms, 50)), 2),
        "age_p95_ms": round(float(np.percentile(ages_ms, 95)), 2),
        "n_dropped": n_dropped,
        "n_viewers": n_viewers,
        "fps": fps,
    }


def pictures(avatar_id: str) -> list[UInt8]:
    """Fifty idle pictures of an avatar, (512, 512, 4) uint8 BGRA with alpha.

    Raises:
        AvatarError: there is no such avatar.
    """
    renderer = load_avatar(avatar_id).renderer()
    return [renderer.render(k % renderer.n_idle) for k in range(N_PICTURES)]


def _feed(mailbox: Latest[Picture], pictures: list[UInt8], fps: int, seconds: float) -> tuple[float, dict[int, int]]:
    """Feed pictures for a while.

    Returns:
        Percent of one core that this process used, and the instant of each picture by its number.
    """
    clock, process, t_put_ns = MonotonicClock(), psutil.Process(), {}
    pacer = Pacer(clock, fps, clock.now_ns())
    before_s, t_start_s = program.busy_s(process), time.monotonic()
    for pixels in cycle(pictures):
        tick = pacer.next_tick(NEVER)
        now_ns = clock.now_ns()
        if tick is not None:
            t_put_ns[tick.index] = now_ns
            mailbox.put(Picture(now_ns, now_ns, tick.index, pixels))
        if time.monotonic() - t_start_s >= seconds:
            break
    busy_s, took_s = program.busy_s(process) - before_s, time.monotonic() - t_start_s
    return 100 * busy_s / took_s, t_put_ns


def start_viewers(page_url: str, n_viewers: int) -> subprocess.Popen[str]:
    """Start viewers of a browser source in another process; they end with the source.

    Returns:
        The process. At its end it prints JSON: for each viewer a list of pairs, the number of a picture and the
        instant of the monotonic clock at which it arrived, in nanoseconds.
    """
    # Not -m, because the package has imported this module already.
    command = [sys.executable, "-c", f"from {__name__} import main; main()", page_url, str(n_viewers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own module


def _wait_for_viewers(source: BrowserSource, n_viewers: int) -> None:
    t_limit_s = time.monotonic() + CONNECT_TIMEOUT_S
    while source.status().n_viewers < n_viewers and time.monotonic() < t_limit_s:
        time.sleep(0.05)


async def _view(page_url: str) -> list[tuple[int, int]]:
    """View until the source ends, as the page does.

    Returns:
        Number and arrival instant of each picture.
    """
    import aiohttp

    seen = []
    address = page_url.replace("http://", "ws://").replace("/?", "/pictures?")
    async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as pictures:
        async for message in pictures:
            seen.append((int.from_bytes(message.data[:4], "little"), time.monotonic_ns()))
            await pictures.send_str("shown")
    return seen


async def _view_all(page_url: str, n_viewers: int) -> list[list[tuple[int, int]]]:
    return await asyncio.gather(*(_view(page_url) for _ in range(n_viewers)))


def main() -> None:
    """Entry point of the viewers' process: view, then print what arrived."""
    sys.stdout.write(json.dumps(asyncio.run(_view_all(sys.argv[1], int(sys.argv[2])))))
