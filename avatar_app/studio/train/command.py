"""Shared by all training commands: flags, processes, arithmetic, and run folders of older versions."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from pathlib import Path

from avatar_app.contracts.errors import StudioError
from avatar_app.studio import arithmetic, renamed
from avatar_app.studio.train import parallel
from avatar_app.studio.train.run_folder import arithmetic_of

log = logging.getLogger(__name__)


def add_machine_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags for threads and arithmetic."""
    parser.add_argument("--n-threads", type=int, default=1)
    arithmetic.add_flag(parser, more="; a run keeps the arithmetic that it began with")


def carry_out(work: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> int:
    """Run a training command and return its exit code.

    Args:
        work: the command.
        arguments: with `run`, `n_threads` and `arithmetic`.

    Raises:
        StudioError: it failed.
    """
    parallel.start(arguments.n_threads)
    try:
        _rename_parts(arguments.run)
        with arithmetic.using(_arithmetic(arguments.run, arguments.arithmetic)):
            work(arguments)
    finally:
        parallel.stop()
    return 0


def _arithmetic(run: Path, wanted: str) -> str:
    """The arithmetic of the flag, else that of the run so far, else the fast one of the device."""
    if wanted != arithmetic.AUTO:
        return wanted
    native = arithmetic.native(parallel.device().type)
    # Several processes must agree, although each has measured.
    if parallel.mean_of({"bf16": native == arithmetic.BF16})["bf16"] < 1:
        native = arithmetic.FP32
    begun = arithmetic_of(run) or native
    if begun == arithmetic.BF16 != native:
        log.warning("This run began in bf16, which this processor emulates slowly; --arithmetic fp32 continues faster.")
    return begun


def _rename_parts(run: Path) -> None:
    try:
        if parallel.is_chief():
            renamed.rename_parts(run)
    except OSError as error:
        raise StudioError(f"The run folder {run} cannot be changed: {error}.", "Check its permissions.") from error
    parallel.wait()
