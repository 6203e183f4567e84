"""What a sync expert says of a voice and its pictures: offset, distance and confidence.

The protocol of SyncNet's scores (LSE-D and LSE-C, research of arXiv 2008.10010) with an expert of our own: the
numbers are of that style and compare with each other, not with those of other experts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from avatar_app.contracts.errors import StudioError
from avatar_app.studio import arithmetic
from avatar_app.studio.data.av_clips import (
    COLUMNS_PER_PICTURE,
    N_EXPERT_PICTURES,
    WINDOW_COLUMNS,
    AvClip,
    mel_of,
    stack_pictures,
)
from avatar_app.studio.data.clips import GET_THE_DATA
from avatar_app.studio.mouth import REST
from avatar_app.studio.nets.expert import SyncExpert

MAX_SHIFT = 15
# A second of speech, as far as it counts: shorter pieces hold too few sounds to say where they belong.
N_PIECE = 25
BATCH = 64
# Parameters this near to rest are rest.
STILL = 0.02

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SyncScores:
    """Scores of one scene, or of many.

    Attributes:
        offset_pictures: at which shift of the sound sound and pictures are nearest; 0 is in sync, above 0: the sound
            comes too late.
        distance: mean distance of embeddings at that shift, 0..1.4 (LSE-D's part).
        confidence: median over shifts less that minimum (LSE-C's part).
    """

    offset_pictures: int
    distance: float
    confidence: float


@torch.no_grad()
def distances(expert: SyncExpert, scene: AvClip, *, is_precise: bool = True) -> Float32:
    """How far each five pictures are from the sound at each shift.

    Args:
        expert: compares them.
        scene: sound and pictures.
        is_precise: whether the expert computes in float32, else in the arithmetic in use.

    Returns:
        (n - 4, 31) float32: row k is picture k, column s the sound s - 15 pictures later.
    """
    pictures = torch.from_numpy(np.array(scene.pictures)).permute(0, 3, 1, 2)[None].float() / 255
    stacks = stack_pictures(pictures)[0]
    n = len(stacks)
    before = round(MAX_SHIFT * COLUMNS_PER_PICTURE)
    mel = torch.from_numpy(mel_of(scene, before, before + N_EXPERT_PICTURES * WINDOW_COLUMNS))
    starts = [before + round(k * COLUMNS_PER_PICTURE) for k in range(-MAX_SHIFT, n + MAX_SHIFT)]
    windows = torch.stack([mel[:, start : start + WINDOW_COLUMNS] for start in starts])[:, None]
    device = next(expert.parameters()).device
    with arithmetic.autocast(device, enabled=not is_precise):
        seen = torch.cat([expert.embed_pictures(stacks[k : k + BATCH].to(device)) for k in range(0, n, BATCH)])
        heard = torch.cat(
            [expert.embed_audio(windows[k : k + BATCH].to(device)) for k in range(0, len(windows), BATCH)]
        )
    shifted = heard.float().unfold(0, 2 * MAX_SHIFT + 1, 1)
    found: Float32 = (seen.float()[:, :, None] - shifted).norm(dim=1).cpu().numpy()
    return found


def scores(found: Float32) -> SyncScores:
    """Offset, distance and confidence of (n, 31) distances."""
    mean = found.mean(axis=0)
    best = int(mean.argmin())
    return SyncScores(best - MAX_SHIFT, float(mean[best]), float(np.median(mean) - mean[best]))


def scores_of_each(found: Sequence[Float32]) -> list[SyncScores]:
    """Scores of those scenes that show speech.

    Args:
        found: (n, 31) distances of the pictures of each scene that show speech; n is 0 where none does.

    Raises:
        StudioError: none of the scenes shows speech.
    """
    told = [scores(rows) for rows in found if len(rows)]
    if not told:
        raise StudioError("No mouth moves in the scenes that sync is judged by.", GET_THE_DATA)
    return told


def moving(scene: AvClip) -> NDArray[np.bool_]:
    """(n - 4,): which five pictures show speech; a mouth at rest is in sync with any silence."""
    is_rest = np.abs(scene.mouth - REST).max(axis=1) < STILL
    windows = np.lib.stride_tricks.sliding_window_view(~is_rest, N_EXPERT_PICTURES)
    return np.asarray(windows.sum(axis=1) >= N_EXPERT_PICTURES - 1)


def found_ratio(found: Sequence[Float32], n_piece: int = N_PIECE) -> float:
    """How often the shift of a piece of aligned sound and pictures is found within one picture.

    Every shift of the sound by up to fifteen pictures is the same question with another zero, so aligned pairs ask
    them all.

    Args:
        found: (n, 31) distances of aligned scenes.
        n_piece: windows in a piece; 1 asks five pictures alone.
    """
    hits = []
    for rows in found:
        pieces = [rows[k : k + n_piece].mean(axis=0) for k in range(0, len(rows) - n_piece + 1, n_piece)]
        hits += [abs(int(piece.argmin()) - MAX_SHIFT) <= 1 for piece in pieces]
    return float(np.mean(hits)) if hits else 0.0
