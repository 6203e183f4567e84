"""What all commands that train have in common: their threads, processes and arithmetic."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from pathlib import Path

from avatar_app.studio import arithmetic
from avatar_app.studio.train import parallel
from avatar_app.studio.train.run_folder import arithmetic_of

log = logging.getLogger(__name__)


def add_machine_flags(parser: argparse.ArgumentParser) -> None:
    """Flags that say how the machine is used."""
    parser.add_argument("--n-threads", type=int, default=1)
    arithmetic.add_flag(parser, more="; a run that continues keeps its own")


def carry_out(work: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> int:
    """Run a training command; its exit code.

    Args:
        work: what it does.
        arguments: with `run`, `n_threads` and `arithmetic`.
    """
    parallel.start(arguments.n_threads)
    try:
        with arithmetic.using(_arithmetic(arguments.run, arguments.arithmetic)):
            work(arguments)
    finally:
        parallel.stop()
    return 0


def _arithmetic(run: Path, wanted: str) -> str:
    """What the flag says; else what the run has begun in; else what the device computes natively."""
    if wanted != arithmetic.AUTO:
        return wanted
    native = arithmetic.native(parallel.device().type)
    # Several processes must agree, though each has measured.
    if parallel.mean_of({"bf16": native == arithmetic.BF16})["bf16"] < 1:
        native = arithmetic.FP32
    begun = arithmetic_of(run) or native
    if begun == arithmetic.BF16 != native:
        log.warning("This run began in bf16, which this processor emulates slowly; --arithmetic fp32 continues faster.")
    return begun
