"""Trains the teacher, Wav2Lip: it learns to draw, then to hear, then both together under the eye of the sync expert.

End to end from a random start, a network of 36 million parameters needs days on a GPU before its first mouth. Apart,
both halves are plain regression and converge in an hour on two CPU cores; what is left for the whole is to agree.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from avatar_app.contracts.errors import StudioError
from avatar_app.settings.schema import LOOKAHEADS_MS
from avatar_app.studio.data.clips import load_pictures
from avatar_app.studio.data.dataset import load_stage
from avatar_app.studio.nets.expert import load_expert
from avatar_app.studio.nets.speech_encoder import load_speech_net
from avatar_app.studio.nets.teacher import TEACHER_LOOKAHEAD_MS, Teacher, save_teacher
from avatar_app.studio.train import parallel
from avatar_app.studio.train.command import add_machine_flags, carry_out
from avatar_app.studio.train.gain_calibration import missing_strength, stretch
from avatar_app.studio.train.generator_decoder import DrawConfig, DrawTask, draw_data
from avatar_app.studio.train.generator_encoder import Ears, HearConfig, HearTask, fold_head
from avatar_app.studio.train.joint import Pressures, SpeakConfig, SpeakTask
from avatar_app.studio.train.loop import LoopPlan, train
from avatar_app.studio.train.run_folder import RunFolder
from avatar_app.studio.train.speech_encoder import SpeechData, load_data
from avatar_app.studio.train.speech_encoder_score import hear

CHECKPOINT_STEPS = 250
# The authors' weights: of sync alone, of sync beside a judge of quality, and of that judge.
W_SYNC, W_SYNC_JUDGED, W_QUALITY = 0.01, 0.03, 0.07
DRAW = DrawConfig(peak_rate=5e-4, frozen_share=0.1, is_face_trained=False)
HEAR = HearConfig(pairs=24, peak_rate=1e-3)


def train_drawing(arguments: argparse.Namespace) -> DrawTask[Teacher]:
    """The first part, to its end."""
    folder = RunFolder(arguments.run / "draw")
    request = {"data": str(arguments.data), "n_steps": arguments.draw_steps, **asdict(DRAW)}
    folder.open_request(request, arguments.seed)
    torch.manual_seed(arguments.seed)
    pictures = load_pictures(arguments.data / "nova", arguments.pictures or arguments.run / "pictures")
    net = Teacher().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    task = DrawTask(net, draw_data(pictures), DRAW)
    train(task, folder, _plan(arguments.draw_steps, arguments.seed))
    return task


def train_hearing(arguments: argparse.Namespace, data: SpeechData) -> HearTask:
    """The second part, to its end."""
    folder = RunFolder(arguments.run / "hear")
    request = {"data": str(arguments.data), "n_steps": arguments.hear_steps, "speech": str(arguments.speech)}
    folder.open_request({**request, **asdict(HEAR)}, arguments.seed)
    torch.manual_seed(arguments.seed)
    longer = load_speech_net(arguments.speech) if arguments.speech else None
    task = HearTask(Ears.of_teacher(Teacher()), data, HEAR, arguments.seed, longer)
    train(task, folder, _plan(arguments.hear_steps, arguments.seed))
    return task


def train_speaking(arguments: argparse.Namespace, net: Teacher) -> SpeakTask[Teacher]:
    """The third part, both halves together, to its end."""
    folder = RunFolder(arguments.run / "speak")
    config = SpeakConfig(
        Pressures(sync=W_SYNC_JUDGED if arguments.quality else W_SYNC, quality=W_QUALITY * arguments.quality),
        n_takes=arguments.n_takes,
    )
    request = {"data": str(arguments.data), "n_steps": arguments.speak_steps, **asdict(config)}
    folder.open_request(request, arguments.seed)
    torch.manual_seed(arguments.seed)
    cache = arguments.cache or arguments.run / "cache"
    stage = load_stage(arguments.data, arguments.picture, cache, arguments.voices, config.n_pictures)
    task = SpeakTask(net, stage, config, load_expert(arguments.expert), seed=arguments.seed)
    # Measured often: the sync term opens at a measurement.
    plan = LoopPlan(arguments.speak_steps, log_steps=50, checkpoint_steps=100, evaluate_steps=100, seed=arguments.seed)
    train(task, folder, plan)
    return task


def run(arguments: argparse.Namespace) -> None:
    """Train all parts and write `best/`, or train one part that needs no other."""
    if arguments.part == "draw":
        train_drawing(arguments)
        return
    data = load_data(arguments.data, arguments.voices or arguments.run / "voices")
    if arguments.part == "hear":
        train_hearing(arguments, data)
        return
    if arguments.picture is None or arguments.expert is None:
        raise StudioError("To speak, the teacher needs pictures and a sync expert.", "Name --picture and --expert.")
    net = put_together(train_drawing(arguments), train_hearing(arguments, data), data)
    speaking = train_speaking(arguments, net)
    facts: dict[str, object] = {
        "held_out": dict(speaking.evaluate()),
        "recipe": {
            "draw": {"n_steps": arguments.draw_steps, **asdict(DRAW)},
            "hear": {"n_steps": arguments.hear_steps, **asdict(HEAR)},
            "speak": {"n_steps": arguments.speak_steps, **asdict(speaking.config)},
        },
    }
    if parallel.is_chief():
        save_teacher(arguments.run / "best", speaking.average, facts)


def put_together(drawing: DrawTask[Teacher], hearing: HearTask, data: SpeechData) -> Teacher:
    """The network that hears as one half learned and draws as the other did."""
    ears, number = hearing.average_ears, LOOKAHEADS_MS.index(TEACHER_LOOKAHEAD_MS)
    strength = missing_strength([hear(ears, u) for u in data.held_out])  # type: ignore[arg-type]
    head = ears.mouth[number]
    stretch(head, 0, strength.mean[number], strength.gain[number])  # type: ignore[arg-type]
    fold_head(drawing.net.audio_encoder, ears.encoders[0], head, drawing.code)
    return drawing.net


def _plan(n_steps: int, seed: int) -> LoopPlan:
    return LoopPlan(n_steps, log_steps=50, checkpoint_steps=CHECKPOINT_STEPS, evaluate_steps=1000, seed=seed)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio train teacher`."""
    parser = argparse.ArgumentParser(prog="avatar-app studio train teacher", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds speech/ and nova/")
    parser.add_argument("--run", type=Path, required=True, help="run folder; an unfinished run there continues")
    parser.add_argument("--speech", type=Path, help="`best` folder of `studio train speech`, whose ears are longer")
    parser.add_argument("--picture", type=Path, help="`best` folder of `studio train picture`")
    parser.add_argument("--expert", type=Path, help="`best` folder of `studio train expert`")
    parser.add_argument("--quality", action="store_true", help="with a judge of picture quality; for GPUs")
    parser.add_argument("--part", choices=("draw", "hear"), help="train this part only; the whole goes on from there")
    parser.add_argument("--draw-steps", type=int, default=1000)
    parser.add_argument("--hear-steps", type=int, default=6000)
    parser.add_argument("--speak-steps", type=int, default=300)
    parser.add_argument("--n-takes", type=int, default=4, help="pieces of five pictures a step, when it speaks")
    parser.add_argument("--cache", type=Path, help="where drawn pictures are kept (default: in the run folder)")
    parser.add_argument("--pictures", type=Path, help="where decoded pictures are kept (default: in the run folder)")
    parser.add_argument("--voices", type=Path, help="where prepared sounds are kept (default: in the run folder)")
    parser.add_argument("--seed", type=int, default=0)
    add_machine_flags(parser)
    return carry_out(run, parser.parse_args(argv))
