"""Sensitivity of layers to INT8: each layer quantized alone, and all layers but one; the mixed graph built from it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import onnx

from avatar_app.studio.export.qdq import Calibration, to_int8
from avatar_app.studio.export.quantize import multiply_adds
from avatar_app.studio.export.running import Feed, Float32, psnr_db, run_all

log = logging.getLogger(__name__)

# Lowest PSNR of the mixed graph's picture against FP32. A student at 31 dB from the ground truth then loses at most
# 0.3 dB, the budget; a student with a larger error loses less.
MIXED_PSNR_DB = 43.0
# A smaller layer is faster in float than with quantization and dequantization, unless its input is INT8 already.
MIN_MULTIPLY_ADDS = 1_000_000
N_PROBES = 48


@dataclass(frozen=True)
class LayerSensitivity:
    """Effect of INT8 in one layer, as PSNR in dB against the FP32 picture; higher is better.

    Attributes:
        node: name of the layer.
        alone_db: with only this layer quantized.
        without_db: with all layers quantized but this one.
    """

    node: str
    alone_db: float
    without_db: float


@dataclass(frozen=True)
class Sweep:
    """Effect of INT8 in all layers, the most harmful first.

    Attributes:
        layers: one for each layer.
        all_db: with all layers quantized.
    """

    layers: tuple[LayerSensitivity, ...]
    all_db: float


@dataclass(frozen=True)
class Mixed:
    """A graph with INT8 in the layers where it is fast and harmless.

    Attributes:
        graph: in QDQ form.
        too_small: layers that stay float because INT8 would not make them faster.
        too_harmful: layers that stay float because INT8 reduces the quality too much.
        by_choice: layers that stay float regardless of the sweep.
        psnr_db: PSNR against the FP32 picture.
    """

    graph: onnx.ModelProto
    too_small: tuple[str, ...]
    too_harmful: tuple[str, ...]
    by_choice: tuple[str, ...]
    psnr_db: float

    @property
    def stays_float(self) -> tuple[str, ...]:
        """All layers that stay float."""
        return (*self.too_small, *self.too_harmful, *self.by_choice)


def sweep(
    model: onnx.ModelProto,
    calibration: Calibration,
    feeds: Sequence[Feed],
    nodes: Sequence[str],
    report: Callable[[str], None],
) -> Sweep:
    """Quantize one layer at a time, and all layers but one.

    Args:
        model: from `quantize.prepared`.
        calibration: of the same graph.
        feeds: the first of these are the inputs of the compared pictures.
        nodes: names of the layers.
        report: called with a line for each layer.
    """
    compare = _Comparison(model, calibration, feeds)
    found = []
    for k, node in enumerate(nodes):
        others = [other for other in nodes if other != node]
        found.append(LayerSensitivity(node, compare([node]), compare(others)))
        report(f"sensitivity {k + 1} of {len(nodes)}: {node} alone {found[-1].alone_db:.1f} dB,"
               f" all but it {found[-1].without_db:.1f} dB")  # fmt: skip
    return Sweep(tuple(sorted(found, key=lambda layer: layer.alone_db)), compare(nodes))


def without_sweep(
    model: onnx.ModelProto, calibration: Calibration, feeds: Sequence[Feed], layers: Sequence[LayerSensitivity]
) -> Sweep:
    """The layers of a sweep of another network of the same architecture; only the graph as a whole is compared."""
    return Sweep(tuple(layers), _Comparison(model, calibration, feeds)([layer.node for layer in layers]))


def published_layers(facts: Mapping[str, Any]) -> tuple[LayerSensitivity, ...]:
    """The layers of a sweep from the entry `sensitivity` of a manifest, the most harmful first."""
    layers = (LayerSensitivity(node, db["alone"], db["all_but_it"]) for node, db in facts["psnr_db"].items())
    return tuple(sorted(layers, key=lambda layer: layer.alone_db))


def to_mixed(
    model: onnx.ModelProto,
    calibration: Calibration,
    feeds: Sequence[Feed],
    layers: Sequence[LayerSensitivity],
    stays_float: Collection[str] = (),
) -> Mixed:
    """Keep small layers in float, then the most harmful ones until the picture is close enough to FP32.

    Args:
        model: from `quantize.prepared`.
        calibration: of the same graph.
        feeds: as for `sweep`.
        layers: result of the sweep.
        stays_float: names of layers that are never quantized.
    """
    considered = [d.node for d in layers if d.node not in stays_float]
    small = _small_before_large(model.graph, multiply_adds(model), considered)
    large = [node for node in considered if node not in small]
    compare = _Comparison(model, calibration, feeds)
    for n_float in range(len(large) + 1):
        psnr_db = compare(large[n_float:]) if large[n_float:] else np.inf
        log.info("mixed: %d of %d large layers stay float, %.1f dB from FP32", n_float, len(large), psnr_db)
        if psnr_db >= MIXED_PSNR_DB:
            break
    graph = to_int8(model, calibration, large[n_float:]) if large[n_float:] else model
    return Mixed(graph, tuple(small), tuple(large[:n_float]), tuple(stays_float), psnr_db)


def facts(found: Sweep, mixed: Mixed) -> dict[str, Any]:
    """The entry `sensitivity` of a manifest."""
    return {
        "psnr_db": {
            d.node: {"alone": round(d.alone_db, 1), "all_but_it": round(d.without_db, 1)} for d in found.layers
        },
        "all_psnr_db": round(found.all_db, 1),
        "mixed_psnr_db": round(mixed.psnr_db, 1),
        "rule": {"least_psnr_db": MIXED_PSNR_DB, "least_multiply_adds": MIN_MULTIPLY_ADDS},
        "float_in_mixed": {
            "too_small_to_gain": list(mixed.too_small),
            "too_harmful": list(mixed.too_harmful),
            "by_choice": list(mixed.by_choice),
        },
    }


def _small_before_large(graph: onnx.GraphProto, work: Mapping[str, int], considered: Sequence[str]) -> list[str]:
    """Layers too small to gain from INT8, except those whose input comes from an INT8 layer."""
    small: list[str] = []
    int8_tensors: set[str] = set()
    for node in graph.node:
        is_fed = not int8_tensors.isdisjoint(node.input)
        if node.name in considered and not is_fed and work[node.name] < MIN_MULTIPLY_ADDS:
            small.append(node.name)
        elif is_fed or node.name in considered:
            int8_tensors.update(node.output)
    return small


class _Comparison:
    """PSNR of a graph with some quantized layers against the FP32 graph."""

    def __init__(self, model: onnx.ModelProto, calibration: Calibration, feeds: Sequence[Feed]) -> None:
        self._model, self._calibration, self._feeds = model, calibration, feeds[:N_PROBES]
        self._exact: Float32 = run_all(model, self._feeds)

    def __call__(self, nodes: Sequence[str]) -> float:
        quantized = to_int8(self._model, self._calibration, nodes)
        return psnr_db(run_all(quantized, self._feeds), self._exact)


BAR_PX, ROW_PX, LABEL_PX, WIDTH_PX = 7, 24, 200, 720
LOW_DB, HIGH_DB = 30.0, 110.0


def chart(sensitivity: dict[str, Any]) -> str:
    """An SVG chart of a manifest's `sensitivity`: two bars for each layer, longer is better."""
    layers = sensitivity["psnr_db"]
    float_layers = {name for names in sensitivity["float_in_mixed"].values() for name in names}
    height = ROW_PX * (len(layers) + 3)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {height}" width="{WIDTH_PX}" '
        'font-family="sans-serif" font-size="11">',
        f'<text x="4" y="15">PSNR against FP32 in dB: <tspan fill="{ALONE}">\u25a0</tspan> only this layer'
        f' in INT8, <tspan fill="{OTHERS}">\u25a0</tspan> all but this one; * stays float in mixed</text>',
    ]
    for row, (name, db) in enumerate(layers.items()):
        y = ROW_PX * (row + 1)
        star = " *" if name in float_layers else ""
        parts.append(f'<text x="{LABEL_PX - 6}" y="{y + 14}" text-anchor="end">{escape(_short(name))}{star}</text>')
        parts += [_bar(y + 2, db["alone"], ALONE), _bar(y + 3 + BAR_PX, db["all_but_it"], OTHERS)]
    foot = ROW_PX * (len(layers) + 1)
    for name, value, dash in (
        ("all", sensitivity["all_psnr_db"], "2 3"),
        ("mixed", sensitivity["mixed_psnr_db"], "6 3"),
    ):
        x = _x_px(value)
        parts.append(
            f'<line x1="{x:.0f}" x2="{x:.0f}" y1="{ROW_PX}" y2="{foot}" stroke="#555" stroke-dasharray="{dash}"/>'
        )
        parts.append(f'<text x="{x + 3:.0f}" y="{foot + (12 if name == "all" else 26)}">{name} {value} dB</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


ALONE, OTHERS = "#2a7f9e", "#d98032"


def _bar(y_px: float, db: float, colour: str) -> str:
    width = _x_px(db) - LABEL_PX
    return (
        f'<rect x="{LABEL_PX}" y="{y_px}" width="{width:.1f}" height="{BAR_PX}" fill="{colour}"/>'
        f'<text x="{LABEL_PX + width + 3:.1f}" y="{y_px + BAR_PX}" font-size="8">{db}</text>'
    )


def _x_px(db: float) -> float:
    share = (min(max(db, LOW_DB), HIGH_DB) - LOW_DB) / (HIGH_DB - LOW_DB)
    return LABEL_PX + share * (WIDTH_PX - LABEL_PX - 40)


def _short(node: str) -> str:
    """`/picture/blocks.0/blocks.0.0/Conv` -> `picture/blocks.0.0`."""
    parts = [part for part in node.strip("/").split("/")[:-1] if part]
    kept = [
        part for part, following in zip(parts, [*parts[1:], ""], strict=True) if not following.startswith(f"{part}.")
    ]
    return "/".join(kept) or node
