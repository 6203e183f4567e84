"""Sinks of PulseAudio, or of PipeWire in its place: null sinks, headphones, whatever the sound server plays to.

PortAudio knows the server as a single device, `pulse`; `PULSE_SINK` leads on from there. The sinks are listed by
`pactl`, the tool of both servers.
"""

from __future__ import annotations

import logging
import shutil
import subprocess

from avatar_app.contracts.errors import OutputError
from avatar_app.live.portaudio import OUTPUT, Route, SoundDevice, SoundSystem

log = logging.getLogger(__name__)

HOST_API = "PulseAudio"
LABEL_END = f", {HOST_API}"
DOOR = "pulse, ALSA"
COMMAND = ("pactl", "list", "short", "sinks")
TIMEOUT_S = 3.0


def list_sinks(system: SoundSystem) -> tuple[SoundDevice, ...]:
    """The sinks that can be played to; none where there is no such server, or no way to it.

    Raises:
        OutputError: the sound system does not answer.
    """
    if shutil.which(COMMAND[0]) is None or all(device.label != DOOR for device in system.devices(OUTPUT)):
        return ()
    try:
        done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)  # noqa: S603 - our own words
    except (OSError, subprocess.SubprocessError) as error:
        log.info("no sinks of a sound server: %s", error)
        return ()
    return tuple(_parsed(done.stdout))


def route_to(system: SoundSystem, label: str) -> Route | None:
    """The way to an output that is a sink; None when its label is that of another kind.

    Raises:
        OutputError: there is no such sink now.
    """
    if not label.endswith(LABEL_END):
        return None
    sinks = list_sinks(system)
    for sink in sinks:
        if sink.label == label:
            return Route(sink, {"PULSE_SINK": sink.name})
    known = "; ".join(sink.label for sink in sinks) or "another output"
    raise OutputError(f"There is no sound output named {label!r}.", f"Load it again, or choose: {known}.")


class SinkWatch:
    """Sees that a sink is gone. The server would go on with another sink, such as the loudspeakers. Thread: one."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._asked: subprocess.Popen[str] | None = None

    def ask(self) -> None:
        """Ask the server; nothing while it has not answered the last question."""
        if self._asked is not None:
            return
        try:
            self._asked = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # noqa: S603
        except OSError as error:
            log.info("sinks cannot be watched: %s", error)

    def is_gone(self) -> bool:
        """Whether an answer has come that says so; never waits."""
        asked = self._asked
        if asked is None or asked.poll() is None:
            return False
        self._asked = None
        out, _ = asked.communicate()
        return asked.returncode != 0 or all(sink.label != self._label for sink in _parsed(out))

    def close(self) -> None:
        """Ask no more; twice is fine."""
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.kill()
            asked.communicate()


def _parsed(lines: str) -> list[SoundDevice]:
    """Lines such as `1 TAB cable TAB module-null-sink.c TAB s16le 2ch 48000Hz TAB RUNNING`."""
    sinks = []
    for line in lines.splitlines():
        words = line.split("\t")
        if len(words) < 4 or len(form := words[3].split()) != 3:
            continue
        n_channels, rate = form[1].removesuffix("ch"), form[2].removesuffix("Hz")
        if n_channels.isdecimal() and rate.isdecimal():
            sinks.append(SoundDevice(words[1], HOST_API, int(n_channels), int(rate), is_default=False))
    return sinks
