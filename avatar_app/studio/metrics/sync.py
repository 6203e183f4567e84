"""Sync scores of speech and pictures from a sync expert: offset, distance and confidence.

The protocol is that of LSE-D and LSE-C (arXiv 2008.10010), with the studio's own expert. The numbers are comparable
with each other, not with those of other experts.
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
# One second of speech; shorter pieces contain too few sounds to find their shift.
N_PIECE = 25
BATCH = 64
# Parameters this close to rest count as rest.
STILL = 0.02

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SyncScores:
    """Scores of one clip, or of several.

    Attributes:
        offset_pictures: shift of the sound with the smallest distance; 0 is in sync, above 0 the sound is late.
        distance: mean distance of the embeddings at that shift, 0..1.4, as LSE-D.
        confidence: median over shifts minus that minimum, as LSE-C.
    """

    offset_pictures: int
    distance: float
    confidence: float


@torch.no_grad()
def distances(expert: SyncExpert, clip: AvClip, *, is_precise: bool = True) -> Float32:
    """Distance of the embeddings of every five pictures from those of the sound at each shift.

    Args:
        expert: the sync expert.
        clip: sound and pictures.
        is_precise: whether the expert computes in float32; else in the arithmetic in use.

    Returns:
        (n - 4, 31) float32: row k starts at picture k; column s has the sound s - 15 pictures later.
    """
    pictures = torch.from_numpy(np.array(clip.pictures)).permute(0, 3, 1, 2)[None].float() / 255
    stacks = stack_pictures(pictures)[0]
    n = len(stacks)
    before = round(MAX_SHIFT * COLUMNS_PER_PICTURE)
    mel = torch.from_numpy(mel_of(clip, before, before + N_EXPERT_PICTURES * WINDOW_COLUMNS))
    starts = [before + round(k * COLUMNS_PER_PICTURE) for k in range(-MAX_SHIFT, n + MAX_SHIFT)]
    windows = torch.stack([mel[:, start : start + WINDOW_COLUMNS] for start in starts])[:, None]
    device = next(expert.parameters()).device
    with arithmetic.autocast(device, enabled=not is_precise):
        visual = torch.cat([expert.embed_pictures(stacks[k : k + BATCH].to(device)) for k in range(0, n, BATCH)])
        audio = torch.cat(
            [expert.embed_audio(windows[k : k + BATCH].to(device)) for k in range(0, len(windows), BATCH)]
        )
    shifted = audio.float().unfold(0, 2 * MAX_SHIFT + 1, 1)
    found: Float32 = (visual.float()[:, :, None] - shifted).norm(dim=1).cpu().numpy()
    return found


def scores(found: Float32) -> SyncScores:
    """Offset, distance and confidence of (n, 31) distances."""
    mean = found.mean(axis=0)
    best = int(mean.argmin())
    return SyncScores(best - MAX_SHIFT, float(mean[best]), float(np.median(mean) - mean[best]))


def scores_of_each(found: Sequence[Float32]) -> list[SyncScores]:
    """Scores of each clip that shows speech.

    Args:
        found: (n, 31) distances of the speaking pictures of each clip; n is 0 if there are none.

    Raises:
        StudioError: no clip shows speech.
    """
    found_scores = [scores(rows) for rows in found if len(rows)]
    if not found_scores:
        raise StudioError("No mouth moves in the clips for the sync score.", GET_THE_DATA)
    return found_scores


def moving(clip: AvClip) -> NDArray[np.bool_]:
    """(n - 4,) bool: which five pictures show speech; a mouth at rest is in sync with any silence."""
    is_rest = np.abs(clip.mouth - REST).max(axis=1) < STILL
    windows = np.lib.stride_tricks.sliding_window_view(~is_rest, N_EXPERT_PICTURES)
    return np.asarray(windows.sum(axis=1) >= N_EXPERT_PICTURES - 1)


def found_ratio(found: Sequence[Float32], n_piece: int = N_PIECE) -> float:
    """Share of pieces of aligned sound and pictures whose shift is found within one picture.

    A constant shift of the sound only moves the zero, so aligned pairs are sufficient.

    Args:
        found: (n, 31) distances of aligned clips.
        n_piece: windows in a piece; 1 uses five pictures alone.
    """
    hits = []
    for rows in found:
        pieces = [rows[k : k + n_piece].mean(axis=0) for k in range(0, len(rows) - n_piece + 1, n_piece)]
        hits += [abs(int(piece.argmin()) - MAX_SHIFT) <= 1 for piece in pieces]
    return float(np.mean(hits)) if hits else 0.0
