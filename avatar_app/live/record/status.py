"""How a recording goes."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path


class RecordState(enum.Enum):
    """What the recorder does; SAVED and FAILED last until the next recording.

    While FINISHING the last pictures are written. While SAVING an ordinary file is made of what was written: nothing is
    recorded, and the next recording may begin.
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
    """One look at the recorder.

    Attributes:
        path: the file; it carries a mark in its name until it is saved.
        seconds: length of the film so far.
        n_bytes: size of the file so far.
        encoder: the one in use, as FFmpeg calls it; "" before it was found.
        is_hardware: whether that is the graphics chip.
        n_pictures: in the film.
        n_repeated: those of them that stand in for one that did not come.
        n_dropped: pictures that came and are not in the film, because the encoder did not keep up or they were late.
        n_sound_lost: voice blocks that were lost before they could be written; 0, or the disk hung for a minute.
        saved_share: of the file, while it is saved, 0..1.
        free_s: how long the disk lasts at this rate; None before that is known.
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
        """Whether something is being recorded."""
        return self.state in (RecordState.STARTING, RecordState.RECORDING, RecordState.FINISHING)

    @property
    def is_saving(self) -> bool:
        """Whether an ordinary file is being made of what was recorded."""
        return self.state is RecordState.SAVING
