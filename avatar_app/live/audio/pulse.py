"""The sound server of Linux, PulseAudio or PipeWire in its place, queried with `pactl`, the tool of both.

pulsectl 24.12 does not replace it: its `sample_spec` points into freed memory, so devices get each other's rate, and a
query to a server that hangs never returns.
"""

from __future__ import annotations

import io
import logging
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO

from avatar_app.live.audio.sound_device import SoundDevice
from avatar_app.live.runtime.environment import copy_environment

log = logging.getLogger(__name__)

TOOL = "pactl"
# The first line of an object, such as "Source Output #12".
HEADING = re.compile(r"[A-Z][A-Za-z ]* #\d+")
TIMEOUT_S = 3.0
# The parser reads English.
LANGUAGE = {"LC_ALL": "C"}
ALSA = "ALSA"
# PortAudio's names for the server.
SERVER_NAMES = ("default", "pipewire", "pulse")
# PortAudio reaches every device of the server through this one.
SERVER_DEVICE = "pulse, ALSA"
# The labels of the server's own devices end with this.
HOST_API = "PulseAudio"
LABEL_END = f", {HOST_API}"


@dataclass(frozen=True, slots=True)
class ServerObject:
    """An entry of `pactl list`.

    Attributes:
        kind: "Source", "Sink", "Source Output" and so on.
        number: the server's index.
        fields: such as "Name" and "Description".
        properties: such as "application.process.id".
    """

    kind: str
    number: str
    fields: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources of the server, and the one that a process records from.

    Attributes:
        own: name of the source that the process records from; empty for none, or several.
        descriptions: of each source by its name, as other programs show them.
    """

    own: str
    descriptions: Mapping[str, str]


class Query:
    """A query that can be repeated and never blocks its caller. Thread: one.

    Args:
        arguments: of `pactl`.
    """

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[str] = io.StringIO()

    def start(self) -> None:
        """Start the query, unless the previous one still runs."""
        if self._process is not None:
            return
        try:
            # A file, because a pipe holds only 64 kB until it is read.
            self._output = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed later
            self._process = subprocess.Popen(  # noqa: S603 - fixed arguments
                (TOOL, *self._arguments),
                stdout=self._output,
                stderr=subprocess.DEVNULL,
                env=copy_environment(**LANGUAGE),
            )
        except OSError as error:
            self._output.close()
            log.info("cannot query the sound server: %s", error)

    def result(self) -> str | None:
        """The output, once; empty when there is no server; None while the query runs."""
        process = self._process
        if process is None or process.poll() is None:
            return None
        self._process = None
        with self._output as output:
            output.seek(0)
            return output.read() if process.returncode == 0 else ""

    def close(self) -> None:
        """End a running query; a second call does nothing."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            self._output.close()


def has_tool() -> bool:
    """Whether the server can be queried on this machine."""
    return shutil.which(TOOL) is not None


def query(*arguments: str) -> str:
    """The output of `pactl`, for up to `TIMEOUT_S`; empty when the server does not answer."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            (TOOL, *arguments),
            capture_output=True,
            timeout=TIMEOUT_S,
            check=True,
            env=copy_environment(**LANGUAGE),
            encoding="utf-8",  # descriptions are in the user's language
            errors="replace",
        )
    except (OSError, subprocess.SubprocessError) as error:
        log.info("the sound server does not answer: %s", error)
        return ""
    return done.stdout


def objects_of(listing: str) -> tuple[ServerObject, ...]:
    """Parse `pactl list`: a line for each object, its fields after one tab, their properties after two.

    Other lines are ignored: a description may hold a line break.
    """
    found: list[ServerObject] = []
    for line in listing.splitlines():
        if HEADING.fullmatch(line):
            kind, _, number = line.partition(" #")
            found.append(ServerObject(kind, number))
        elif found and line.startswith("\t\t"):
            key, _, value = line.strip().partition(" = ")
            found[-1].properties[key] = value.strip('"')
        elif found and line.startswith("\t"):
            key, _, value = line.strip().partition(": ")
            found[-1].fields[key] = value
    return tuple(found)


def sources_of(listing: str, process_id: int) -> Sources:
    """The sources in the output of `pactl list`, and the one that a process records from."""
    objects = objects_of(listing)
    sources = {each.number: each.fields for each in objects if each.kind == "Source" and "Name" in each.fields}
    recorded = [
        each.fields.get("Source", "")
        for each in objects
        if each.kind == "Source Output" and each.properties.get("application.process.id") == str(process_id)
    ]
    own = sources.get(recorded[0], {}).get("Name", "") if len(recorded) == 1 else ""
    return Sources(own, {fields["Name"]: fields.get("Description", "") for fields in sources.values()})


def devices_of(listing: str, kind: str) -> tuple[SoundDevice, ...]:
    """The sources or sinks in the output of `pactl list`, without those that cannot be parsed.

    Monitors of sinks come last. Names are added to equal descriptions.

    Args:
        listing: the output.
        kind: "Source" or "Sink".
    """
    found = [each.fields for each in objects_of(listing) if each.kind == kind and _is_usable(each.fields)]
    n_alike = Counter(fields.get("Description", "") for fields in found)
    devices = []
    for fields in sorted(found, key=lambda fields: fields.get("Monitor of Sink", "n/a") != "n/a"):
        name, title = fields["Name"], fields.get("Description", "")
        title = f"{title} ({name})" if n_alike[title] > 1 and title else title
        _, channels, rate = fields["Sample Specification"].split()
        devices.append(
            SoundDevice(name, HOST_API, int(channels[:-2]), int(rate[:-2]), is_default=False, description=title)
        )
    return tuple(devices)


def _is_usable(fields: Mapping[str, str]) -> bool:
    is_known = re.fullmatch(r"\S+ \d+ch \d+Hz", fields.get("Sample Specification", "")) is not None
    return is_known and bool(fields.get("Name"))
