"""Sound from a microphone or a file, in blocks of 10 ms at 16 kHz with their capture instants."""

from avatar_app.live.mic.clean import Cleaning, require
from avatar_app.live.mic.level import MicControls
from avatar_app.live.mic.mic import Mic, MicState, MicStatus
from avatar_app.live.mic.opening import DEMO, list_devices, open_mic, refresh_devices

__all__ = [
    "DEMO",
    "Cleaning",
    "Mic",
    "MicControls",
    "MicState",
    "MicStatus",
    "list_devices",
    "open_mic",
    "refresh_devices",
    "require",
]
