"""A child process that tells what it sees, a JSON line at a time."""

import subprocess
import sys

from tests.end2end.program import DEADLINE_S, REPO, Lines, environment


class Child:
    """Runs code beside a sound server of the test's own; in a process of its own, because PortAudio reads where the
    server is only once."""

    def __init__(self, code: str, pulse, **variables: str) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-c", code], cwd=REPO, env=at(pulse, **variables),
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
