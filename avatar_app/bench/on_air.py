"""What going on air costs, part by part, and a soak of all of it at once."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil

from avatar_app.bench import browser
from avatar_app.bench.live import running
from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.live.browser import new_token
from avatar_app.live.on_air import OnAir
from avatar_app.live.record import measure_cost
from avatar_app.live.voice.cost import core_percent
from avatar_app.live.voice.simulate import Day, simulate
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings

SOAK_SAMPLE_S = 2.0
# Buffers fill and allocators settle for so long, but for no more than this share of the soak.
SOAK_WARM_UP_S, SOAK_WARM_UP_SHARE = 120.0, 0.3
SECONDS_PER_HOUR = 3600
PORT = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the process."""

    t_s: float
    rss_mb: float
    n_threads: int
    n_handles: int
    n_pictures: int


def measure(seconds: float) -> dict[str, Any]:
    """Browser source with two viewers, recording, the voice, and eight simulated hours of two clocks that differ."""
    cost = measure_cost(browser.pictures("nova"), fps=30, seconds=seconds)
    lived = simulate(Day(hours=8.0 if seconds > SOAK_SAMPLE_S else 0.1))
    return {
        "browser": browser.measure(seconds=seconds),
        "record": {
            "encoder": cost.encoder,
            "percent_of_one_core": round(cost.cpu_percent_of_one_core, 1),
            "mb_per_min": round(cost.mb_per_min, 1),
        },
        "voice": {"percent_of_one_core": round(core_percent(seconds=seconds), 2)},
        "simulated_hours": {"p1_ms": round(lived.skew.p1_ms, 2), "p99_ms": round(lived.skew.p99_ms, 2)},
    }


def soak(
    settings: Settings, paths: ProfilePaths, minutes: float, tell: Callable[[str], object] = sys.stderr.write
) -> dict[str, Any]:
    """Microphone, face, browser source with a viewer, and a recording, all at once, for a long time.

    Args:
        settings: the microphone, look-ahead and rate to use; the voice is played where an output is chosen.
        paths: caches.
        minutes: how long.
        tell: gets a line of progress a minute.

    Returns:
        `rss_mb_per_hour` after the warm-up, growth of threads and handles, `fps_error_percent`, and what was lost.

    Raises:
        OutputError: nothing can be recorded.
    """
    with tempfile.TemporaryDirectory() as folder:
        wanted = settings.replace(is_browser_on=True, record_folder=folder)
        with running(wanted, paths) as pipeline:
            on_air = OnAir(pipeline, wanted, new_token(), MonotonicClock(), NoticeBoard(), {}, dict)
            on_air.start()
            counter = pipeline.add_sink("soak")
            try:
                on_air.start_recording()
                samples = _watch(lambda: counter.n_put, 60 * minutes, tell)
                status = on_air.status()
            finally:
                on_air.stop()
    found = soak_figures(samples, wanted.fps)
    return {**found, "n_dropped": status.record.n_dropped, "voice_skew_p99_ms": _rounded(status.voice.skew.p99_ms)}


def soak_figures(samples: Sequence[Sample], fps: int) -> dict[str, Any]:
    """What samples of a soak say.

    Args:
        samples: in order, at least four.
        fps: pictures a second that were wanted.
    """
    t_end_s = samples[-1].t_s
    warm_s = samples[0].t_s + min(SOAK_WARM_UP_S, SOAK_WARM_UP_SHARE * (t_end_s - samples[0].t_s))
    kept = [sample for sample in samples if sample.t_s >= warm_s]
    t_s, rss_mb = np.array([s.t_s for s in kept]), np.array([s.rss_mb for s in kept])
    first, last = kept[0], kept[-1]
    took_s, n_shown = last.t_s - first.t_s, last.n_pictures - first.n_pictures
    return {
        "minutes": round((t_end_s - samples[0].t_s) / 60, 2),
        "rss_mb": round(float(rss_mb.max()), 1),
        "rss_mb_per_hour": round(float(np.polyfit(t_s, rss_mb, 1)[0]) * SECONDS_PER_HOUR, 2),
        "threads_more": last.n_threads - first.n_threads,
        "handles_more": last.n_handles - first.n_handles,
        "fps": round(n_shown / took_s, 3),
        # Whole pictures were counted: the count is uncertain by one.
        "fps_error_percent": round(100 * max(0.0, abs(n_shown - fps * took_s) - 1) / (fps * took_s), 3),
    }


def _watch(count: Callable[[], int], seconds: float, tell: Callable[[str], object]) -> list[Sample]:
    process, samples, t_begin_s, n_told = psutil.Process(), [], time.monotonic(), 0
    while (t_s := time.monotonic() - t_begin_s) < seconds:
        samples.append(
            Sample(t_s, process.memory_info().rss / 1e6, process.num_threads(), _n_handles(process), count())
        )
        if t_s // 60 > n_told:
            n_told = int(t_s // 60)
            tell(f"soak: {n_told} of {seconds / 60:.0f} min, {samples[-1].rss_mb:.0f} MB\n")
        time.sleep(min(SOAK_SAMPLE_S, seconds / 20))
    return samples


def _n_handles(process: psutil.Process) -> int:
    """Open files and sockets."""
    count: Callable[[], int] = process.num_handles if sys.platform == "win32" else process.num_fds
    return count()


def _rounded(value: float) -> float | None:
    return round(value, 1) if np.isfinite(value) else None
