"""Norms that are merged into the convolutions before them: give them statistics, merge them, average such networks.

The norms of an unpacked network are the identity with merged weights. In training they would use the statistics of the
batch instead, which changes what the network computes. With the statistics of real batches, and weights that compensate
them, the network computes the same in evaluation and nearly the same in training.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def fit_norm_statistics(net: nn.Module, batches: Iterable[Tensor]) -> None:
    """Give all batch norms the statistics of their inputs; the output in evaluation mode stays the same.

    Args:
        net: changed in place, and left in evaluation mode.
        batches: inputs of the network.
    """
    found: dict[_BatchNorm, list[tuple[Tensor, Tensor]]] = {}

    def note(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, _BatchNorm)  # noqa: S101  the hook is on these only
        x = inputs[0].transpose(0, 1).flatten(1)
        found.setdefault(norm, []).append((x.mean(1), x.var(1, unbiased=False)))

    norms = [module for module in net.modules() if isinstance(module, _BatchNorm)]
    hooks = [norm.register_forward_pre_hook(note) for norm in norms]
    net.eval()
    for batch in batches:
        net(batch)
    for hook in hooks:
        hook.remove()
    for norm, moments in found.items():
        means, variances = (torch.stack(values) for values in zip(*moments, strict=True))
        _set_statistics(norm, means.mean(0), variances.mean(0) + means.var(0, unbiased=False))


def _set_statistics(norm: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    assert norm.running_mean is not None and norm.running_var is not None  # noqa: S101  none here goes without
    slope = norm.weight / (norm.running_var + norm.eps).sqrt()
    offset = norm.bias - slope * norm.running_mean
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_(slope * (variance + norm.eps).sqrt())
    norm.bias.copy_(offset + slope * mean)


@torch.no_grad()
def merge_norms(net: nn.Module) -> None:
    """Merge each batch norm into the convolution before it; the norm keeps the bias. The output stays the same."""
    for conv, norm in pairwise(list(net.modules())):
        if isinstance(norm, _BatchNorm):
            assert isinstance(conv, nn.Conv1d | nn.Conv2d)  # noqa: S101  so are our networks
            assert norm.running_mean is not None and norm.running_var is not None  # noqa: S101
            slope = norm.weight / (norm.running_var + norm.eps).sqrt()
            conv.weight.mul_(slope.view(-1, *[1] * (conv.weight.dim() - 1)))
            norm.bias.sub_(slope * norm.running_mean)
            norm.weight.fill_(1.0)
            norm.running_mean.zero_()
            norm.running_var.fill_(1 - norm.eps)


@torch.no_grad()
def mix(first: nn.Module, second: nn.Module, first_share: float) -> None:
    """Replace the weights of the second network by the mean of both, each with merged norms.

    Fine-tuned weights lie near those before; their mean is often better on new data than either (Wortsman et al.,
    "Robust fine-tuning of zero-shot models", 2022).

    Args:
        first: of the same shape; not changed.
        second: changed in place.
        first_share: share of the first network, 0..1.
    """
    merged = copy.deepcopy(first)
    merge_norms(merged)
    merge_norms(second)
    for mean, value in zip(second.state_dict().values(), merged.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, first_share)
