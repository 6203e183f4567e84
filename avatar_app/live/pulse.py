"""The sound server of Linux: PulseAudio, or PipeWire in its place, asked by `pactl`, the tool of both."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict

log = logging.getLogger(__name__)


class _Text(TypedDict):
    text: Literal[True]
    encoding: str
    errors: str


TOOL = "pactl"
TIMEOUT_S = 3.0
# Descriptions are in the user's language, whatever the language of the tool.
TEXT: _Text = {"text": True, "encoding": "utf-8", "errors": "replace"}
# PortAudio knows the server by these names.
DOORS = ("default", "pipewire", "pulse")
ALSA = "ALSA"
# What stands behind the server is chosen by a label that ends so; PortAudio reaches it through this one device.
HOST_API = "PulseAudio"
LABEL_END = f", {HOST_API}"
DOOR = "pulse, ALSA"


@dataclass(frozen=True, slots=True)
class Sources:
    """What can be recorded from, and what a process records from.

    Attributes:
        own: name of the one source that the process records from; empty for none, or several.
        descriptions: of each source by its name, as other programs show them.
    """

    own: str
    descriptions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Source:
    """A source of the server.

    Attributes:
        name: what the server calls it, the same after every plug.
        description: what other programs show.
        is_monitor: it hears what is played to a sink, and is no microphone.
    """

    name: str
    description: str
    n_channels: int
    rate_hz: int
    is_monitor: bool


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
                (TOOL, *self._words), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_plain(), **TEXT
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
            (TOOL, *words), capture_output=True, timeout=TIMEOUT_S, check=True, env=_plain(), **TEXT
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


def described_sources(listing: str) -> tuple[Source, ...]:
    """Read what `pactl list sources` says, microphones before monitors; a source that is not understood is left out."""
    found = []
    for part in listing.split("Source #")[1:]:
        lines = [line.strip() for line in part.splitlines() if line.startswith("\t") and not line.startswith("\t\t")]
        fields = dict(line.split(": ", 1) for line in lines if ": " in line)
        form = fields.get("Sample Specification", "").split()
        name = fields.get("Name", "")
        if not name or len(form) != 3 or not (form[1][:-2].isdecimal() and form[2][:-2].isdecimal()):
            continue
        description, is_monitor = fields.get("Description", ""), fields.get("Monitor of Sink", "n/a") != "n/a"
        found.append(Source(name, description, int(form[1][:-2]), int(form[2][:-2]), is_monitor))
    return tuple(sorted(found, key=lambda source: source.is_monitor))


def _plain() -> dict[str, str]:
    """The environment, but for the language: what is read must be English."""
    return {**os.environ, "LC_ALL": "C"}
