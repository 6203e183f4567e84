"""Time to generate one mouth on one thread, for every student, engine and precision."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from avatar_app.contracts.student_spec import STUDENT_KIND
from avatar_app.live.student import list_models, measuring, read_kind
from avatar_app.live.student.folder import read_manifest
from avatar_app.live.student.registry import find_model


def measure(seconds: float, user_dir: Path | None = None) -> dict[str, Any]:
    """By student, also the user's: every pair of engine and precision, and the fastest one.

    Raises:
        ModelError: a model cannot be used.
    """
    folders = (find_model(model_id, None, user_dir) for model_id in list_models(None, user_dir))
    return {folder.name: _model(folder, seconds) for folder in folders if read_kind(folder) == STUDENT_KIND}


def _model(folder: Path, seconds: float) -> dict[str, Any]:
    spec = read_manifest(folder)
    found = measuring.measure(folder, seconds)
    running = [pair for pair in found.pairs if not pair.error]
    fastest = min(running, key=lambda pair: pair.p95_ms)
    return {
        "n_parameters": spec.n_parameters,
        "pairs": [asdict(pair) for pair in found.pairs],
        "fastest": asdict(fastest),
        "quality": spec.quality,
    }
