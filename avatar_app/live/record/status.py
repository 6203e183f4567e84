"""State and counts of a recording."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path


class RecordState(enum.Enum):
    """State of the recorder; SAVED and FAILED last until the next recording.

    FINISHING: the last pictures are being written. SAVING: the fragmented file is being remuxed into an ordinary one;
    nothing is recorded, and the next recording can begin.
    """

    IDLE = "idle"
    STARTING = "starting"
    RECORDING = "recording"
    FINISHING = "finishing"
    SAVING = "saving"
    SAVED = "saved"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RecordStatus:
    """Status of the recorder.

    Attributes:
        path: the file; its name has a mark until it is saved.
        seconds: duration of the recording so far.
        n_bytes: size of the file so far.
        encoder: FFmpeg's name of the one in use; "" before it is known.
        is_hardware: whether that is a hardware encoder.
        n_pictures: in the file.
        n_repeated: those of them that replace a missing one.
        n_dropped: pictures that arrived too late, or for which the encoder was too slow.
        n_sound_lost: voice blocks lost before they were written; 0 unless the disk hung for a minute.
        saved_share: progress of saving, 0..1.
        free_s: recording time left on the disk; None before it is known.
    """

    state: RecordState = RecordState.IDLE
    path: Path | None = None
    seconds: float = 0.0
    n_bytes: int = 0
    encoder: str = ""
    is_hardware: bool = False
    n_pictures: int = 0
    n_repeated: int = 0
    n_dropped: int = 0
    n_sound_lost: int = 0
    saved_share: float = 0.0
    free_s: float | None = None

    @property
    def is_active(self) -> bool:
        """Whether a recording runs."""
        return self.state in (RecordState.STARTING, RecordState.RECORDING, RecordState.FINISHING)

    @property
    def is_saving(self) -> bool:
        """Whether a recording is being saved."""
        return self.state is RecordState.SAVING
