"""The status of the voice output."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from avatar_app.live.voice.skew import Skew


class VoiceState(enum.Enum):
    """Whether the voice is played."""

    STOPPED = "stopped"
    RUNNING = "running"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class VoiceStatus:
    """The status of the voice output at one instant.

    Attributes:
        device: its label; empty when the voice is off.
        rate_hz: of the output; 0 unless running.
        delay_ms: from the microphone to the output, as used.
        late_ms: by how much the delay exceeds the wanted one, because the devices are slow.
        drift_ppm: by how much the microphone's clock is faster than the output's; resampling corrects it.
        skew: wanted minus actual playing time; positive when the voice is early.
        n_underruns: number of times the output ran out of sound.
        n_restarts: number of times the output was reopened.
        n_lost: blocks lost because the worker was late.
        is_feedback: LOST because the microphone records what the output plays.
    """

    state: VoiceState
    device: str
    rate_hz: int
    n_channels: int
    delay_ms: float
    late_ms: float
    drift_ppm: float
    skew: Skew
    n_underruns: int
    n_restarts: int
    n_lost: int
    is_feedback: bool = False


NO_VOICE = VoiceStatus(VoiceState.STOPPED, "", 0, 0, 0.0, 0.0, 0.0, Skew.of(()), 0, 0, 0)
