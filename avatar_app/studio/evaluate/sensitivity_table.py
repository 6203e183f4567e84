"""What publishing found out about 8 bits, from a manifest of any age."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from avatar_app.contracts.student_spec import StudentSpec

UNTOLD = "stays_float"


def sensitivity(spec: StudentSpec) -> dict[str, Any] | None:
    """The sweep of a model's layers; None where its manifest tells none.

    Older manifests give one number for each layer and a list of those that stay float; newer ones say what a layer
    costs alone and what is left without it, and why it stays float.

    Returns:
        `psnr_db`: by layer, that layer alone in INT8; `all_but_it_db`: by layer, all others in INT8 (may be empty);
        `all_db`: all in INT8, or None; `float_in_mixed`: by layer that stays float, why.
    """
    told = spec.provenance.get("sensitivity")
    damages = told.get("psnr_db") if isinstance(told, Mapping) else None
    if not isinstance(told, Mapping) or not isinstance(damages, Mapping):
        return None
    alone = _numbers(damages, "alone")
    everything = told.get("all_psnr_db")
    found = {
        "psnr_db": alone,
        "all_but_it_db": _numbers({k: v for k, v in damages.items() if isinstance(v, Mapping)}, "all_but_it"),
        "all_db": float(everything) if isinstance(everything, int | float) else None,
        "float_in_mixed": _reasons(told.get("float_in_mixed")),
    }
    return found if alone else None


def _numbers(damages: Mapping[Any, Any], key: str) -> dict[str, float]:
    """By layer, a number that stands there itself or under `key`."""
    plain = {str(node): v.get(key) if isinstance(v, Mapping) else v for node, v in damages.items()}
    return {node: float(v) for node, v in plain.items() if isinstance(v, int | float)}


def _reasons(kept: Any) -> dict[str, str]:
    groups = kept if isinstance(kept, Mapping) else {UNTOLD: kept}
    return {
        str(node): str(reason)
        for reason, nodes in groups.items()
        if isinstance(nodes, Sequence) and not isinstance(nodes, str)
        for node in nodes
    }
