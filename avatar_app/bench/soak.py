"""Soak test: the whole program with microphone, browser source, viewer and recording for a long time."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil

from avatar_app.bench import browser, program
from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.units import NS_PER_S, ns_to_ms
from avatar_app.settings import store
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings
from avatar_app.settings.secret import secret

SAMPLE_S = 2.0
# Time for buffers and allocators to settle, and its limit as a share of the test.
WARM_UP_S, WARM_UP_SHARE = 120.0, 0.3
START_TIMEOUT_S = 60.0
SECONDS_PER_HOUR = 3600

Arrivals = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Sample:
    """Resources of the process at an instant."""

    t_s: float
    rss_mb: float
    n_threads: int
    n_handles: int


def soak(settings: Settings, minutes: float, on_progress: Callable[[str], object] = sys.stderr.write) -> dict[str, Any]:
    """Run everything together, and measure the process from outside.

    Args:
        settings: with microphone, look-ahead and frame rate; with an output, the voice plays.
        minutes: duration.
        on_progress: gets a line per minute.

    Returns:
        The figures of `soak_figures` and `rate_figures`, and `recording`.

    Raises:
        OutputError: the program did not start, or ended early.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths, videos = ProfilePaths(Path(folder) / "profile"), Path(folder) / "videos"
        videos.mkdir()
        port = _free_port()
        wanted = settings.replace(
            is_browser_on=True, browser_port=port, record_folder=str(videos), is_kiosk=False, is_muted=False
        )
        store.save(paths, wanted, NoticeBoard())
        with (Path(folder) / "log").open("w+", encoding="utf-8") as log:
            child = program.start(paths.config_file.parent, ["--startrecording"], log)
            try:
                page_url = f"http://127.0.0.1:{port}/?token={secret(paths.state_dir / 'browser-token')}"
                _wait_for(page_url, lambda: child.poll() is None)
                viewer = browser.start_viewers(page_url, 1)
                samples = _watch(psutil.Process(child.pid), 60 * minutes, on_progress)
            finally:
                child.terminate()
                child.wait(program.END_TIMEOUT_S)
        seen: list[Arrivals] = json.loads(viewer.communicate(timeout=program.END_TIMEOUT_S)[0])
        return {**soak_figures(samples), **rate_figures(seen[0], wanted.fps), "recording": _recorded(videos)}


def soak_figures(samples: Sequence[Sample]) -> dict[str, Any]:
    """Growth of the process after the warm-up.

    Args:
        samples: in order, at least four.
    """
    t_end_s = samples[-1].t_s
    warm_s = samples[0].t_s + min(WARM_UP_S, WARM_UP_SHARE * (t_end_s - samples[0].t_s))
    kept = [sample for sample in samples if sample.t_s >= warm_s]
    t_s, rss_mb = np.array([s.t_s for s in kept]), np.array([s.rss_mb for s in kept])
    return {
        "minutes": round((t_end_s - samples[0].t_s) / 60, 2),
        "rss_mb": round(float(rss_mb.max()), 1),
        "rss_mb_per_hour": round(float(np.polyfit(t_s, rss_mb, 1)[0]) * SECONDS_PER_HOUR, 2),
        "threads_more": kept[-1].n_threads - kept[0].n_threads,
        "handles_more": kept[-1].n_handles - kept[0].n_handles,
    }


def rate_figures(arrivals: Arrivals, fps: int) -> dict[str, Any]:
    """Frame rate and gaps at a viewer.

    Args:
        arrivals: number and arrival instant in ns of each picture; those of the warm-up are skipped.
        fps: requested pictures per second.
    """
    numbers, t_ns = np.array(arrivals, np.int64).T
    warm_ns = t_ns[0] + min(WARM_UP_S * NS_PER_S, WARM_UP_SHARE * (t_ns[-1] - t_ns[0]))
    numbers, t_ns = numbers[t_ns >= warm_ns], t_ns[t_ns >= warm_ns]
    wanted = fps * float(t_ns[-1] - t_ns[0]) / NS_PER_S
    n_shown = len(numbers) - 1
    return {
        "fps": round(fps * n_shown / wanted, 3),
        # The count of whole pictures is uncertain by one.
        "fps_error_percent": round(100 * max(0.0, abs(n_shown - wanted) - 1) / wanted, 3),
        "n_not_seen": int(numbers[-1] - numbers[0]) - n_shown,
        "longest_gap_ms": round(ns_to_ms(int(np.diff(t_ns).max())), 1),
    }


def _recorded(folder: Path) -> dict[str, Any]:
    """Duration and pictures of the recording, read from its file."""
    recordings = sorted(file for file in folder.iterdir() if file.suffix == ".mp4")
    if not recordings:
        raise OutputError("Nothing was recorded during the soak.", "Read the log of the program.")
    t_s: dict[str, list[float]] = {"video": [], "audio": []}
    with av.open(str(recordings[0])) as container:
        for packet in container.demux(video=0, audio=0):
            if packet.pts is not None:
                t_s[packet.stream.type].append(float(packet.pts * packet.time_base))
    length_s = max(t_s["video"]) - min(t_s["video"])
    return {
        "seconds": round(length_s, 2),
        "fps": round((len(t_s["video"]) - 1) / length_s, 3),
        "sound_longer_ms": round(1000 * (max(t_s["audio"]) - max(t_s["video"])), 1),
        "mb": round(recordings[0].stat().st_size / 1e6, 1),
    }


def _watch(process: psutil.Process, seconds: float, on_progress: Callable[[str], object]) -> list[Sample]:
    samples, t_begin_s, n_minutes = [], time.monotonic(), 0
    while (t_s := time.monotonic() - t_begin_s) < seconds:
        try:
            samples.append(Sample(t_s, process.memory_info().rss / 1e6, process.num_threads(), _n_handles(process)))
        except psutil.Error as error:
            raise OutputError(
                f"The program ended after {t_s / 60:.1f} minutes.", "Start it with --json-log to see why."
            ) from error
        if t_s // 60 > n_minutes:
            n_minutes = int(t_s // 60)
            on_progress(f"soak: {n_minutes} of {seconds / 60:.0f} min, {samples[-1].rss_mb:.0f} MB\n")
        time.sleep(min(SAMPLE_S, seconds / 20))
    return samples


def _wait_for(page_url: str, is_alive: Callable[[], bool]) -> None:
    """Wait until the browser source answers."""
    t_limit_s = time.monotonic() + START_TIMEOUT_S
    while is_alive() and time.monotonic() < t_limit_s:
        with contextlib.suppress(OSError), urllib.request.urlopen(page_url, timeout=5):  # noqa: S310 - our own page
            return
        time.sleep(0.2)
    raise OutputError("The program did not start for the soak test.", "Start it with `avatar-app` to see why.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _n_handles(process: psutil.Process) -> int:
    """Number of open files and sockets."""
    count: Callable[[], int] = process.num_handles if sys.platform == "win32" else process.num_fds
    return count()
