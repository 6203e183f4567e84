"""Detects that sound devices were plugged in or unplugged, cheaply enough to poll every second."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ALSA_DEVICES = Path("/dev/snd")
CORE_AUDIO = "/System/Library/Frameworks/CoreAudio.framework/CoreAudio"
SYSTEM_OBJECT = 1


class Property(ctypes.Structure):
    """`AudioObjectPropertyAddress` of CoreAudio; selector and scope are four-letter codes."""

    _fields_ = (("selector", ctypes.c_uint32), ("scope", ctypes.c_uint32), ("element", ctypes.c_uint32))


ALL_DEVICES = Property(int.from_bytes(b"dev#", "big"), int.from_bytes(b"glob", "big"), 0)


def devices_now() -> object:
    """A value that changes when the devices change. Thread: any; takes less than a millisecond."""
    return _source(sys.platform)()


@functools.lru_cache(maxsize=1)
def _source(platform: str) -> Callable[[], object]:
    if platform == "win32":
        return functools.partial(of_windows, ctypes.CDLL("winmm"))
    if platform == "darwin":
        return functools.partial(of_macos, ctypes.CDLL(CORE_AUDIO))
    return of_alsa


def of_alsa() -> tuple[str, ...]:
    """Linux: the kernel's devices, without those that a sound server adds."""
    try:
        return tuple(sorted(os.listdir(ALSA_DEVICES)))
    except OSError:
        # Without a sound card the folder is missing.
        return ()


def of_windows(winmm: Any) -> tuple[int, int]:
    """Windows: the number of inputs and of outputs."""
    return winmm.waveInGetNumDevs(), winmm.waveOutGetNumDevs()


def of_macos(core_audio: Any) -> bytes:
    """macOS: the numbers of all devices; empty when CoreAudio does not answer."""
    size = ctypes.c_uint32(0)
    where = (ctypes.c_uint32(SYSTEM_OBJECT), ctypes.byref(ALL_DEVICES), ctypes.c_uint32(0), None, ctypes.byref(size))
    if core_audio.AudioObjectGetPropertyDataSize(*where):
        return b""
    numbers = ctypes.create_string_buffer(size.value)
    if core_audio.AudioObjectGetPropertyData(*where, numbers):
        return b""
    return numbers.raw[: size.value]
