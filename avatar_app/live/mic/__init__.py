"""Sound from a microphone or a file, as blocks of 10 ms at 16 kHz that know when they were captured."""

from avatar_app.live.mic.clean import Cleaning, require
from avatar_app.live.mic.level import MicControls
from avatar_app.live.mic.mic import Mic, MicDevice, MicState, MicStatus
from avatar_app.live.mic.opening import DEMO, list_devices, open_mic, refresh_devices

__all__ = [
    "DEMO",
    "Cleaning",
    "Mic",
    "MicControls",
    "MicDevice",
    "MicState",
    "MicStatus",
    "list_devices",
    "open_mic",
    "refresh_devices",
    "require",
]
