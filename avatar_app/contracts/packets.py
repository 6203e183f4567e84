"""Frozen data that the threads pass to each other, with capture instants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]

LIVE_RATE_HZ = 16_000
# The microphone delivers blocks of 10 ms.
BLOCK_SAMPLES = 160


@dataclass(frozen=True, slots=True)
class AudioBlock:
    """Mono sound at 16 kHz.

    Attributes:
        t_capture_ns: capture instant of the first sample, on the program's clock.
        index: number of samples since the stream began that precede this block.
        samples: (n,) float32, nominally in -1..1, read only.
        did_restart: the device was lost or restarted just before this block: state must be reset.
    """

    t_capture_ns: int
    index: int
    samples: Float32
    did_restart: bool = False


@dataclass(frozen=True, slots=True)
class VoiceBlock:
    """The same sound at the device's own rate, to play and to record.

    Attributes:
        t_capture_ns: capture instant of the first sample, on the program's clock; smoothed, so that blocks join.
        rate_hz: of the samples, as the device counts them.
        samples: (n,) float32 mono in -1..1, after gain and mute, read only.
        did_restart: the device was lost or restarted just before this block.
    """

    t_capture_ns: int
    rate_hz: int
    samples: Float32
    did_restart: bool = False


@dataclass(frozen=True, slots=True)
class MelColumns:
    """New mel columns.

    Attributes:
        t_capture_ns: capture instant of the centre of the first column.
        index: number of the first column; column c is centred at c / 80 s of the stream.
        columns: (80, n) float32 in -4..4, read only.
    """

    t_capture_ns: int
    index: int
    columns: Float32


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished frame.

    Attributes:
        t_capture_ns: capture instant of the sound it shows.
        t_ready_ns: instant at which it was finished.
        index: frame number on the pacer's grid.
        pixels: (H, W, 4) uint8 BGRA, straight alpha, read only.
        is_repeat: no new mouth had arrived for this tick.
    """

    t_capture_ns: int
    t_ready_ns: int
    index: int
    pixels: UInt8
    is_repeat: bool = False
