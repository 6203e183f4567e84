"""`avatar-app bench`: measures speed, latency, pacing and memory on this machine.

The JSON (`--json`) is for other programs; its format has a version, `schema`, and is described in
`packaging/interfaces.md`.
"""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from avatar_app import machine
from avatar_app.bench import head_tracking, live, pose, program, report, sinks, soak, students, video
from avatar_app.contracts.errors import SettingsError
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings

SCHEMA = 1
LIVE_S = 60.0
QUICK_S = 6.0
LATENCY_S = 20.0
SINKS_S = 20.0
POSE_S = 20.0


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure.

    Attributes:
        is_quick: shorter measurements.
        sections: their names; empty means all.
        live_s: seconds of each live measurement; None means the default.
        soak_min: minutes of a soak test, which runs alone; None means no soak test.
    """

    is_quick: bool = False
    sections: tuple[str, ...] = ()
    live_s: float | None = None
    soak_min: float | None = None

    @property
    def seconds(self) -> float:
        """Length of a live measurement."""
        return self.live_s or (QUICK_S if self.is_quick else LIVE_S)


Section = Callable[[Settings, ProfilePaths, Options], dict[str, Any]]

SECTIONS: dict[str, Section] = {
    "students": lambda settings, paths, options: students.measure(0.3 if options.is_quick else 1.0, paths.models_dir),
    "latency": lambda settings, paths, options: live.latency(settings, paths, min(options.seconds, LATENCY_S)),
    "pacing": lambda settings, paths, options: live.pacing(settings, paths, options.seconds),
    "program": lambda settings, paths, options: program.measure(settings, options.seconds),
    "pose": lambda settings, paths, options: pose.measure(min(options.seconds, POSE_S)),
    "follow": lambda settings, paths, options: head_tracking.measure(settings, paths, options.seconds),
    "render": lambda settings, paths, options: video.measure(settings, paths),
    "on_air": lambda settings, paths, options: sinks.measure(min(options.seconds, SINKS_S)),
}


def parse_sections(text: str | None) -> tuple[str, ...]:
    """Names in a comma-separated list of sections.

    Raises:
        SettingsError: there is no such section.
    """
    wanted = tuple(part.strip() for part in (text or "").split(",") if part.strip())
    for name in wanted:
        if name not in SECTIONS:
            near = difflib.get_close_matches(name, SECTIONS, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(SECTIONS)}."
            raise SettingsError(f"There is no section named {name!r}.", hint)
    return wanted


def run(settings: Settings, paths: ProfilePaths, options: Options, *, is_json: bool) -> int:
    """Measure and print; returns the exit code: 0 also if a target is missed, because that is a result.

    Raises:
        UserError: model, avatar or sample cannot be used.
    """
    found: dict[str, Any] = {"schema": SCHEMA, "machine": machine.facts(), "sections": {}}
    if options.soak_min is not None:
        found["sections"]["soak"] = soak.soak(settings, options.soak_min)
    for name, section in SECTIONS.items() if options.soak_min is None else ():
        if not options.sections or name in options.sections:
            sys.stderr.write(f"measuring: {name} ...\n")
            found["sections"][name] = section(settings, paths, options)
    found["targets"] = report.targets(found["sections"])
    print(json.dumps(found, indent=2) if is_json else report.text(found))  # noqa: T201
    return 0
