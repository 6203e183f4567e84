"""Latency and pacing of the live path."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.live.pipeline import LivePipeline, LiveStatus
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import LOOKAHEADS_MS, Settings

PACED_FPS = (25, 60)
START_TIMEOUT_S = 30.0


def latency(settings: Settings, paths: ProfilePaths, seconds: float) -> dict[str, Any]:
    """From microphone to finished picture, per stage and look-ahead; the demo sample replaces the microphone."""
    found = {}
    for ms in LOOKAHEADS_MS:
        with running(settings.replace(lookahead_ms=ms, mic="demo", fps=25), paths) as pipeline:
            time.sleep(seconds)
            found[f"lookahead_{ms}"] = _figures(pipeline.status())
    return found


def pacing(settings: Settings, paths: ProfilePaths, seconds: float) -> dict[str, Any]:
    """Pictures per second and missed ticks, for a low and a high frame rate."""
    found = {}
    for fps in PACED_FPS:
        with running(settings.replace(fps=fps, mic="demo"), paths) as pipeline:
            mailbox = pipeline.pictures.add()
            before, n_missed = mailbox.n_put, pipeline.status().n_missed
            t_start_s = time.monotonic()
            time.sleep(seconds)
            n_shown, took_s = mailbox.n_put - before, time.monotonic() - t_start_s
            found[f"fps_{fps}"] = {
                "wanted_fps": fps,
                # The count of whole pictures is uncertain by one.
                "achieved_fps": round(n_shown / took_s, 3),
                "error_percent": round(100 * max(0.0, abs(n_shown - fps * took_s) - 1) / (fps * took_s), 3),
                "n_missed": pipeline.status().n_missed - n_missed,
                "seconds": round(took_s, 1),
            }
    return found


@contextmanager
def running(settings: Settings, paths: ProfilePaths) -> Iterator[LivePipeline]:
    """A running pipeline that has rendered its first mouth."""
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
        pipeline.close()


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
