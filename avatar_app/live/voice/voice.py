"""What the voice's output tells of itself."""

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
    """One look at the voice's output.

    Attributes:
        device: its label; empty when the voice is off.
        rate_hz: of the output; 0 unless running.
        delay_ms: from the microphone to the output, as it is used.
        late_ms: share of the delay that is there only because the devices are not faster: the voice follows the
            picture by so much.
        drift_ppm: by how much the microphone's clock runs faster than the output's; corrected by resampling.
        skew: of played instant against wanted; positive when the voice is ahead of the picture.
        n_underruns: times that the output ran out of sound.
        n_restarts: times that the output was opened again.
        n_lost: blocks of sound that came too fast.
        is_heard_by_mic: lost because the microphone listens to the output, where the voice would howl.
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
    is_heard_by_mic: bool = False


NO_VOICE = VoiceStatus(VoiceState.STOPPED, "", 0, 0, 0.0, 0.0, 0.0, Skew.of(()), 0, 0, 0)
