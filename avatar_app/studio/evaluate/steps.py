"""Progress of a comparison, weighted by the expected duration of each step."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import TextIO

from avatar_app.contracts.packets import LIVE_RATE_HZ
from avatar_app.studio.data.clips import FPS
from avatar_app.studio.evaluate import speed
from avatar_app.studio.evaluate.candidates import Candidate
from avatar_app.studio.evaluate.model_cost import model_cost
from avatar_app.studio.metrics.held_out import TestData

# Rough estimates: cost of the live path per picture without the network, and multiply-adds per millisecond.
PATH_MS = 1.2
MACS_PER_MS = 1e8
VIDEO_S = 3.0


class Steps:
    """Prints each finished step and the estimated time left.

    Args:
        expected_s: expected duration of each step by name; only the proportions matter.
        stream: output; standard error if None.
    """

    def __init__(self, expected_s: Mapping[str, float], stream: TextIO | None = None) -> None:
        self._left_s = dict(expected_s)
        self._n_all, self._all_s = len(expected_s), sum(expected_s.values())
        self._stream = stream or sys.stderr
        self._t_start_s = time.monotonic()

    def __call__(self, what: str) -> None:
        """Report that the step of this name is finished."""
        self._left_s.pop(what, None)
        left_s = self.left_s(time.monotonic() - self._t_start_s)
        n_done = self._n_all - len(self._left_s)
        self._stream.write(f"{n_done:3d} of {self._n_all}  {_clock(left_s)} left  {what}\n")
        self._stream.flush()

    def left_s(self, took_s: float) -> float:
        """Estimated seconds left after `took_s` seconds."""
        left_s = sum(self._left_s.values())
        return took_s * left_s / max(self._all_s - left_s, 1e-9)


def expected_steps(
    candidates: Sequence[Candidate], lookaheads_ms: Mapping[str, Sequence[int]], data: TestData, n_rounds: int
) -> dict[str, float]:
    """All steps of a comparison with their expected durations in seconds.

    Args:
        candidates: the compared models.
        lookaheads_ms: measured look-aheads by model.
        data: held-out clips, voices and noises.
        n_rounds: rounds of the speed measurement.
    """
    step_ms = {c.spec.id: model_cost(c.folder, c.spec)["step"]["n_macs"] / MACS_PER_MS for c in candidates}
    n_clip = sum(len(test.mouths) for test in data.clips)
    sounds = (*(s for _, s, _ in data.voices), *(s for _, s in data.noises))
    n_all = n_clip + sum(len(sound) for sound in sounds) * FPS // LIVE_RATE_HZ
    turns_ms = [
        len(c.spec.files) * max(speed.TURN_MS, speed.STEPS_PER_TURN[0] * step_ms[c.spec.id]) for c in candidates
    ]
    round_s = sum(turns_ms) * len(speed.ENGINES) * len(speed.N_THREADS) / 1000
    expected = {speed.round_name(k, n_rounds): round_s for k in range(n_rounds)}
    for c in candidates:
        picture_s = (step_ms[c.spec.id] + PATH_MS) / 1000
        expected |= {f"{c.spec.id}, look-ahead {ms} ms": n_all * picture_s for ms in lookaheads_ms[c.spec.id]}
        n_generated = n_clip * len(c.spec.files)
        expected |= {f"{c.spec.id}, precisions with {engine}": n_generated * picture_s for engine in speed.ENGINES}
    video_s = VIDEO_S + sum(step_ms.values()) * n_clip / max(1, len(data.clips)) / 1000
    return {**expected, **{f"pictures of {test.name}": video_s for test in data.clips}}


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
