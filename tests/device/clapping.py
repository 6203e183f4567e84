"""A run of the clapper through a real output that is heard again."""

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
from tests.fakes.clapper import ClapListener, ClapMic, ClapPictures, clap_skew

LISTEN_S = 0.25


@dataclass(frozen=True, slots=True)
class Clapped:
    """What came of it.

    Attributes:
        skew: of claps that were both seen and heard, without those of the warm-up.
        n_shown, n_heard: claps seen and heard.
        voice: how the output did.
    """

    skew: Skew
    n_shown: int
    n_heard: int
    voice: VoiceStatus


def run_clapper(
    name: str,
    heard: Ring[VoiceBlock],
    seconds: float,
    clock: Clock,
    notices: NoticeBoard,
    *,
    warm_up_s: float = 20.0,
    delay_ms: float = 120.0,
    fps: int = 25,
    system: SoundSystem = SOUND_SYSTEM,
    stop: threading.Event | None = None,
) -> Clapped:
    """Clap for a while. Blocks; not for the window's thread.

    Args:
        name: label of the output, such as that of a null sink.
        heard: what a microphone hears there, such as on the sink's monitor.
        seconds: length of the measurement, after the warm-up.
        clock: the program's.
        notices: where a lost output is told.
        warm_up_s: until the devices and the controller have settled.
        delay_ms: of the pictures.
        fps: pictures in a second.
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
    listener = ClapListener()
    with ExitStack() as running:
        for part in (output, mic, pictures):
            running.callback(part.stop)
            part.start()
        _listen(listener, heard, warm_up_s, ended)
        t_begin_ns = clock.now_ns()
        _listen(listener, heard, seconds, ended)
        status = output.status()
    # Pictures before the first counted clap stay: it may belong to one of them.
    heard_ns = [t_ns for t_ns in listener.heard_ns if t_ns >= t_begin_ns]
    n_shown = sum(t_ns >= t_begin_ns for t_ns in pictures.watcher.shown_ns)
    return Clapped(clap_skew(list(pictures.watcher.shown_ns), heard_ns), n_shown, len(heard_ns), status)


def _listen(listener: ClapListener, heard: Ring[VoiceBlock], seconds: float, stop: threading.Event) -> None:
    for _ in range(round(seconds / LISTEN_S)):
        stop.wait(LISTEN_S)
        listener.listen(heard)
