"""Runs the clapperboard through a real output that a microphone records."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.handoff import Fan, Ring
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import VoiceBlock
from avatar_app.live.audio.sound_system import SOUND_SYSTEM, SoundSystem
from avatar_app.live.voice.output import VoiceOutput
from avatar_app.live.voice.skew import Skew
from avatar_app.live.voice.voice import VoiceStatus
from tests.fakes.clapper import ClapDetector, ClapMic, ClapPictures, clap_skew

POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class ClapResult:
    """The result of a run.

    Attributes:
        skew: of claps that were both shown and played, without those of the warm-up.
        n_shown, n_played: number of claps shown and played.
        voice: status of the output.
    """

    skew: Skew
    n_shown: int
    n_played: int
    voice: VoiceStatus


def run_clapper(
    name: str,
    recorded: Ring[VoiceBlock],
    seconds: float,
    clock: Clock,
    notices: NoticeBoard,
    *,
    warm_up_s: float = 20.0,
    delay_ms: float = 120.0,
    fps: int = 25,
    system: SoundSystem = SOUND_SYSTEM,
    stop: threading.Event | None = None,
) -> ClapResult:
    """Run the clapperboard. Blocks.

    Args:
        name: label of the output, such as that of a null sink.
        recorded: the sound of a microphone there, such as the sink's monitor.
        seconds: duration of the measurement, after the warm-up.
        clock: the program's.
        notices: where a disconnected output is reported.
        warm_up_s: time for the devices and the drift correction to settle.
        delay_ms: of the pictures.
        fps: pictures per second.
        system: the owner of PortAudio.
        stop: ends the run early.

    Raises:
        OutputError: the output cannot be opened.
    """
    ended = threading.Event() if stop is None else stop
    voice: Fan[VoiceBlock] = Fan()
    mic = ClapMic(voice, clock, notices)
    pictures = ClapPictures(mic, clock, notices, delay_ms, fps)
    output = VoiceOutput(name, voice, pictures.delay_ns, clock, notices, system)
    detector = ClapDetector()
    with ExitStack() as running:
        for part in (output, mic, pictures):
            running.callback(part.stop)
            part.start()
        _collect(detector, recorded, warm_up_s, ended)
        t_begin_ns = clock.now_ns()
        _collect(detector, recorded, seconds, ended)
        status = output.status()
    # Pictures before the first counted clap are kept: the clap may belong to one of them.
    played_ns = [t_ns for t_ns in detector.played_ns if t_ns >= t_begin_ns]
    n_shown = sum(t_ns >= t_begin_ns for t_ns in pictures.detector.shown_ns)
    return ClapResult(clap_skew(list(pictures.detector.shown_ns), played_ns), n_shown, len(played_ns), status)


def _collect(detector: ClapDetector, recorded: Ring[VoiceBlock], seconds: float, stop: threading.Event) -> None:
    for _ in range(round(seconds / POLL_S)):
        stop.wait(POLL_S)
        detector.drain(recorded)
