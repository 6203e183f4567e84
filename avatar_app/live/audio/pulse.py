"""The sound server of Linux: PulseAudio, or PipeWire in its place, asked by `pactl`, the tool of both."""

from __future__ import annotations

import io
import logging
import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Literal, TypedDict

from avatar_app.live.audio.sound_system import SoundDevice

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


class Question:
    """One question, asked again and again, whose answer nobody waits for. Thread: one.

    Args:
        words: for `pactl`.
    """

    def __init__(self, *words: str) -> None:
        self._words = words
        self._asked: subprocess.Popen[bytes] | None = None
        self._said: IO[str] = io.StringIO()

    def ask(self) -> None:
        """Ask the server; nothing while it has not answered the last time."""
        if self._asked is not None:
            return
        try:
            # A file: nobody reads while the server answers, and a pipe holds 64 kB.
            self._said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed later
            self._asked = subprocess.Popen(  # noqa: S603 - our own words
                (TOOL, *self._words), stdout=self._said, stderr=subprocess.DEVNULL, env=_plain()
            )
        except OSError as error:
            self._said.close()
            log.info("the sound server cannot be asked: %s", error)

    def answer(self) -> str | None:
        """The answer, once, empty when the server is not there; None while none has come."""
        asked = self._asked
        if asked is None or asked.poll() is None:
            return None
        self._asked = None
        with self._said as said:
            said.seek(0)
            return said.read() if asked.returncode == 0 else ""

    def close(self) -> None:
        """Ask no more; twice is fine."""
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.kill()
            asked.wait()
            self._said.close()


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


def list_sources() -> tuple[SoundDevice, ...]:
    """What can be recorded from, microphones before the monitors of sinks; none where there is no server."""
    return described(ask("list", "sources"), "Source")


def list_sinks() -> tuple[SoundDevice, ...]:
    """What can be played to; none where there is no server."""
    return described(ask("list", "sinks"), "Sink")


def described(listing: str, kind: str) -> tuple[SoundDevice, ...]:
    """Read what `pactl list` says of its sources or sinks; what is not understood is left out.

    Two that are described alike are told apart by their names.
    """
    parts = (part for part in listing.split(f"{kind} #")[1:])
    found = [fields for fields in map(_fields, parts) if fields is not None]
    n_alike = Counter(fields["Description"] for fields in found)
    devices = []
    for fields in sorted(found, key=lambda fields: fields.get("Monitor of Sink", "n/a") != "n/a"):
        name, shown = fields["Name"], fields["Description"]
        shown = f"{shown} ({name})" if n_alike[shown] > 1 and shown else shown
        _, channels, rate = fields["Sample Specification"].split()
        devices.append(
            SoundDevice(name, HOST_API, int(channels[:-2]), int(rate[:-2]), is_default=False, description=shown)
        )
    return tuple(devices)


def _fields(part: str) -> dict[str, str] | None:
    """The fields of one object, without those of what belongs to it; None where it cannot be used."""
    lines = [line.strip() for line in part.splitlines() if line.startswith("\t") and not line.startswith("\t\t")]
    fields = {"Description": "", **dict(line.split(": ", 1) for line in lines if ": " in line)}
    is_known = re.fullmatch(r"\S+ \d+ch \d+Hz", fields.get("Sample Specification", "")) is not None
    return fields if is_known and fields.get("Name") else None


def _plain() -> dict[str, str]:
    """The environment, but for the language: what is read must be English."""
    return {**os.environ, "LC_ALL": "C"}
