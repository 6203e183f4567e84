"""One process or many, CPU or GPU: what a training step must do to not care.

Started by `torchrun`, every process draws the same batch, works on its share of it, and averages gradients before the
optimizer moves; weights then stay equal. Losses are means over equal shares, so many processes compute what one does,
but for what a share cannot know of the others: batch norms that learn see a share each, and an expert compares a sound
with the mouths of its own share only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import torch
import torch.distributed as dist
from torch import Tensor, nn

from avatar_app.contracts.errors import StudioError


def start(n_threads: int) -> None:
    """Join the other processes, when `torchrun` started several.

    Args:
        n_threads: for arithmetic on the CPU, in each process.
    """
    torch.set_num_threads(n_threads)
    if "WORLD_SIZE" in os.environ and not dist.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def stop() -> None:
    """Leave the other processes; `torchrun` ends them all when one leaves with an error."""
    if dist.is_initialized():
        dist.destroy_process_group()


def device() -> torch.device:
    """The GPU of this process, where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def n_processes() -> int:
    """How many work together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_chief() -> bool:
    """Whether this process is the one that writes files."""
    return not dist.is_initialized() or dist.get_rank() == 0


def share(n: int) -> slice:
    """This process's part of a batch of n.

    Raises:
        StudioError: the batch cannot be shared equally.
    """
    if n % n_processes():
        raise StudioError(
            f"A batch of {n} cannot be shared by {n_processes()} processes.",
            "Choose a number that divides it.",
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
    """Replace the statistics of batch norms, each from one share, by their mean over all processes."""
    if n_processes() > 1:
        _average([b for b in net.buffers() if b.is_floating_point()])


def mean_of(parts: Mapping[str, float]) -> dict[str, float]:
    """Named numbers of a step, as means over all processes: a loss that one of them loses is lost for all."""
    if n_processes() == 1:
        return dict(parts)
    values = torch.tensor(list(parts.values()), dtype=torch.float64, device=device())
    dist.all_reduce(values)
    return dict(zip(parts, (values / n_processes()).tolist(), strict=True))


def wait() -> None:
    """Until all processes are here."""
    if dist.is_initialized():
        dist.barrier()


def _average(tensors: Iterable[Tensor]) -> None:
    tensors = list(tensors)
    # One message, not hundreds of small ones.
    flat = torch.cat([t.flatten() for t in tensors])
    dist.all_reduce(flat)
    flat /= n_processes()
    start_at = 0
    for tensor in tensors:
        tensor.copy_(flat[start_at : start_at + tensor.numel()].view_as(tensor))
        start_at += tensor.numel()
