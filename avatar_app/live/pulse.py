"""The sound server of Linux: PulseAudio, or PipeWire in its place, asked by `pactl`, the tool of both."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

log = logging.getLogger(__name__)

TOOL = "pactl"
TIMEOUT_S = 3.0
# PortAudio knows the server by these names.
DOORS = ("default", "pipewire", "pulse")
ALSA = "ALSA"


@dataclass(frozen=True, slots=True)
class Sources:
    """What can be recorded from, and what a process records from.

    Attributes:
        own: name of the one source that the process records from; empty for none, or several.
        descriptions: of each source by its name, as other programs show them.
    """

    own: str
    descriptions: Mapping[str, str]


class Question:
    """One question, asked again and again, whose answer nobody waits for. Thread: one.

    Args:
        words: for `pactl`.
    """

    def __init__(self, *words: str) -> None:
        self._words = words
        self._asked: subprocess.Popen[str] | None = None

    def ask(self) -> None:
        """Ask the server; nothing while it has not answered the last time."""
        if self._asked is not None:
            return
        try:
            self._asked = subprocess.Popen(  # noqa: S603 - our own words
                (TOOL, *self._words), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=_plain()
            )
        except OSError as error:
            log.info("the sound server cannot be asked: %s", error)

    def answer(self) -> str | None:
        """The answer, once, empty when the server is not there; None while none has come."""
        asked = self._asked
        if asked is None or asked.poll() is None:
            return None
        self._asked = None
        out, _ = asked.communicate()
        return out if asked.returncode == 0 else ""

    def close(self) -> None:
        """Ask no more; twice is fine."""
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.kill()
            asked.communicate()


def has_tool() -> bool:
    """Whether the server can be asked here."""
    return shutil.which(TOOL) is not None


def ask(*words: str) -> str:
    """The server's answer, waited for; empty where there is no server."""
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            (TOOL, *words), capture_output=True, text=True, timeout=TIMEOUT_S, check=True, env=_plain()
        )
    except (OSError, subprocess.SubprocessError) as error:
        log.info("the sound server does not answer: %s", error)
        return ""
    return done.stdout


def sources_of(listing: str, process_id: int) -> Sources:
    """Read what `pactl list` says: objects with a line of their own, and what belongs to them indented below."""
    names: dict[str, str] = {}
    descriptions: dict[str, str] = {}
    heard: list[str] = []
    kind = number = source = ""
    for line in listing.splitlines():
        if not line.startswith(("\t", " ")):
            kind, _, number = line.partition(" #")
            continue
        word, _, value = line.strip().partition(": " if kind == "Source" else " = " if " = " in line else ": ")
        if kind == "Source" and word == "Name":
            names[number] = value
        elif kind == "Source" and word == "Description":
            descriptions[names.get(number, "")] = value
        elif kind == "Source Output" and word == "Source":
            source = value
        elif kind == "Source Output" and word == "application.process.id" and value.strip('"') == str(process_id):
            heard.append(names.get(source, ""))
    return Sources(heard[0] if len(heard) == 1 else "", descriptions)


def _plain() -> dict[str, str]:
    """The environment, but for the language: what is read must be English."""
    return {**os.environ, "LC_ALL": "C"}
