"""The live path while it runs: latency, pacing, and what the whole program costs."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import psutil

from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.live.pipeline import LivePipeline, LiveStatus
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import LOOKAHEADS_MS, Settings

SAMPLE_S = 1.0
# Loading, and the first pictures.
WARM_UP_S = 3.0
PACED_FPS = (25, 60)
FIRST_PICTURE = "first talking picture"
START_TIMEOUT_S = 30.0


def latency(settings: Settings, paths: ProfilePaths, seconds: float) -> dict[str, Any]:
    """Microphone to finished picture, and every stage, for each look-ahead; the demo sample is the microphone."""
    found = {}
    for ms in LOOKAHEADS_MS:
        with running(settings.replace(lookahead_ms=ms, mic="demo", fps=25), paths) as pipeline:
            time.sleep(seconds)
            found[f"lookahead_{ms}"] = _figures(pipeline.status())
    return found


def pacing(settings: Settings, paths: ProfilePaths, seconds: float) -> dict[str, Any]:
    """Pictures a second and missed ticks, for a slow and a fast rate."""
    found = {}
    for fps in PACED_FPS:
        with running(settings.replace(fps=fps, mic="demo"), paths) as pipeline:
            sink = pipeline.add_sink("bench")
            before, n_missed = sink.n_put, pipeline.status().n_missed
            t_start_s = time.monotonic()
            time.sleep(seconds)
            n_shown, took_s = sink.n_put - before, time.monotonic() - t_start_s
            found[f"fps_{fps}"] = {
                "wanted_fps": fps,
                # Whole pictures were counted: the count is uncertain by one.
                "achieved_fps": round(n_shown / took_s, 3),
                "error_percent": round(100 * max(0.0, abs(n_shown - fps * took_s) - 1) / (fps * took_s), 3),
                "n_missed": pipeline.status().n_missed - n_missed,
                "seconds": round(took_s, 1),
            }
    return found


def program(settings: Settings, seconds: float) -> dict[str, Any]:
    """The real window in a process of its own: processor, memory, and the start.

    Two starts: the first measures the engines and is not counted.
    """
    with tempfile.TemporaryDirectory() as profile:
        _run_program(settings, profile, 20.0)
        return _run_program(settings, profile, seconds + WARM_UP_S)


@contextmanager
def running(settings: Settings, paths: ProfilePaths) -> Iterator[LivePipeline]:
    """A pipeline that talks, until the block ends."""
    clock = MonotonicClock()
    pipeline = LivePipeline(settings, paths, clock, NoticeBoard())
    pipeline.start()
    try:
        t_limit_s = time.monotonic() + START_TIMEOUT_S
        while pipeline.status().t_first_mouth_ns is None and time.monotonic() < t_limit_s:
            time.sleep(0.05)
        time.sleep(1.0)
        yield pipeline
    finally:
        pipeline.stop()


def _figures(status: LiveStatus) -> dict[str, Any]:
    stages = {name: {"p50": _rounded(p50), "p95": _rounded(p95)} for name, (p50, p95) in status.stage_ms.items()}
    return {
        "p50_ms": _rounded(status.latency_p50_ms),
        "p95_ms": _rounded(status.latency_p95_ms),
        "stage_ms": {name: stage for name, stage in stages.items() if stage["p50"] is not None},
        "engine": status.engine,
        "precision": status.precision,
        "n_dropped": status.n_dropped,
        "n_repeated": status.n_repeated,
    }


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 2)


def _run_program(settings: Settings, profile: str, seconds: float) -> dict[str, Any]:
    """Run the window for a while and watch the process from outside."""
    has_screen = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) or sys.platform != "linux"
    platform = {} if has_screen else {"QT_QPA_PLATFORM": "offscreen"}
    words = ["--mic", "demo", "--fps", "25", "--model", settings.model, "--profile-dir", profile]
    words += ["--duration", str(seconds + WARM_UP_S), "--json-log"]
    command = [
        sys.executable,
        "-m",
        "avatar_app",
        *(words if settings.model else [w for w in words if w != "--model" and w]),
    ]
    with tempfile.TemporaryFile("w+") as log:
        t_start_s = time.time()
        child = subprocess.Popen(command, stderr=log, env={**os.environ, **platform})  # noqa: S603 - our own program
        samples = _watch(psutil.Process(child.pid), seconds)
        child.wait(timeout=START_TIMEOUT_S)
        log.seek(0)
        first_s = _first_talking_s(log.read(), t_start_s)
    cpu = [percent for percent, _ in samples]
    rss_mb = [mb for _, mb in samples]
    return {
        "cpu_percent_of_one_core": round(float(np.mean(cpu)), 1) if cpu else None,
        "rss_mb": round(max(rss_mb), 1) if rss_mb else None,
        "rss_growth_mb_per_min": round(_slope_per_min(rss_mb), 2) if len(rss_mb) > 10 else None,
        "first_talking_frame_s": first_s,
        "screen": "the real one" if has_screen else "offscreen",
        "seconds": len(samples) * SAMPLE_S,
    }


def _watch(process: psutil.Process, seconds: float) -> list[tuple[float, float]]:
    """Percent of one core and resident megabytes, once a second, after the warm-up."""
    samples = []
    time.sleep(2 * WARM_UP_S)
    process.cpu_percent()
    t_end_s = time.monotonic() + seconds - 2 * WARM_UP_S
    while time.monotonic() < t_end_s:
        time.sleep(SAMPLE_S)
        try:
            samples.append((process.cpu_percent(), process.memory_info().rss / 1e6))
        except psutil.NoSuchProcess:
            break
    return samples


def _slope_per_min(rss_mb: list[float]) -> float:
    """Growth, from the second half alone: the first still fills caches."""
    late = rss_mb[len(rss_mb) // 2 :]
    return float(np.polyfit(np.arange(len(late)) * SAMPLE_S / 60, late, 1)[0])


def _first_talking_s(log_text: str, t_start_s: float) -> float | None:
    """Seconds from the start of the process to the first talking picture, by the program's own log."""
    for line in log_text.splitlines():
        if line.startswith("{") and FIRST_PICTURE in line:
            return round(float(json.loads(line)["t_s"]) - t_start_s, 2)
    return None
