"""What all commands that train have in common: their threads and processes."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from avatar_app.studio.train import parallel


def carry_out(work: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> int:
    """Run a training command; its exit code.

    Args:
        work: what it does.
        arguments: with `n_threads`.
    """
    parallel.start(arguments.n_threads)
    try:
        work(arguments)
    finally:
        parallel.stop()
    return 0
