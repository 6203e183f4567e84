"""Trains `nova-96`, the 28x student: first its decoder, then its audio encoders, and combines both."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from avatar_app.studio.data.clips import load_pictures
from avatar_app.studio.nets.nova96 import Nova96, save_student
from avatar_app.studio.nets.speech_encoder import load_speech_encoder
from avatar_app.studio.train import parallel
from avatar_app.studio.train.command import add_machine_flags, carry_out
from avatar_app.studio.train.gain_calibration import apply_gain, calibrate_gain
from avatar_app.studio.train.generator_decoder import DecoderConfig, DecoderTask, decoder_data
from avatar_app.studio.train.generator_encoder import AudioEncoders, EncoderConfig, EncoderTask, fold_heads
from avatar_app.studio.train.loop import LoopPlan, train
from avatar_app.studio.train.run_folder import RunFolder
from avatar_app.studio.train.speech_encoder import SpeechData, load_data
from avatar_app.studio.train.speech_encoder_score import predict, score_voices

CHECKPOINT_STEPS = 500


def train_decoder(arguments: argparse.Namespace) -> DecoderTask[Nova96]:
    """Train the first half to its end."""
    folder = RunFolder(arguments.run / "decoder")
    config = DecoderConfig()
    folder.open_request(
        {"data": str(arguments.data), "n_steps": arguments.decoder_steps, **asdict(config)}, arguments.seed
    )
    torch.manual_seed(arguments.seed)
    pictures = load_pictures(arguments.data / "nova", arguments.pictures or arguments.run / "pictures")
    task = DecoderTask(Nova96(), decoder_data(pictures), config)
    train(task, folder, _plan(arguments.decoder_steps, arguments.seed))
    return task


def train_encoder(arguments: argparse.Namespace, data: SpeechData) -> EncoderTask:
    """Train the second half to its end."""
    folder = RunFolder(arguments.run / "encoder")
    config = EncoderConfig()
    request = {"data": str(arguments.data), "n_steps": arguments.encoder_steps, "teacher": str(arguments.teacher)}
    folder.open_request({**request, **asdict(config)}, arguments.seed)
    teacher = load_speech_encoder(arguments.teacher) if arguments.teacher else None
    torch.manual_seed(arguments.seed)
    task = EncoderTask(AudioEncoders.of_nova96(Nova96()), data, config, arguments.seed, teacher)
    train(task, folder, _plan(arguments.encoder_steps, arguments.seed))
    return task


def run(arguments: argparse.Namespace) -> None:
    """Train both halves and write `best/`."""
    decoder = train_decoder(arguments)
    data = load_data(arguments.data, arguments.voices or arguments.run / "voices")
    encoder = train_encoder(arguments, data)
    net, encoders = decoder.net.eval(), encoder.average_encoders
    calibration = calibrate_gain([predict(encoders, u) for u in data.held_out])
    for head, mean, gain in zip(encoders.mouth_heads(), calibration.mean, calibration.gain, strict=True):
        apply_gain(head, 0, mean, gain)
    fold_heads(net, encoders, decoder.code)
    test = [predict(encoders, u) for u in data.test]
    facts: dict[str, object] = {
        "held_out": {**decoder.evaluate(), **encoder.evaluate()},
        "test": score_voices(test, data.opening_mm.numpy()),
        "gain": calibration.gain.round(3).tolist(),
        "recipe": {
            "decoder": {"n_steps": arguments.decoder_steps, **asdict(DecoderConfig())},
            "encoder": {"n_steps": arguments.encoder_steps, **asdict(EncoderConfig())},
        },
    }
    if parallel.is_chief():
        save_student(arguments.run / "best", net, facts)


def _plan(n_steps: int, seed: int) -> LoopPlan:
    return LoopPlan(n_steps, log_steps=100, checkpoint_steps=CHECKPOINT_STEPS, evaluate_steps=2000, seed=seed)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio train student`."""
    parser = argparse.ArgumentParser(prog="avatar-app studio train student", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds speech/ and nova/")
    parser.add_argument("--run", type=Path, required=True, help="run folder; an unfinished run there continues")
    parser.add_argument("--teacher", type=Path, help="`best` folder of a speech encoder to distil from")
    parser.add_argument("--decoder-steps", type=int, default=6000)
    parser.add_argument("--encoder-steps", type=int, default=18000)
    parser.add_argument("--pictures", type=Path, help="where decoded pictures are kept (default: in the run folder)")
    parser.add_argument("--voices", type=Path, help="where prepared sounds are kept (default: in the run folder)")
    parser.add_argument("--seed", type=int, default=0)
    add_machine_flags(parser)
    return carry_out(run, parser.parse_args(argv))
