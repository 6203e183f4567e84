"""The steps of an enrolment: what they cost, and running those that an earlier run has not finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from avatar_app.studio.enrol.person.progress import Progress, Step
from avatar_app.studio.enrol.person.workspace import Workspace

T = TypeVar("T")
# Receives the numbers of finished and of all parts of a step.
Count = Callable[[int, int], None]

# Seconds on two cores (AMD EPYC, AVX-512) for a minute of video.
COSTS_S = {
    "takes": 15.0, "track": 30.0, "crop": 15.0, "mouth": 10.0, "renderer": 300.0, "encoder": 120.0, "idle": 90.0,
    "publish": 90.0, "report": 40.0,
}  # fmt: skip
# The steps that learn take longer at a better quality.
QUALITY_COSTS_S = {
    "quick": {},
    "good": {"renderer": 1300.0, "encoder": 400.0},
    "best": {"renderer": 3300.0, "encoder": 400.0},
}
TITLES = {
    "takes": "Reading the video", "track": "Finding the face", "crop": "Cutting out the face",
    "mouth": "Measuring the mouth", "renderer": "Learning the mouth", "encoder": "Learning the voice",
    "idle": "Preparing the head", "publish": "Writing the avatar", "report": "Comparing with the video",
}  # fmt: skip


def steps_of(quality: str) -> list[Step]:
    """The steps in order, with their expected durations."""
    costs = {**COSTS_S, **QUALITY_COSTS_S[quality]}
    return [Step(name, TITLES[name], costs[name]) for name in TITLES]


class Steps:
    """Runs the steps of an enrolment, and skips those that an earlier run finished. Thread: one.

    Args:
        workspace: keeps the list of finished steps.
        progress: of this run.
    """

    def __init__(self, workspace: Workspace, progress: Progress) -> None:
        self.workspace, self._progress = workspace, progress
        self._facts: dict[str, Any] = {}

    def run(self, name: str, make: Callable[[Count], T], read: Callable[[], T] | None = None) -> T:
        """Run a step, or read what an earlier run made.

        Args:
            name: of the step.
            make: does it.
            read: reads the result of an earlier run; None makes it again, which must be quick then.
        """
        if read is not None and self.workspace.is_finished(name):
            result = read()
            self._progress.skip(name)
            return result
        self._facts = {}
        self._progress.start(name)
        t_start_s = time.monotonic()
        result = make(lambda n_done, n_all: self._progress.advance(n_done / max(1, n_all)))
        # A step that reads what an earlier run finished keeps the time of that run.
        before_s = self.workspace.facts(name).get("seconds", 0.0)
        seconds = max(before_s, round(time.monotonic() - t_start_s, 1))
        self.workspace.finish(name, {"seconds": seconds, **self._facts})
        self._progress.finish()
        return result

    def note(self, facts: Mapping[str, Any]) -> None:
        """Keep facts of the running step, in JSON types, for the report."""
        self._facts.update(facts)

    def show(self, preview: Path) -> None:
        """Show a picture of what has been learned so far."""
        self._progress.show(preview)
