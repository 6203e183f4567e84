"""Which arithmetic the networks compute in: bf16 where the processor has it natively, float32 elsewhere.

A processor that must emulate bf16 takes up to fifteen times as long for a convolution as in float32. Names of
instruction sets do not tell what a build of torch makes of them, so a small training step is timed in both.

The choice holds inside `using`, as a precision does inside `decimal.localcontext`. Outside, it is `AUTO`.
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
# So many that on a busy machine a few are left undisturbed; a second where bf16 is emulated.
N_ROUNDS = 20

_chosen: ContextVar[str] = ContextVar("arithmetic", default=AUTO)


def add_flag(parser: argparse.ArgumentParser, default: str = AUTO, more: str = "") -> None:
    """Add `--arithmetic` to a command that trains or evaluates.

    Args:
        parser: of the command.
        default: one of `CHOICES`.
        more: what else this command's help says about it.
    """
    text = f"what networks compute in; auto: bf16 where the processor has it natively{more} (default: {default})"
    parser.add_argument("--arithmetic", choices=CHOICES, default=default, help=text)


@contextlib.contextmanager
def using(name: str) -> Iterator[None]:
    """Compute in this arithmetic, one of `CHOICES`, as long as the context lasts."""
    token = _chosen.set(name)
    try:
        yield
    finally:
        _chosen.reset(token)


def in_use(device_type: str) -> str:
    """`bf16` or `fp32`: what networks on a device, `cpu` or `cuda`, compute in."""
    name = _chosen.get()
    return native(device_type) if name == AUTO else name


def autocast(device: torch.device, *, enabled: bool = True) -> torch.autocast:
    """The context for a network's forward pass.

    Args:
        device: where the network is.
        enabled: False computes in float32 whatever is in use.
    """
    import torch

    return torch.autocast(device.type, torch.bfloat16, enabled=enabled and in_use(device.type) == BF16)


@functools.cache
def native(device_type: str) -> str:
    """What a device computes natively: `bf16` on a GPU, on a processor whichever is faster. Decided once a process."""
    if device_type != "cpu":
        return BF16
    seconds = {name: min(times) for name, times in step_seconds().items()}
    log.info("A step in bf16 takes %.2f times as long as in float32 on this processor.", seconds[BF16] / seconds[FP32])
    return BF16 if seconds[BF16] < seconds[FP32] else FP32


def step_seconds() -> dict[str, list[float]]:
    """Seconds of a training step of one small convolution on the processor, in each arithmetic, taken in turns."""
    import torch

    times: dict[str, list[float]] = {BF16: [], FP32: []}
    # No chance in it: a measurement must not move torch's generator.
    images, weight = torch.ones(2, 32, 48, 48), torch.ones(32, 32, 3, 3, requires_grad=True)
    for _ in range(N_ROUNDS):
        for name, taken in times.items():
            t_start_s = time.perf_counter()
            with torch.enable_grad(), torch.autocast("cpu", torch.bfloat16, enabled=name == BF16):
                loss = torch.nn.functional.conv2d(images, weight).float().mean()
            torch.autograd.grad(loss, weight)
            taken.append(time.perf_counter() - t_start_s)
    return times
