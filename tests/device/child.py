"""A child process that tells what it sees, a JSON line at a time."""

import json
import queue
import subprocess
import sys
import threading
import time

from tests.end2end.program import REPO, environment

# Matters only when something is broken.
DEADLINE_S = 120


class Lines:
    """The JSON lines that a process writes, as they come; a thread of its own reads them."""

    def __init__(self, stream) -> None:
        self._stream = stream
        self._came: queue.Queue[dict | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for text in self._stream:
            if text.startswith("{"):
                self._came.put(json.loads(text))
        self._came.put(None)

    def next(self) -> dict:
        """The next line."""
        line = self._came.get(timeout=DEADLINE_S)
        assert line is not None, "the process ended"
        return line

    def wait_for(self, is_so) -> dict:
        """The first line that comes from now on and for which something holds."""
        self.drop()
        t_limit_s = time.monotonic() + DEADLINE_S
        while not is_so(line := self.next()):
            assert time.monotonic() < t_limit_s, f"not seen; the last line: {line}"
        return line

    def drop(self) -> None:
        """Forget what came until now."""
        while not self._came.empty():
            self.next()

    def close(self) -> None:
        """Once the process has ended."""
        self._reader.join(DEADLINE_S)
        self._stream.close()


class Child:
    """Runs code beside a sound server of the test's own; in a process of its own, because PortAudio reads where the
    server is only once."""

    def __init__(self, code: str, pulse) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-c", code], cwd=REPO, env=at(pulse),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
        )  # fmt: skip
        self.lines = Lines(self.child.stdout)

    def wait_for(self, is_so) -> dict:
        """The first line from now on for which something holds."""
        return self.lines.wait_for(is_so)

    def next(self, n: int) -> list[dict]:
        """The next lines, from now on."""
        self.lines.drop()
        return [self.lines.next() for _ in range(n)]

    def say(self, text: str) -> None:
        """Give the child a line."""
        self.child.stdin.write(text + "\n")
        self.child.stdin.flush()

    def stop(self) -> None:
        self.child.kill()
        self.child.wait(DEADLINE_S)
        self.lines.close()
        self.child.stdin.close()


def at(pulse, **changes: str) -> dict[str, str]:
    """The environment of a program that is to find this server."""
    return environment(**{name: pulse.variables[name] for name in ("XDG_RUNTIME_DIR", "HOME")}, **changes)
