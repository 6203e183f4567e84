"""Opens a microphone by its name."""

from __future__ import annotations

from pathlib import Path

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.live.audio.sound_device import SoundDevice
from avatar_app.live.audio.sound_system import SOUND_SYSTEM
from avatar_app.live.mic.clean import Cleaning
from avatar_app.live.mic.device import DeviceMic
from avatar_app.live.mic.file import FileMic
from avatar_app.live.mic.level import MicControls
from avatar_app.live.mic.mic import Mic
from avatar_app.live.mic.stream import Microphones
from avatar_app.settings.paths import demo_sample
from avatar_app.settings.schema import FILE_PREFIX

DEMO = "demo"

_microphones = Microphones(system=SOUND_SYSTEM)


def open_mic(
    name: str,
    clock: Clock,
    notices: NoticeBoard,
    controls: MicControls | None = None,
    cleaning: Cleaning | None = None,
) -> Mic:
    """The microphone of a name; `start` opens it.

    Args:
        name: "" for the system's default, `NAME, HOST API` for a device, `file:PATH`, or `demo`.
        clock: the program's.
        notices: where a disconnected device is reported.
        controls: gain and mute; None for neither.
        cleaning: noise suppression and automatic gain; None for neither.

    Raises:
        AudioInputError: this machine has no such microphone.
    """
    if name == DEMO:
        return FileMic(demo_sample(), clock, notices, controls, cleaning, is_loop=True)
    if name.startswith(FILE_PREFIX):
        return FileMic(Path(name[len(FILE_PREFIX) :]), clock, notices, controls, cleaning, is_loop=False)
    _microphones.check(name)
    return DeviceMic(name, clock, notices, controls, _microphones, cleaning)


def list_devices() -> tuple[SoundDevice, ...]:
    """All microphones of this machine.

    Raises:
        AudioInputError: the sound system does not answer.
    """
    return _microphones.devices()


def refresh_devices() -> bool:
    """List the microphones again; False while one is open, which is not interrupted.

    Raises:
        AudioInputError: the sound system does not answer.
    """
    return _microphones.refresh()
