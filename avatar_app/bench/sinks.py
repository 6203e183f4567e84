"""Cost of each sink."""

from __future__ import annotations

from typing import Any

from avatar_app.bench import browser
from avatar_app.bench.record_cost import measure_cost
from avatar_app.bench.voice_cost import core_percent
from avatar_app.bench.voice_simulation import Scenario, simulate

# Shorter runs simulate less than a day.
QUICK_S = 2.0


def measure(seconds: float) -> dict[str, Any]:
    """Browser source with two viewers, recording, the voice, and eight simulated hours of two clocks that differ."""
    cost = measure_cost(browser.pictures("nova"), fps=30, seconds=seconds)
    outcome = simulate(Scenario(hours=8.0 if seconds > QUICK_S else 0.1))
    return {
        "browser": browser.measure(seconds=seconds),
        "record": {
            "encoder": cost.encoder,
            "percent_of_one_core": round(cost.cpu_percent_of_one_core, 1),
            "mb_per_min": round(cost.mb_per_min, 1),
        },
        "voice": {"percent_of_one_core": round(core_percent(seconds=seconds), 2)},
        "simulated_hours": {"p1_ms": round(outcome.skew.p1_ms, 2), "p99_ms": round(outcome.skew.p99_ms, 2)},
    }
