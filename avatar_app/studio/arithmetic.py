"""The arithmetic of the networks: bf16 where the processor has it natively, float32 elsewhere.

Where bf16 is emulated, a convolution takes up to fifteen times as long as in float32. The instruction set alone does
not determine the kernels of torch, so a small training step is timed in both.

The choice applies inside `using`, like a precision inside `decimal.localcontext`. Outside, it is `AUTO`.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import logging
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

AUTO, BF16, FP32 = "auto", "bf16", "fp32"
CHOICES = (AUTO, BF16, FP32)
# Enough for a few undisturbed rounds on a busy machine; they take a second where bf16 is emulated.
N_ROUNDS = 20

_chosen: ContextVar[str] = ContextVar("arithmetic", default=AUTO)


def add_flag(parser: argparse.ArgumentParser, default: str = AUTO, more: str = "") -> None:
    """Add `--arithmetic` to a command that trains or evaluates.

    Args:
        parser: of the command.
        default: one of `CHOICES`.
        more: text to add to the help.
    """
    text = f"arithmetic of the networks; auto: bf16 where the processor has it natively{more} (default: {default})"
    parser.add_argument("--arithmetic", choices=CHOICES, default=default, help=text)


@contextlib.contextmanager
def using(name: str) -> Iterator[None]:
    """Compute in this arithmetic, one of `CHOICES`, inside the context."""
    token = _chosen.set(name)
    try:
        yield
    finally:
        _chosen.reset(token)


def in_use(device_type: str) -> str:
    """The arithmetic, `bf16` or `fp32`, of networks on a device, `cpu` or `cuda`."""
    name = _chosen.get()
    return native(device_type) if name == AUTO else name


def autocast(device: torch.device, *, enabled: bool = True) -> torch.autocast:
    """The context for a network's forward pass.

    Args:
        device: of the network.
        enabled: False computes in float32.
    """
    import torch

    return torch.autocast(device.type, torch.bfloat16, enabled=enabled and in_use(device.type) == BF16)


@functools.cache
def native(device_type: str) -> str:
    """The fast arithmetic of a device: `bf16` on a GPU, the faster one on a processor. Measured once per process."""
    if device_type != "cpu":
        return BF16
    seconds = {name: min(times) for name, times in step_seconds().items()}
    log.info("A step in bf16 takes %.2f times as long as in float32 on this processor.", seconds[BF16] / seconds[FP32])
    return BF16 if seconds[BF16] < seconds[FP32] else FP32


def step_seconds() -> dict[str, list[float]]:
    """Seconds of a training step of one small convolution on the processor, in each arithmetic, taken in turns."""
    import torch

    times: dict[str, list[float]] = {BF16: [], FP32: []}
    # No random numbers: a measurement must not change the state of torch's generator.
    images, weight = torch.ones(2, 32, 48, 48), torch.ones(32, 32, 3, 3, requires_grad=True)
    for _ in range(N_ROUNDS):
        for name, taken in times.items():
            t_start_s = time.perf_counter()
            with torch.enable_grad(), torch.autocast("cpu", torch.bfloat16, enabled=name == BF16):
                loss = torch.nn.functional.conv2d(images, weight).float().mean()
            torch.autograd.grad(loss, weight)
            taken.append(time.perf_counter() - t_start_s)
    return times
