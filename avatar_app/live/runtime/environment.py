"""The environment variables of the process; some threads change them while others copy them for a child process."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_LOCK = threading.Lock()


def copy_environment(**changes: str) -> dict[str, str]:
    """A copy for a child process, with some variables changed. Thread: any.

    A plain copy raises RuntimeError while another thread adds or removes a variable.
    """
    with _LOCK:
        return {**os.environ, **changes}


@contextmanager
def changed_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables inside the block and restore them after it. Thread: any, but one block at a time."""
    with _LOCK:
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
    try:
        yield
    finally:
        with _LOCK:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
