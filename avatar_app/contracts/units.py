"""Conversions between units of time."""

from __future__ import annotations

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


def ns_to_ms(t_ns: int) -> float:
    """Nanoseconds as milliseconds."""
    return t_ns / NS_PER_MS


def ms_to_ns(t_ms: float) -> int:
    """Milliseconds as whole nanoseconds."""
    return round(t_ms * NS_PER_MS)


def s_to_ns(t_s: float) -> int:
    """Seconds as whole nanoseconds."""
    return round(t_s * NS_PER_S)


def ns_to_s(t_ns: int) -> float:
    """Nanoseconds as seconds."""
    return t_ns / NS_PER_S


def samples_to_ns(n_samples: int, rate_hz: int) -> int:
    """Duration of `n_samples` at `rate_hz`, exact for whole seconds."""
    return n_samples * NS_PER_S // rate_hz
