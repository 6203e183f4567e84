"""Processor time, memory and start of the whole program, measured from another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import psutil

from avatar_app.settings.schema import Settings

SAMPLE_S = 1.0
# Loading and the first pictures.
WARM_UP_S = 3.0
FIRST_PICTURE = "first talking picture"
END_TIMEOUT_S = 30.0


def measure(settings: Settings, seconds: float) -> dict[str, Any]:
    """Processor and memory of the whole program, and how long it takes to start.

    The program starts twice: the first start ranks the engines and is not measured.
    """
    with tempfile.TemporaryDirectory() as profile:
        _run(settings, Path(profile), 20.0)
        return _run(settings, Path(profile), seconds + WARM_UP_S)


def start(profile: Path, arguments: Sequence[str], log: IO[str]) -> subprocess.Popen[bytes]:
    """Start the window, offscreen if there is no screen.

    Args:
        profile: folder of its settings.
        arguments: of its command line.
        log: gets its JSON log.
    """
    command = [sys.executable, "-m", "avatar_app", *arguments, "--profile-dir", str(profile), "--json-log"]
    platform = {} if has_screen() else {"QT_QPA_PLATFORM": "offscreen"}
    return subprocess.Popen(command, stderr=log, env={**os.environ, **platform})  # noqa: S603 - our own program


def busy_s(*processes: psutil.Process) -> float:
    """User and system time of processes in seconds."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def has_screen() -> bool:
    """Whether there is a screen for a window."""
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) or sys.platform != "linux"


def _run(settings: Settings, profile: Path, seconds: float) -> dict[str, Any]:
    arguments = ["--mic", "demo", "--fps", "25", "--duration", str(seconds + WARM_UP_S)]
    arguments += ["--engine", settings.engine, "--precision", settings.precision]
    arguments += ["--model", settings.model] if settings.model else []
    with tempfile.TemporaryFile("w+") as log:
        t_start_s = time.time()
        child = start(profile, arguments, log)
        samples = _watch(psutil.Process(child.pid), seconds)
        child.wait(timeout=END_TIMEOUT_S)
        log.seek(0)
        first_s = _first_talking_s(log.read(), t_start_s)
    cpu = [percent for percent, _ in samples]
    rss_mb = [mb for _, mb in samples]
    return {
        "cpu_percent_of_one_core": round(float(np.mean(cpu)), 1) if cpu else None,
        "rss_mb": round(max(rss_mb), 1) if rss_mb else None,
        "rss_growth_mb_per_min": round(_slope_per_min(rss_mb), 2) if len(rss_mb) > 10 else None,
        "first_talking_frame_s": first_s,
        "screen": "the real one" if has_screen() else "offscreen",
        "seconds": len(samples) * SAMPLE_S,
    }


def _watch(process: psutil.Process, seconds: float) -> list[tuple[float, float]]:
    """Percent of one core and resident megabytes, once per second, after the warm-up."""
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
    """Growth in the second half; caches fill in the first."""
    late = rss_mb[len(rss_mb) // 2 :]
    return float(np.polyfit(np.arange(len(late)) * SAMPLE_S / 60, late, 1)[0])


def _first_talking_s(log_text: str, t_start_s: float) -> float | None:
    """Seconds from the start of the process to the first picture with a moving mouth, from the log of the program."""
    for line in log_text.splitlines():
        if line.startswith("{") and FIRST_PICTURE in line:
            return round(float(json.loads(line)["t_s"]) - t_start_s, 2)
    return None
