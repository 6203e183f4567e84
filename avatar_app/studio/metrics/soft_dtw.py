"""Soft-DTW: a differentiable distance between two sequences of different length or tempo.

Cuturi and Blondel 2017 (arXiv 1703.01541). Chen et al. 2023 (arXiv 2303.05322) use it as the loss between predicted and
recorded blendshape weights when the audio is synthetic and does not keep the timing of the recording.

Costs lie in "diagonals": (N + M - 1, B, N), where diagonal k holds the cells (i, j) with i + j = k, and i is the last
axis. All cells of a diagonal depend on the two diagonals before it only. Accumulated values are scores, minus the cost:
(N + M + 1, B, N + 1), with two diagonals and one row as border, so that cell (i, j) lies at [i + j + 2, :, i + 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad


@dataclass(frozen=True)
class SoftDtwOptions:
    """Options of `soft_dtw`.

    Attributes:
        gamma: Smoothing in units of the cost, above 0; the limit 0 is DTW. Default: Chen et al. 2023.
        band_frames: Sakoe-Chiba band: frames i of x and j of y match only if |i - j| <= band_frames. None: no band.
        is_length_normalised: Whether the cost is divided by the sum of both lengths.
        channel_weights: Factor of the squared difference of each channel, (C,), 0 or more. None: all 1.

    Raises:
        ValueError: A value is out of its range.
    """

    gamma: float = 0.001
    band_frames: float | None = None
    is_length_normalised: bool = False
    channel_weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.gamma < math.inf:
            raise ValueError(f"gamma must be positive and finite, not {self.gamma}")
        if self.band_frames is not None and not self.band_frames >= 0:
            raise ValueError(f"band_frames must be 0 or more, not {self.band_frames}")
        if self.channel_weights is not None and not all(0 <= weight < math.inf for weight in self.channel_weights):
            raise ValueError(f"channel_weights must be finite and 0 or more, not {self.channel_weights}")


DEFAULT_OPTIONS = SoftDtwOptions()


def soft_dtw(
    x: Tensor,
    y: Tensor,
    x_lengths: Tensor | None = None,
    y_lengths: Tensor | None = None,
    options: SoftDtwOptions = DEFAULT_OPTIONS,
) -> Tensor:
    """Soft-DTW of each pair of sequences (Cuturi and Blondel 2017, algorithms 1 and 2).

    R[i, j] = D[i, j] + softmin(R[i-1, j-1], R[i-1, j], R[i, j-1]), softmin(a) = -gamma log sum exp(-a / gamma), and
    D[i, j] = sum over channels of weight (x[i] - y[j])^2. The result is R at the last frames. It can be negative, and
    x = y is not its exact minimum; both effects vanish with gamma. The gradient includes the channel weights.

    Memory is O(B N M), time O(N + M) steps. Lengths on a GPU are read back for the checks.

    Args:
        x: (B, N, C) float32 or float64. Frames after the length of an item are ignored and may hold any value.
        y: (B, M, C), same dtype and device as x.
        x_lengths: (B,) integer, frames in 1..N. None: N.
        y_lengths: (B,) integer, frames in 1..M. None: M.
        options: Smoothing, band, normalisation and channel weights.

    Returns:
        (B,) cost in squared units of x, differentiable once in x and y.

    Raises:
        ValueError: Shapes, dtypes or devices do not agree, a length or the batch is empty or out of range, or the band
            is narrower than the difference of the lengths of an item.
    """
    _check_sequences(x, y)
    weights = _weights(x, options.channel_weights)
    n, m = _checked_lengths("x", x, x_lengths), _checked_lengths("y", y, y_lengths)
    _check_band(n, m, options.band_frames)
    # The cost is symmetric. The rows of a diagonal belong to the shorter sequence, which bounds their memory by 2 N M.
    (x, n), (y, m) = sorted(((x, n), (y, m)), key=lambda sequence: sequence[0].shape[1])
    cost = _cost(x, y, n, m, weights, options.band_frames)
    total: Tensor = _SoftMinimum.apply(_diagonals(cost), n, m, options.gamma)  # type: ignore[no-untyped-call]
    return total / (n + m) if options.is_length_normalised else total


def soft_alignment(
    x: Tensor,
    y: Tensor,
    x_lengths: Tensor | None = None,
    y_lengths: Tensor | None = None,
    options: SoftDtwOptions = DEFAULT_OPTIONS,
) -> Tensor:
    """Expected alignment of each pair of sequences: the gradient of `soft_dtw` with respect to the cost of each cell.

    `soft_dtw` is a concave function of the costs, so minimising the costs weighted by this alignment never increases it
    (majorisation-minimisation). Arguments and errors as in `soft_dtw`; the normalisation by length is left out.

    Returns:
        (B, N, M) in 0..1, each row of an item sums to 1 or more; 0 in the padding.
    """
    _check_sequences(x, y)
    weights = _weights(x, options.channel_weights)
    n, m = _checked_lengths("x", x, x_lengths), _checked_lengths("y", y, y_lengths)
    _check_band(n, m, options.band_frames)
    with torch.enable_grad():
        cost = _cost(x.detach(), y.detach(), n, m, weights, options.band_frames).requires_grad_()
        is_longer = x.shape[1] > y.shape[1]
        first, second, ordered = (m, n, cost.mT) if is_longer else (n, m, cost)
        total = _SoftMinimum.apply(_diagonals(ordered), first, second, options.gamma)  # type: ignore[no-untyped-call]
        (found,) = torch.autograd.grad(total.sum(), cost)
    return found


def dtw_score(predicted: Tensor, target: Tensor) -> float:
    """DTW score of Chen et al. 2023: cost of the best alignment, which grows with the length of the sequences.

    The local distance of two frames is their mean squared error over the channels, summed along the path. The path is
    the exact optimum; the published scores come from an approximation (FastDTW), which is never lower.

    Args:
        predicted: (N, C) float32 or float64.
        target: (M, C), same dtype and device.

    Returns:
        Cost in squared units; the score of a set of files is the mean over files.

    Raises:
        ValueError: A sequence is empty, or shapes, dtypes or devices do not agree.
    """
    x, y = sorted((predicted[None].detach(), target[None].detach()), key=lambda sequence: sequence.shape[1])
    _check_sequences(x, y)
    cost = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square() / x.shape[2]
    return -float(_accumulated(-_diagonals(cost), torch.maximum)[-1, 0, -1])


def padded_mse(predicted: Tensor, target: Tensor) -> float:
    """MSE of Chen et al. 2023: mean squared error after the prediction is cut or zero-padded to the target's length.

    Args:
        predicted: (N, C) float32 or float64.
        target: (M, C), same dtype and device.

    Returns:
        Mean over the M frames and C channels in squared units; the score of a set of files is the mean over files.

    Raises:
        ValueError: A sequence is empty, or shapes, dtypes or devices do not agree.
    """
    _check_sequences(predicted[None], target[None])
    fitted = pad(predicted.detach(), (0, 0, 0, len(target) - len(predicted)))
    return float((fitted - target).square().mean())


def _check_sequences(x: Tensor, y: Tensor) -> None:
    if x.ndim != 3 or y.ndim != 3 or x.shape[0] != y.shape[0] or x.shape[2] != y.shape[2]:
        raise ValueError(f"batch and channels of x {tuple(x.shape)} and y {tuple(y.shape)} do not agree")
    if 0 in x.shape or 0 in y.shape:
        raise ValueError(f"x {tuple(x.shape)} or y {tuple(y.shape)} is empty")
    if x.dtype != y.dtype or x.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"x and y must both be float32 or both float64, not {x.dtype} and {y.dtype}")
    if x.device != y.device:
        raise ValueError(f"x is on {x.device}, but y on {y.device}")


def _checked_lengths(name: str, sequence: Tensor, lengths: Tensor | None) -> Tensor:
    """Lengths (B,) int64 on the device of the (B, N, C) sequence."""
    n_items, n_frames = sequence.shape[:2]
    if lengths is None:
        return torch.full((n_items,), n_frames, device=sequence.device)
    if lengths.dtype not in (torch.int32, torch.int64) or lengths.shape != (n_items,):
        raise ValueError(f"{name}_lengths must be {n_items} integers, not {tuple(lengths.shape)} {lengths.dtype}")
    if int(lengths.min()) < 1 or int(lengths.max()) > n_frames:
        raise ValueError(f"{name}_lengths must be in 1..{n_frames}, not {lengths.tolist()}")
    return lengths.to(sequence.device, torch.int64)


def _check_band(n: Tensor, m: Tensor, band_frames: float | None) -> None:
    if band_frames is None:
        return
    needed = int((n - m).abs().max())
    if band_frames < needed:
        raise ValueError(f"a band of {band_frames} frames is too narrow: the lengths of an item differ by {needed}")


def _weights(x: Tensor, channel_weights: tuple[float, ...] | None) -> Tensor:
    if channel_weights is None:
        return x.new_ones(x.shape[2])
    if len(channel_weights) != x.shape[2]:
        raise ValueError(f"{len(channel_weights)} channel_weights do not fit {x.shape[2]} channels")
    return x.new_tensor(channel_weights)


def _cost(x: Tensor, y: Tensor, n: Tensor, m: Tensor, weights: Tensor, band_frames: float | None) -> Tensor:
    """(B, N, M) squared distances, infinite outside the band."""
    i = torch.arange(x.shape[1], device=x.device)
    j = torch.arange(y.shape[1], device=y.device)
    # No path to the last frames of an item crosses its padding, but NaN there would stay NaN in a gradient of zero.
    x = x.masked_fill((i >= n[:, None])[:, :, None], 0)
    y = y.masked_fill((j >= m[:, None])[:, :, None], 0)
    distance: Tensor = _SquaredDistance.apply(x, y, weights)  # type: ignore[no-untyped-call]
    if band_frames is None:
        return distance
    return distance.masked_fill((i[:, None] - j).abs() > band_frames, math.inf)


def _diagonals(cost: Tensor) -> Tensor:
    """(B, N, M) -> (N + M - 1, B, N), infinite where a diagonal leaves the matrix."""
    n_items, n, m = cost.shape
    # N columns more, then rows shorter by one element: each row starts one column later than the row above.
    skewed = pad(cost, (0, n), value=math.inf).flatten(1)[:, : n * (n + m - 1)].view(n_items, n, n + m - 1)
    return skewed.permute(2, 0, 1).contiguous()


def _predecessors(scores: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """Views (B, N) of the border or cells (i-1, j), (i, j-1) and (i-1, j-1) of the cells on diagonal k."""
    return scores[k + 1, :, :-1], scores[k + 1, :, 1:], scores[k, :, :-1]


def _accumulated(gains: Tensor, combine: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Scores of the best (`torch.maximum`) or of all (`torch.logaddexp`) paths from the first cell to each cell.

    Args:
        gains: (N + M - 1, B, N) minus the cost, in diagonals.
        combine: Joins the scores of two predecessors.

    Returns:
        (N + M + 1, B, N + 1) scores with their border.
    """
    n_diagonals, n_items, n = gains.shape
    scores = gains.new_full((n_diagonals + 2, n_items, n + 1), -math.inf)
    scores[0, :, 0] = 0
    for k in range(n_diagonals):
        up, left, diagonal = _predecessors(scores, k)
        torch.add(combine(combine(up, left), diagonal), gains[k], out=scores[k + 2, :, 1:])
    return scores


class _SquaredDistance(torch.autograd.Function):
    """Weighted squared distances (B, N, M) of (B, N, C) and (B, M, C) frames.

    The backward pass of `torch.cdist` needs O(B N M C) memory on a GPU; this one does not.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(x, y, weights)
        root = weights.sqrt()
        # The matrix product form |x|^2 + |y|^2 - 2 x y cancels: its error is large next to a small gamma.
        return torch.cdist(x * root, y * root, compute_mode="donot_use_mm_for_euclid_dist").square()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, y, weights = ctx.saved_tensors
        grad_x = 2 * weights * (x * grad.sum(2)[:, :, None] - grad @ y) if ctx.needs_input_grad[0] else None
        grad_y = 2 * weights * (y * grad.sum(1)[:, :, None] - grad.mT @ x) if ctx.needs_input_grad[1] else None
        return grad_x, grad_y, None


class _SoftMinimum(torch.autograd.Function):
    """Soft minimum (B,) over the costs of all paths, from costs in diagonals (N + M - 1, B, N)."""

    @staticmethod
    def forward(ctx: Any, cost: Tensor, n: Tensor, m: Tensor, gamma: float) -> Tensor:
        scores = _accumulated(cost / -gamma, torch.logaddexp)
        ctx.save_for_backward(scores, n, m)
        return -gamma * scores[n + m, torch.arange(len(n), device=n.device), n]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        """Expected alignment: the share of each cell flows to its predecessors by their softmax.

        Equal to the recursion of algorithm 2 of Cuturi and Blondel 2017. The shares sum to one by construction, so that
        float32 errors do not grow along the path.
        """
        scores, n, m = ctx.saved_tensors
        share = torch.zeros_like(scores)
        share[n + m, torch.arange(len(n), device=n.device), n] = grad
        for k in reversed(range(len(scores) - 2)):
            flow = torch.softmax(torch.stack(_predecessors(scores, k)), dim=0)
            # Cells that no path reaches have no softmax.
            flow.masked_fill_(torch.isneginf(scores[k + 2, :, 1:]), 0).mul_(share[k + 2, :, 1:])
            for target, part in zip(_predecessors(share, k), flow, strict=True):
                target.add_(part)
        return share[2:, :, 1:], None, None, None
