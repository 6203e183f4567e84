"""Data-parallel training on CPU or GPU, in one process or in several that `torchrun` started.

Every process draws the same batch, works on its share of it, and averages gradients before the optimizer step, so
weights stay equal. Losses are means over equal shares, so several processes compute what one does, with two exceptions:
batch norm in training has the statistics of a share, and a sync expert compares sounds with the pictures of its share.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import torch
import torch.distributed as dist
from torch import Tensor, nn

from avatar_app.contracts.errors import StudioError


def start(n_threads: int) -> None:
    """Join the process group, when `torchrun` started several processes.

    Args:
        n_threads: CPU threads of each process.
    """
    torch.set_num_threads(n_threads)
    if "WORLD_SIZE" in os.environ and not dist.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def stop() -> None:
    """Leave the process group; `torchrun` ends all processes when one fails."""
    if dist.is_initialized():
        dist.destroy_process_group()


def device() -> torch.device:
    """The GPU of this process, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def n_processes() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_chief() -> bool:
    """Whether this process writes the files."""
    return not dist.is_initialized() or dist.get_rank() == 0


def share(n: int) -> slice:
    """This process's share of a batch of n.

    Raises:
        StudioError: n is no multiple of the number of processes.
    """
    if n % n_processes():
        raise StudioError(
            f"A batch of {n} cannot be divided among {n_processes()} processes.",
            "Choose a number of processes that divides it.",
        )
    size = n // n_processes()
    rank = dist.get_rank() if dist.is_initialized() else 0
    return slice(rank * size, (rank + 1) * size)


@torch.no_grad()
def average_gradients(optimizer: torch.optim.Optimizer) -> None:
    """Replace gradients by their mean over all processes."""
    if n_processes() == 1:
        return
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    _average([p.grad for p in parameters if p.grad is not None])


@torch.no_grad()
def average_norms(net: nn.Module) -> None:
    """Replace the batch norm statistics by their mean over all processes."""
    if n_processes() > 1:
        _average([b for b in net.buffers() if b.is_floating_point()])


def mean_of(parts: Mapping[str, float]) -> dict[str, float]:
    """Named numbers of a step, as means over all processes; a number that is not finite in one of them is so in all."""
    if n_processes() == 1:
        return dict(parts)
    values = torch.tensor(list(parts.values()), dtype=torch.float64, device=device())
    dist.all_reduce(values)
    return dict(zip(parts, (values / n_processes()).tolist(), strict=True))


def wait() -> None:
    """Wait for all processes."""
    if dist.is_initialized():
        dist.barrier()


def _average(tensors: Iterable[Tensor]) -> None:
    tensors = list(tensors)
    # One message instead of hundreds.
    flat = torch.cat([t.flatten() for t in tensors])
    dist.all_reduce(flat)
    flat /= n_processes()
    start_at = 0
    for tensor in tensors:
        tensor.copy_(flat[start_at : start_at + tensor.numel()].view_as(tensor))
        start_at += tensor.numel()
