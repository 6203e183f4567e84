"""What a microphone is to the rest of the program."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol

from avatar_app.contracts.handoff import Fan, Ring
from avatar_app.contracts.packets import AudioBlock, VoiceBlock
from avatar_app.live.audio.sound_system import SoundDevice
from avatar_app.live.mic.clean import Cleaning

MicDevice = SoundDevice
SILENT_DB = -120.0


class MicState(enum.Enum):
    """Whether sound comes."""

    STOPPED = "stopped"
    RUNNING = "running"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class MicStatus:
    """One look at a microphone.

    Attributes:
        device: its name as other programs show it, or the file.
        rate_hz: native rate; 0 while stopped.
        level_db: RMS after gain, dBFS, at least -120.
        peak_db: peak after gain that falls slowly, dBFS.
        n_overflows: times that the driver lost sound.
        n_bad_samples: samples that were no numbers and became silence.
        source: what the sound server records from for it; empty where there is no such server.
    """

    state: MicState
    device: str
    rate_hz: int
    n_channels: int
    level_db: float
    peak_db: float
    n_overflows: int
    n_bad_samples: int
    source: str = ""


class Mic(Protocol):
    """A source of sound, started once. Thread: the owner's; the sound comes from a thread of the microphone's own."""

    def start(self, ring: Ring[AudioBlock], voice: Fan[VoiceBlock] | None = None) -> None:
        """Begin to put blocks of 160 samples into a ring, and the same sound at the device's rate into `voice`.

        Raises:
            AudioInputError: the device or file cannot be opened.
        """
        ...

    def stop(self) -> None:
        """End at once; twice is fine, and so is another thread. A device that is being opened is closed after that."""
        ...

    def status(self) -> MicStatus:
        """How it goes."""
        ...

    def set_cleaning(self, cleaning: Cleaning) -> None:
        """Clean the sound of the blocks otherwise from now on.

        Raises:
            MissingExtraError: noise suppression is wanted and its package is not installed.
        """
        ...
