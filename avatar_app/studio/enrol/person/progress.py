"""Progress of an enrolment over all its steps, with the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

# A shorter interval between two reports of one step has no use.
REPORT_S = 0.25
# The measured speed replaces the expected one as more of the work is done.
TRUST_AFTER_S = 20.0


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an enrolment.

    Attributes:
        name: its key.
        title: for the user.
        cost_s: expected duration on two cores (AMD EPYC, AVX-512).
    """

    name: str
    title: str
    cost_s: float


@dataclass(frozen=True, slots=True)
class Report:
    """The state of an enrolment.

    Attributes:
        step: the running step.
        number, n_steps: its number from 1, and the number of steps.
        done: share of the step, 0..1.
        done_in_all: share of the whole.
        eta_s: seconds left in all.
        preview: a picture of what has been learned so far.
    """

    step: Step
    number: int
    n_steps: int
    done: float
    done_in_all: float
    eta_s: float
    preview: Path | None = None


class Progress:
    """Counts the steps of one run. Thread: one.

    Args:
        steps: all of them, in order.
        report_to: receives the reports.
        now_s: a monotonic clock.
    """

    def __init__(
        self, steps: Sequence[Step], report_to: Callable[[Report], None], now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._steps, self._report_to, self._now_s = list(steps), report_to, now_s
        self._number = 0
        self._worked_s = self._expected_s = 0.0
        self._t_start_s = self._t_reported_s = now_s()
        self._preview: Path | None = None
        self._was_done = 0.0

    def start(self, name: str, done: float = 0.0) -> None:
        """Begin a step.

        Args:
            name: of the step.
            done: the share that an earlier run has done.
        """
        self._number = [step.name for step in self._steps].index(name)
        self._t_start_s, self._was_done = self._now_s(), done
        self._report(done)

    def skip(self, name: str) -> None:
        """Pass a step that an earlier run has finished."""
        self.start(name, 1.0)

    def advance(self, done: float) -> None:
        """Report the share of the step that is done."""
        if self._now_s() - self._t_reported_s >= REPORT_S:
            self._report(done)

    def show(self, preview: Path) -> None:
        """Add a picture of what has been learned so far to the next reports."""
        self._preview = preview

    def finish(self) -> None:
        """End the step."""
        step = self._steps[self._number]
        self._worked_s += self._now_s() - self._t_start_s
        self._expected_s += step.cost_s * (1 - self._was_done)
        self._t_start_s, self._was_done = self._now_s(), 1.0
        self._report(1.0)

    def _report(self, done: float) -> None:
        self._t_reported_s = self._now_s()
        done = min(1.0, max(0.0, done))
        step = self._steps[self._number]
        before_s = sum(one.cost_s for one in self._steps[: self._number])
        all_s = sum(one.cost_s for one in self._steps)
        left_s = all_s - before_s - step.cost_s * done
        self._report_to(
            Report(
                step,
                self._number + 1,
                len(self._steps),
                done,
                1 - left_s / all_s,
                left_s * self._slowness(step.cost_s * max(0.0, done - self._was_done)),
                self._preview,
            )
        )

    def _slowness(self, step_expected_s: float) -> float:
        """Measured duration relative to the expected one; 1 before there is a measurement."""
        worked_s = self._worked_s + self._now_s() - self._t_start_s
        expected_s = self._expected_s + step_expected_s
        return (worked_s + TRUST_AFTER_S) / (expected_s + TRUST_AFTER_S)
