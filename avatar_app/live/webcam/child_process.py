"""Starts the processes that use mediapipe, with pipes to them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from avatar_app.live.runtime.environment import copy_environment

# One thread: more are slower on two cores, and the avatar needs the second core.
VARIABLES = {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "GLOG_minloglevel": "3"}


def start_child(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a process whose standard input and output are pipes.

    Raises:
        OSError: it cannot be started.
    """
    root = str(Path(__file__).resolve().parents[3])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # The process finds this package wherever it is started from.
        env=copy_environment(**VARIABLES, PYTHONPATH=os.pathsep.join(paths)),
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )


def pipe_of(pipe: object) -> BinaryIO:
    """A pipe of `start_child`, which always exists."""
    if pipe is None:
        raise AssertionError("the process was started with pipes")
    return pipe  # type: ignore[return-value]
