"""Sound devices: what identifies one, and how a name selects one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avatar_app.contracts.errors import AudioInputError, OutputError, UserError


@dataclass(frozen=True, slots=True)
class SoundDevice:
    """A microphone or an output of this machine. Its name identifies it: PortAudio's numbers change with every plug."""

    name: str
    host_api: str
    n_channels: int
    rate_hz: int
    is_default: bool
    description: str = ""

    @property
    def label(self) -> str:
        """The text that selects it, in settings and on the command line."""
        return f"{self.name}, {self.host_api}"

    @property
    def title(self) -> str:
        """The text shown to the user."""
        return self.description or self.label


@dataclass(frozen=True, slots=True)
class Side:
    """Capture or playback.

    Attributes:
        key: PortAudio's name, as in `max_input_channels`.
        noun: for sentences.
        plug_in: what the user can do when there is no device.
        error: raised when a device cannot be used.
    """

    key: str
    noun: str
    plug_in: str
    error: type[UserError]


INPUT = Side("input", "microphone", "Plug one in, or play a file with --mic file:PATH.", AudioInputError)
OUTPUT = Side("output", "sound output", "Plug one in, or install a virtual cable.", OutputError)
SIDES = (INPUT, OUTPUT)


@dataclass(frozen=True, slots=True)
class Route:
    """A device behind a device of PortAudio, such as a sink of the sound server.

    Attributes:
        device: the device behind.
        variables: environment variables that select it; set while the stream is opened.
    """

    device: SoundDevice
    variables: Mapping[str, str]


def select(side: Side, devices: Sequence[SoundDevice], name: str) -> int:
    """Index of the device with a name.

    Args:
        side: of the devices.
        devices: to choose from.
        name: a label, or a name that only one device has; "" selects the system's default.

    Raises:
        AudioInputError, OutputError: no device has that name, or several have.
    """
    if not devices:
        raise side.error(f"This machine has no {side.noun}.", side.plug_in)
    if not name:
        return next((index for index, device in enumerate(devices) if device.is_default), 0)
    exact = [index for index, device in enumerate(devices) if name in (device.label, device.name)]
    if len(exact) == 1 or (exact and devices[exact[0]].label == name):
        return exact[0]
    if exact:
        alike = "; ".join(devices[index].label for index in exact)
        raise side.error(f"More than one {side.noun} is named {name}.", f"Choose one: {alike}.")
    labels = [device.label for device in devices]
    near = difflib.get_close_matches(name, labels, n=1) or labels
    raise side.error(f"There is no {side.noun} named {name!r}.", f"Plug it in, or choose: {'; '.join(near)}.")
