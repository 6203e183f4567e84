"""State and counts of the virtual camera."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class CameraState(enum.Enum):
    """State of the virtual camera."""

    STOPPED = "stopped"
    RUNNING = "running"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """Status of the camera.

    Attributes:
        backend, device: in use; "" while none is open.
        size: width and height in pixels.
        fps: nominal rate.
        fps_achieved: rate over the last two seconds.
        n_sent: pictures sent since `start`, of which
        n_repeated: were the previous one again, because no new one had arrived;
        n_placeholders: were the placeholder.
        n_late: ticks skipped, because the camera or the machine was busy.
        is_placeholder: whether viewers see the placeholder now.
        keeps_alpha: whether transparency reaches the viewers.
        latency_p50_ms, latency_p95_ms: from the capture of the sound to the camera; NaN before the first picture.
        blocked_ms: how long the driver has been blocking on the last picture.
        problem: why it is lost; "" otherwise.
    """

    state: CameraState
    backend: str
    device: str
    size: tuple[int, int]
    fps: int
    fps_achieved: float
    n_sent: int
    n_repeated: int
    n_placeholders: int
    n_late: int
    is_placeholder: bool
    keeps_alpha: bool
    latency_p50_ms: float
    latency_p95_ms: float
    blocked_ms: float
    problem: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts since the start."""

    n_sent: int = 0
    n_repeated: int = 0
    n_placeholders: int = 0
    n_late: int = 0
