"""The interface of a microphone."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol

from avatar_app.contracts.handoff import Fan, Ring
from avatar_app.contracts.packets import AudioBlock, VoiceBlock
from avatar_app.live.mic.clean import Cleaning

SILENT_DB = -120.0


class MicState(enum.Enum):
    """Whether a microphone delivers sound."""

    STOPPED = "stopped"
    RUNNING = "running"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class MicStatus:
    """The status of a microphone at one instant.

    Attributes:
        device: its name as other programs show it, or the file.
        rate_hz: native rate; 0 while stopped.
        level_db: RMS after gain, dBFS, at least -120.
        peak_db: peak after gain that falls slowly, dBFS.
        n_overflows: number of times the driver lost sound.
        n_bad_samples: samples that were NaN or infinite, replaced by zero.
        source: the sound server's source behind it; empty without a sound server.
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
    """A source of sound, started once. Thread: the owner's; a thread of the microphone delivers the sound."""

    def start(self, ring: Ring[AudioBlock], voice: Fan[VoiceBlock] | None = None) -> None:
        """Start to put blocks of 160 samples into a ring, and the same sound at the device's rate into `voice`.

        Raises:
            AudioInputError: the device or file cannot be opened.
        """
        ...

    def stop(self) -> None:
        """Stop now, on any thread; a second call does nothing. A device that is being opened is closed afterwards."""
        ...

    def status(self) -> MicStatus:
        """The current status."""
        ...

    def set_cleaning(self, cleaning: Cleaning) -> None:
        """Change the cleaning of the blocks from now on.

        Raises:
            MissingExtraError: noise suppression is wanted and its package is not installed.
        """
        ...
