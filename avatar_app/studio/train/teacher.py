"""Trains the teacher, Wav2Lip: first its decoder, then its audio encoder, then both jointly with the sync expert.

End to end from random weights, a network of 36 million parameters needs days on a GPU for its first mouth. The two
halves alone are plain regression and converge in an hour on two CPU cores; joint training then only refines them.
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
from avatar_app.studio.data.dataset import load_dataset
from avatar_app.studio.nets.expert import load_expert
from avatar_app.studio.nets.speech_encoder import load_speech_encoder
from avatar_app.studio.nets.teacher import TEACHER_LOOKAHEAD_MS, Teacher, save_teacher
from avatar_app.studio.train import parallel
from avatar_app.studio.train.command import add_machine_flags, carry_out
from avatar_app.studio.train.gain_calibration import apply_gain, calibrate_gain
from avatar_app.studio.train.generator_decoder import DecoderConfig, DecoderTask, decoder_data
from avatar_app.studio.train.generator_encoder import AudioEncoders, EncoderConfig, EncoderTask, fold_head
from avatar_app.studio.train.joint import JointTask
from avatar_app.studio.train.joint_config import JointConfig, LossWeights
from avatar_app.studio.train.loop import LoopPlan, train
from avatar_app.studio.train.run_folder import RunFolder
from avatar_app.studio.train.speech_encoder import SpeechData, load_data
from avatar_app.studio.train.speech_encoder_score import predict

CHECKPOINT_STEPS = 250
# The authors' loss weights: sync alone, sync with a discriminator, and the discriminator.
W_SYNC, W_SYNC_WITH_QUALITY, W_QUALITY = 0.01, 0.03, 0.07
DECODER = DecoderConfig(peak_rate=5e-4, frozen_share=0.1, is_face_trained=False)
ENCODER = EncoderConfig(pairs=24, peak_rate=1e-3)


def train_decoder(arguments: argparse.Namespace) -> DecoderTask[Teacher]:
    """Train the first part to its end."""
    folder = RunFolder(arguments.run / "decoder")
    request = {"data": str(arguments.data), "n_steps": arguments.decoder_steps, **asdict(DECODER)}
    folder.open_request(request, arguments.seed)
    torch.manual_seed(arguments.seed)
    pictures = load_pictures(arguments.data / "nova", arguments.pictures or arguments.run / "pictures")
    net = Teacher().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    task = DecoderTask(net, decoder_data(pictures), DECODER)
    train(task, folder, _plan(arguments.decoder_steps, arguments.seed))
    return task


def train_encoder(arguments: argparse.Namespace, data: SpeechData) -> EncoderTask:
    """Train the second part to its end."""
    folder = RunFolder(arguments.run / "encoder")
    request = {
        "data": str(arguments.data),
        "n_steps": arguments.encoder_steps,
        "speech_encoder": str(arguments.speech_encoder),
    }
    folder.open_request({**request, **asdict(ENCODER)}, arguments.seed)
    torch.manual_seed(arguments.seed)
    longer = load_speech_encoder(arguments.speech_encoder) if arguments.speech_encoder else None
    task = EncoderTask(AudioEncoders.of_teacher(Teacher()), data, ENCODER, arguments.seed, longer)
    train(task, folder, _plan(arguments.encoder_steps, arguments.seed))
    return task


def train_joint(arguments: argparse.Namespace, net: Teacher) -> JointTask[Teacher]:
    """Train the third part, both halves jointly, to its end."""
    folder = RunFolder(arguments.run / "joint")
    config = JointConfig(
        LossWeights(sync=W_SYNC_WITH_QUALITY if arguments.quality else W_SYNC, quality=W_QUALITY * arguments.quality),
        n_clips=arguments.n_clips,
    )
    request = {"data": str(arguments.data), "n_steps": arguments.joint_steps, **asdict(config)}
    folder.open_request(request, arguments.seed)
    torch.manual_seed(arguments.seed)
    cache = arguments.cache or arguments.run / "cache"
    dataset = load_dataset(arguments.data, arguments.mouth_renderer, cache, arguments.voices, config.n_pictures)
    task = JointTask(net, dataset, config, load_expert(arguments.expert), seed=arguments.seed)
    # Frequent evaluations, because they switch the sync term on.
    plan = LoopPlan(arguments.joint_steps, log_steps=50, checkpoint_steps=100, evaluate_steps=100, seed=arguments.seed)
    train(task, folder, plan)
    return task


def run(arguments: argparse.Namespace) -> None:
    """Train all parts and write `best/`, or train one of the first two parts only."""
    if arguments.part == "decoder":
        train_decoder(arguments)
        return
    data = load_data(arguments.data, arguments.voices or arguments.run / "voices")
    if arguments.part == "encoder":
        train_encoder(arguments, data)
        return
    if arguments.mouth_renderer is None or arguments.expert is None:
        raise StudioError(
            "Joint training needs a mouth renderer and a sync expert.", "Name them with --mouth-renderer and --expert."
        )
    net = assemble(train_decoder(arguments), train_encoder(arguments, data), data)
    joint = train_joint(arguments, net)
    facts: dict[str, object] = {
        "held_out": dict(joint.evaluate()),
        "recipe": {
            "decoder": {"n_steps": arguments.decoder_steps, **asdict(DECODER)},
            "encoder": {"n_steps": arguments.encoder_steps, **asdict(ENCODER)},
            "joint": {"n_steps": arguments.joint_steps, **asdict(joint.config)},
        },
    }
    if parallel.is_chief():
        save_teacher(arguments.run / "best", joint.average, facts)


def assemble(decoder: DecoderTask[Teacher], encoder: EncoderTask, data: SpeechData) -> Teacher:
    """Combine the trained halves, with the gain of the encoder calibrated."""
    encoders, index = encoder.average_encoders, LOOKAHEADS_MS.index(TEACHER_LOOKAHEAD_MS)
    calibration = calibrate_gain([predict(encoders, u) for u in data.held_out])
    head = encoders.mouth_heads()[index]
    apply_gain(head, 0, calibration.mean[index], calibration.gain[index])
    fold_head(decoder.net.audio_encoder, encoders.encoders[0], head, decoder.code)
    return decoder.net


def _plan(n_steps: int, seed: int) -> LoopPlan:
    return LoopPlan(n_steps, log_steps=50, checkpoint_steps=CHECKPOINT_STEPS, evaluate_steps=1000, seed=seed)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio train teacher`."""
    parser = argparse.ArgumentParser(prog="avatar-app studio train teacher", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds speech/ and nova/")
    parser.add_argument("--run", type=Path, required=True, help="run folder; an unfinished run there continues")
    parser.add_argument(
        "--speech-encoder", type=Path, help="`best` folder of `studio train speech-encoder`, to distil from"
    )
    parser.add_argument("--mouth-renderer", type=Path, help="`best` folder of `studio train mouth-renderer`")
    parser.add_argument("--expert", type=Path, help="`best` folder of `studio train expert`")
    parser.add_argument("--quality", action="store_true", help="with a discriminator of visual quality; for GPUs")
    parser.add_argument(
        "--part",
        choices=("decoder", "encoder"),
        help="train this part only; without --part, a run continues from its parts",
    )
    parser.add_argument("--decoder-steps", type=int, default=1000)
    parser.add_argument("--encoder-steps", type=int, default=6000)
    parser.add_argument("--joint-steps", type=int, default=300)
    parser.add_argument("--n-clips", type=int, default=4, help="segments of five pictures a step, in joint training")
    parser.add_argument("--cache", type=Path, help="where generated pictures are kept (default: in the run folder)")
    parser.add_argument("--pictures", type=Path, help="where decoded pictures are kept (default: in the run folder)")
    parser.add_argument("--voices", type=Path, help="where prepared sounds are kept (default: in the run folder)")
    parser.add_argument("--seed", type=int, default=0)
    add_machine_flags(parser)
    return carry_out(run, parser.parse_args(argv))
