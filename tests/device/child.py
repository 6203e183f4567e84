"""A child process that tells what it sees, a JSON line at a time."""

import json
import subprocess
import sys
import threading
import time

from tests.end2end.program import REPO, environment


class Child:
    """Runs code beside a sound server of the test's own; in a process of its own, because PortAudio reads where the
    server is only once."""

    def __init__(self, code: str, pulse, **variables: str) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-c", code], cwd=REPO, env=at(pulse, **variables), stdout=subprocess.PIPE, text=True
        )
        self.lines: list[dict] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.child.stdout:
            self.lines.append(json.loads(line))

    def wait_for(self, is_so, timeout_s: float) -> dict:
        """The first line from now on for which something holds."""
        seen, t_limit_s = len(self.lines), time.monotonic() + timeout_s
        while time.monotonic() < t_limit_s and self.child.poll() is None:
            for line in self.lines[seen:]:
                if is_so(line):
                    return line
            time.sleep(0.05)
        raise AssertionError(f"not seen within {timeout_s} s; the last line: {self.lines[-1:]}")

    def stop(self) -> None:
        self.child.kill()
        self.child.wait(10)
        self._reader.join(10)
        self.child.stdout.close()


def at(pulse, **changes: str) -> dict[str, str]:
    """The environment of a program that is to find this server."""
    return environment(**{name: pulse.variables[name] for name in ("XDG_RUNTIME_DIR", "HOME")}, **changes)
