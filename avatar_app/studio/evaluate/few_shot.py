"""The few-shot table of Chen et al. 2023 on our data: what synthetic voices add to a few seconds of a person's video.

Each cell trains the last layer of the speech encoder in closed form on 5 to 60 seconds of video, with synthetic voices
of the same sentences, and measures on held-out sentences. `published` starts from the published layer, as an enrolment
does; `scratch` has the published features and no layer, as the paper has a frozen extractor and a new network.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.mouth import N_MOUTH
from avatar_app.contracts.packets import Float32
from avatar_app.settings.schema import LOOKAHEADS_MS
from avatar_app.studio.metrics.scores import correlation
from avatar_app.studio.metrics.soft_dtw import SoftDtwOptions, dtw_score, padded_mse
from avatar_app.studio.train.person_data import OPENING_MM, PICTURES_PER_S
from avatar_app.studio.train.person_encoder import CHANNEL_WEIGHTS
from avatar_app.studio.train.person_head import (
    PENALTIES,
    HeadData,
    HeadSample,
    LinearLayer,
    fit_aligned,
    fit_head,
    fit_truncated,
    head_error,
)

STARTS = ("published", "scratch")
LOSSES = ("soft-DTW", "truncated")
HEAD = LOOKAHEADS_MS.index(160)
# Parameters that a camera sees; the last three are the tongue's.
N_VISIBLE = N_MOUTH - 3
SHARES = (0.3, 1.0)
# The penalty is chosen per cell; silence counts less than in an enrolment, because the table has no score for it.
_QUIET_SHARE = 0.3
_SCRATCH_PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True)
class FewShotFace:
    """One person of the table.

    Attributes:
        name: of the face.
        train: sentences in an arbitrary order.
        synthetic: per voice, the same sentences by that voice with the real motion.
        validation: sentences that choose.
        test: sentences that are reported.
        quiet: sounds without speech.
    """

    name: str
    train: Sequence[HeadSample]
    synthetic: Sequence[Sequence[HeadSample]]
    validation: Sequence[HeadSample]
    test: Sequence[HeadSample]
    quiet: Sequence[HeadSample]


@dataclass(frozen=True, slots=True)
class Cell:
    """One training of the table.

    Attributes:
        face: name of the face.
        start: one of `STARTS`.
        seconds: of video to learn from.
        n_voices: synthetic voices.
        loss: of the synthetic voices, one of `LOSSES`; "" without any.
        seed: of the choice of sentences.
    """

    face: str
    start: str
    seconds: int
    n_voices: int
    loss: str
    seed: int


def cells(face: FewShotFace, seconds: Sequence[int], voices: Sequence[int], n_seeds: int) -> Iterator[Cell]:
    """The cells of a face; without synthetic voices there is one loss."""
    for length, start, n_voices, seed in product(seconds, STARTS, voices, range(n_seeds)):
        for loss in LOSSES if n_voices else ("",):
            yield Cell(face.name, start, length, n_voices, loss, seed)


def run_table(
    faces: Sequence[FewShotFace],
    published: LinearLayer,
    file: Path,
    seconds: Sequence[int] = (5, 10, 20, 40, 60),
    voices: Sequence[int] = (0, 1, 4, 8),
    n_seeds: int = 3,
) -> None:
    """Measure all cells; a line of JSON per cell is added to `file`, and cells that it already holds are skipped.

    Raises:
        StudioError: the file cannot be read or written.
    """
    done = {json.dumps(line["cell"], sort_keys=True) for line in read_table(file)}
    for length in seconds:
        for face in faces:
            for cell in cells(face, (length,), voices, n_seeds):
                if json.dumps(asdict(cell), sort_keys=True) not in done:
                    _append(file, {"cell": asdict(cell), "scores": measure(face, cell, published)})


def read_table(file: Path) -> list[dict[str, Mapping[str, float]]]:
    """The lines of a table; none if the file is missing.

    Raises:
        StudioError: the file is damaged.
    """
    if not file.exists():
        return []
    try:
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise StudioError(f"The table {file} cannot be read: {error}.", "Delete it, and measure again.") from error


def measure(face: FewShotFace, cell: Cell, published: LinearLayer) -> dict[str, float]:
    """Train one cell, and its scores on the test sentences."""
    chosen = _subset(face.train, cell.seconds, cell.seed)
    data = HeadData(
        own=[face.train[k] for k in chosen],
        quiet=face.quiet,
        synthetic=[voice[k] for voice in face.synthetic[: cell.n_voices] for k in chosen],
        quiet_share=_QUIET_SHARE,
        sealed_boost=0.0,
    )
    layer, penalties = published, PENALTIES
    if cell.start == "scratch":
        layer = LinearLayer(torch.zeros_like(published.weight), torch.zeros_like(published.bias))
        penalties = _SCRATCH_PENALTIES
    return _scores(_trained(layer, data, cell, penalties, face.validation), face.test)


def _trained(
    layer: LinearLayer, data: HeadData, cell: Cell, penalties: Sequence[float], held_out: Sequence[HeadSample]
) -> LinearLayer:
    """The layer that is best on the held-out sentences."""
    first = fit_head(layer, data, penalties)
    best = min(first, key=lambda one: head_error(one, held_out))
    if not cell.n_voices:
        return best
    near = {min(max(penalties.index(p) + k, 0), len(penalties) - 1) for k in (-1, 0, 1)
            for p, one in zip(penalties, first, strict=True) if one is best}  # fmt: skip
    options = SoftDtwOptions(channel_weights=CHANNEL_WEIGHTS)
    found = [
        fit_aligned(layer, best, data, penalties[k], share, options)
        if cell.loss == "soft-DTW"
        else fit_truncated(layer, data, penalties[k], share)
        for k, share in product(sorted(near), SHARES)
    ]
    return min(found, key=lambda one: head_error(one, held_out))


def _subset(train: Sequence[HeadSample], seconds: int, seed: int) -> list[int]:
    """Sentences of about this length together; a longer subset with the same seed holds the shorter one."""
    chosen: list[int] = []
    total_s = 0.0
    for k in np.random.default_rng(seed).permutation(len(train)):
        length_s = len(train[k].mouth) / PICTURES_PER_S
        if chosen and total_s + length_s / 2 > seconds:
            break
        chosen.append(int(k))
        total_s += length_s
    return chosen


def _scores(layer: LinearLayer, test: Sequence[HeadSample]) -> dict[str, float]:
    """MSE and DTW score by the formulas of the paper over the visible parameters, and correlation of the lip gap."""
    found = []
    for one in test:
        predicted = layer(one.features).clamp(0, 1)
        visible, true = predicted[:, :N_VISIBLE], one.mouth[:, :N_VISIBLE]
        gaps: list[Float32] = [x.numpy() @ OPENING_MM for x in (predicted, one.mouth)]
        found.append((padded_mse(visible, true), dtw_score(visible, true), correlation(*gaps)))
    return dict(zip(("mse", "dtw", "opening"), np.mean(found, axis=0).tolist(), strict=True))


def _append(file: Path, line: Mapping[str, object]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as opened:
            opened.write(json.dumps(line) + "\n")
    except OSError as error:
        raise StudioError(f"The table cannot be written to {file}: {error}.", "Choose another --out.") from error
