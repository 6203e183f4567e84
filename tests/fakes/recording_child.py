"""Records in real time until it is killed. Arguments: folder, format. Says when it began, then lives on."""

import sys
import time
from pathlib import Path

import numpy as np

from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.handoff import Latest, Ring
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.live.record import VOICE_BLOCKS, Recorder, RecordFormat, RecordOptions
from tests.fakes.recording import DELAY_NS, picture_at, voice_at

FPS = 25


def main(folder: str, kind: str) -> None:
    clock, pictures, voice = MonotonicClock(), Latest(), Ring(VOICE_BLOCKS)
    options = RecordOptions(Path(folder), FPS, RecordFormat(kind), keep_free_mb=0, encoder="software")
    recorder = Recorder(clock, NoticeBoard())
    t_start_ns = clock.now_ns()
    recorder.start(options, pictures, voice)
    sys.stdout.write(f"{time.monotonic()}\n")
    sys.stdout.flush()
    rng, index = np.random.default_rng(0), 0
    for block in range(100_000):
        t_ns = t_start_ns + block * 10_000_000
        clock.sleep_until(t_ns + 10_000_000)
        voice.put(voice_at(t_ns, rng.normal(0, 0.1, 480)))
        if block % 4 == 0 and t_ns - DELAY_NS > t_start_ns:
            pictures.put(picture_at(t_ns - DELAY_NS, index, 40 + index % 100, (128, 128), t_ready_ns=t_ns))
            index += 1


main(*sys.argv[1:])
