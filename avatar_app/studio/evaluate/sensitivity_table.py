"""The INT8 sensitivity of a model's layers, from manifests of any version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from avatar_app.contracts.student_spec import StudentSpec

UNKNOWN_REASON = "stays_float"


def sensitivity(spec: StudentSpec) -> dict[str, Any] | None:
    """The sensitivity sweep of a model; None if its manifest has none.

    Older manifests have one number for each layer and a list of float layers. Newer ones have a number for the layer
    alone, one for all other layers, and the reason why a layer stays float.

    Returns:
        `psnr_db`: by layer, with that layer alone in INT8; `all_but_it_db`: by layer, with all others in INT8 (may be
        empty); `all_db`: all in INT8, or None; `float_in_mixed`: reason by layer that stays float.
    """
    swept = spec.provenance.get("sensitivity")
    layers = swept.get("psnr_db") if isinstance(swept, Mapping) else None
    if not isinstance(swept, Mapping) or not isinstance(layers, Mapping):
        return None
    alone = _numbers(layers, "alone")
    everything = swept.get("all_psnr_db")
    found = {
        "psnr_db": alone,
        "all_but_it_db": _numbers({k: v for k, v in layers.items() if isinstance(v, Mapping)}, "all_but_it"),
        "all_db": float(everything) if isinstance(everything, int | float) else None,
        "float_in_mixed": _reasons(swept.get("float_in_mixed")),
    }
    return found if alone else None


def _numbers(layers: Mapping[Any, Any], key: str) -> dict[str, float]:
    """Number by layer: the value itself, or its entry `key`."""
    plain = {str(node): v.get(key) if isinstance(v, Mapping) else v for node, v in layers.items()}
    return {node: float(v) for node, v in plain.items() if isinstance(v, int | float)}


def _reasons(kept: Any) -> dict[str, str]:
    groups = kept if isinstance(kept, Mapping) else {UNKNOWN_REASON: kept}
    return {
        str(node): str(reason)
        for reason, nodes in groups.items()
        if isinstance(nodes, Sequence) and not isinstance(nodes, str)
        for node in nodes
    }
