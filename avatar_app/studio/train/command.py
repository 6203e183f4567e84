"""What all commands that train have in common: their log, their threads and processes, and how they fail."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable

from avatar_app.contracts.errors import UserError
from avatar_app.studio.train import parallel

log = logging.getLogger(__name__)


def carry_out(work: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> int:
    """Run a training command; its exit code.

    Args:
        work: what it does.
        arguments: with `n_threads`.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    parallel.start(arguments.n_threads)
    try:
        work(arguments)
    except UserError as error:
        log.error("%s", error)
        return 2
    finally:
        parallel.stop()
    return 0
