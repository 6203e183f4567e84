"""`avatar-app studio data`: makes the data that the shipped models and avatars are trained on.

Voices come from LibriSpeech (CC BY 4.0) with forced alignment; clips, idle loop and head poses are rendered by the
renderer kit. Every step continues where an earlier run ended.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.corpus.alignment import Aligner
from avatar_app.studio.corpus.clips import Plan, build_clips, plans_of_sentences, plans_of_voices
from avatar_app.studio.corpus.librispeech import first_of_each_speaker, read_librispeech
from avatar_app.studio.corpus.portrait import build_portrait
from avatar_app.studio.corpus.renderer import Kit
from avatar_app.studio.corpus.voices import build_voices
from avatar_app.studio.data.flite import Flite

log = logging.getLogger(__name__)

STEPS = ("voices", "clips", "portrait")
REPORT_S = 5.0


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio data`.

    Raises:
        StudioError: a source is missing, or a step failed.
    """
    arguments = _parser().parse_args(argv)
    kit = _kit(arguments)
    nova, voices = arguments.out / "nova", arguments.out / "speech" / "librispeech"
    if "voices" in arguments.only:
        if arguments.librispeech is None:
            raise StudioError("The voices need LibriSpeech.", "Name its folder with --librispeech.")
        chosen = first_of_each_speaker(read_librispeech(arguments.librispeech))[: arguments.max_speakers]
        n_voices = build_voices(chosen, voices, Aligner(Flite().pronounce).align, reporter("voices"))
        log.info("%d voices in %s", n_voices, voices)
    if "clips" in arguments.only:
        plans: list[Plan] = [*plans_of_voices(voices), *plans_of_sentences(Flite())]
        n_clips = build_clips(plans, nova, kit, reporter("clips"))
        log.info("%d of %d clips have a video in %s", n_clips, len(plans), nova / "clips")
    if "portrait" in arguments.only and kit is not None:
        build_portrait(nova, kit)
        log.info("idle loop, head poses and geometry in %s", nova)
    if kit is None and set(arguments.only) - {"voices"}:
        log.info("Nothing was rendered. Name the renderer kit with --renderer to make the videos and pictures.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="avatar-app studio data", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="data folder to make")
    parser.add_argument("--librispeech", type=Path, help="unpacked LibriSpeech folder")
    parser.add_argument("--max-speakers", type=int, help="use at most this number of speakers")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS), help="steps to do, all by default")
    parser.add_argument("--renderer", type=Path, help="folder of the renderer kit")
    parser.add_argument("--renderer-python", default=sys.executable, help="Python that has the package bpy")
    parser.add_argument("--identity", default="nova", help="person of the kit")
    parser.add_argument("--threads", type=int, default=2, help="threads of the renderer")
    return parser


def _kit(arguments: argparse.Namespace) -> Kit | None:
    if arguments.renderer is None:
        return None
    cache = arguments.out / "renderer-cache"
    kit = Kit(arguments.renderer, arguments.renderer_python, arguments.identity, cache, arguments.threads)
    kit.check()
    return kit


def reporter(what: str) -> Callable[[int, int], None]:
    """Logs progress and the time left, every few seconds."""
    t_start_s = t_said_s = time.monotonic()

    def report(n_done: int, n_all: int) -> None:
        nonlocal t_said_s
        now_s = time.monotonic()
        if now_s - t_said_s < REPORT_S and n_done < n_all:
            return
        t_said_s = now_s
        left_s = (now_s - t_start_s) / n_done * (n_all - n_done)
        log.info("%s: %d of %d, %.0f s left", what, n_done, n_all, left_s)

    return report
