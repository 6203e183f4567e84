"""What the live path tells of itself."""

from __future__ import annotations

from dataclasses import dataclass

from avatar_app.live.mic import MicStatus


@dataclass(frozen=True, slots=True)
class OpenDevices:
    """Which devices that watch or listen to the user are open, also while one is being opened or closed."""

    has_mic: bool
    has_webcam: bool


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """One look at the running pipeline; times in milliseconds, rates in frames per second.

    `head_ms` is from a picture of the webcam to the first picture of the avatar that follows it: p50 and p95.
    """

    is_running: bool
    fps_out: float
    stage_ms: dict[str, tuple[float, float]]
    latency_p50_ms: float
    latency_p95_ms: float
    engine: str
    precision: str
    model: str
    lookahead_ms: int
    n_dropped: int
    n_repeated: int
    n_missed: int
    rss_mb: float
    cpu_percent: float
    head_ms: tuple[float, float]
    mic: MicStatus
    is_speaking: bool
    t_first_mouth_ns: int | None
