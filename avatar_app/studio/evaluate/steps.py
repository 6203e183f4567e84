"""How far a comparison is, and how long it still takes: a teacher's minutes are not a student's seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import TextIO

from avatar_app.contracts.packets import LIVE_RATE_HZ
from avatar_app.studio.data.clips import FPS
from avatar_app.studio.evaluate import speed
from avatar_app.studio.evaluate.candidates import Contestant
from avatar_app.studio.evaluate.cost import model_cost
from avatar_app.studio.metrics.held_out import TestData

# Rough, for shares of the whole alone: what the live path costs per picture, and multiply-adds in a millisecond.
PATH_MS = 1.2
MACS_PER_MS = 1e8
FILM_S = 3.0


class Steps:
    """Tells on standard error what is done and how long the rest will take.

    Args:
        expected_s: by name, what each step should take; only their proportions matter.
        stream: where to; standard error when None.
    """

    def __init__(self, expected_s: Mapping[str, float], stream: TextIO | None = None) -> None:
        self._left_s = dict(expected_s)
        self._n_all, self._all_s = len(expected_s), sum(expected_s.values())
        self._stream = stream or sys.stderr
        self._t_start_s = time.monotonic()

    def __call__(self, what: str) -> None:
        """The step of this name is done."""
        self._left_s.pop(what, None)
        left_s = self.left_s(time.monotonic() - self._t_start_s)
        n_done = self._n_all - len(self._left_s)
        self._stream.write(f"{n_done:3d} of {self._n_all}  {_clock(left_s)} left  {what}\n")
        self._stream.flush()

    def left_s(self, took_s: float) -> float:
        """Seconds that the rest takes when what is done took `took_s`."""
        left_s = sum(self._left_s.values())
        return took_s * left_s / max(self._all_s - left_s, 1e-9)


def expected_steps(
    contestants: Sequence[Contestant], lookaheads_ms: Mapping[str, Sequence[int]], data: TestData, n_rounds: int
) -> dict[str, float]:
    """All steps of a comparison with what each should take.

    Args:
        contestants: who is compared.
        lookaheads_ms: by model, those that are measured.
        data: what they must draw.
        n_rounds: of the measurement of speed.
    """
    draw_ms = {c.spec.id: model_cost(c.folder, c.spec)["step"]["n_macs"] / MACS_PER_MS for c in contestants}
    n_clip = sum(len(test.mouths) for test in data.clips)
    sounds = (*(s for _, s, _ in data.voices), *(s for _, s in data.noises))
    n_all = n_clip + sum(len(sound) for sound in sounds) * FPS // LIVE_RATE_HZ
    turns_ms = [
        len(c.spec.files) * max(speed.TURN_MS, speed.STEPS_PER_TURN[0] * draw_ms[c.spec.id]) for c in contestants
    ]
    round_s = sum(turns_ms) * len(speed.ENGINES) * len(speed.N_THREADS) / 1000
    expected = {speed.round_name(k, n_rounds): round_s for k in range(n_rounds)}
    for c in contestants:
        picture_s = (draw_ms[c.spec.id] + PATH_MS) / 1000
        expected |= {f"{c.spec.id}, look-ahead {ms} ms": n_all * picture_s for ms in lookaheads_ms[c.spec.id]}
        n_drawn = n_clip * len(c.spec.files)
        expected |= {f"{c.spec.id}, precisions with {engine}": n_drawn * picture_s for engine in speed.ENGINES}
    film_s = FILM_S + sum(draw_ms.values()) * n_clip / max(1, len(data.clips)) / 1000
    return {**expected, **{f"pictures of {test.name}": film_s for test in data.clips}}


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
