"""Processor time of the voice output."""

from __future__ import annotations

import time

import numpy as np

from avatar_app.contracts.packets import Float32, VoiceBlock
from avatar_app.contracts.units import NS_PER_S, ms_to_ns
from avatar_app.live.voice.delay_line import DelayLine
from avatar_app.live.voice.player import Player, Stamp


def core_percent(in_hz: int = 48_000, out_hz: int = 48_000, seconds: float = 10.0) -> float:
    """Share of one core that playing takes, in percent, without the driver: processor time of this thread."""
    player = Player(DelayLine(out_hz), out_hz, lambda: ms_to_ns(150))
    sound: Float32 = np.random.default_rng(1).uniform(-0.5, 0.5, in_hz // 100).astype(np.float32)
    out: Float32 = np.zeros((out_hz // 100, 2), np.float32)
    n_steps = round(100 * seconds)
    t_begin_s = time.thread_time()
    for step in range(n_steps):
        t_ns = step * NS_PER_S // 100
        player.note(Stamp(player.buffer.n_read, len(out), t_ns + ms_to_ns(20)))
        player.buffer.read(out)
        player.feed([VoiceBlock(t_ns - ms_to_ns(10), in_hz, sound)])
        player.fill(t_ns)
    return 100 * (time.thread_time() - t_begin_s) / seconds
