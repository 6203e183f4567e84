"""Trains `nova-96`, the 28x student: first it learns to draw, then to hear, then both become one network."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.mel_spec import MEL
from avatar_app.studio.data.clips import load_pictures
from avatar_app.studio.nets.nova96 import LOOKAHEAD_MS, Nova96
from avatar_app.studio.nets.speech_encoder import load_speech_net
from avatar_app.studio.nets.tensor_file import load_tensors, save_net
from avatar_app.studio.train import parallel
from avatar_app.studio.train.command import add_machine_flags, carry_out
from avatar_app.studio.train.gain_calibration import missing_strength, stretch
from avatar_app.studio.train.generator_decoder import DrawConfig, DrawTask, draw_data
from avatar_app.studio.train.generator_encoder import Ears, HearConfig, HearTask, fold_heads
from avatar_app.studio.train.loop import LoopPlan, train
from avatar_app.studio.train.run_folder import RunFolder
from avatar_app.studio.train.speech_encoder import SpeechData, load_data
from avatar_app.studio.train.speech_encoder_score import hear, score_voices

CHECKPOINT_STEPS = 500


def save_student(folder: Path, net: Nova96, facts: dict[str, object]) -> None:
    """Write `nova96.safetensors` and `nova96.json` (mel fingerprint, look-aheads, facts such as scores)."""
    save_net(folder, "nova96", net, {"mel_fingerprint": MEL.fingerprint(), "lookahead_ms": list(LOOKAHEAD_MS), **facts})


def load_student(folder: Path) -> Nova96:
    """Read what `save_student` wrote; the network is in evaluation mode.

    Raises:
        StudioError: files are missing or damaged, or were trained on another mel spectrogram.
    """
    try:
        about = json.loads((folder / "nova96.json").read_text(encoding="utf-8"))
        if about["mel_fingerprint"] != MEL.fingerprint():
            raise StudioError(f"The network in {folder} hears another mel spectrogram.", "Train it again.")
        net = Nova96()
        net.load_state_dict(load_tensors(folder / "nova96.safetensors")[0])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise StudioError(f"The network in {folder} cannot be read: {error}.", "Train it again.") from error
    return net.eval()


def train_drawing(arguments: argparse.Namespace) -> DrawTask[Nova96]:
    """The first half, to its end."""
    folder = RunFolder(arguments.run / "draw")
    config = DrawConfig()
    folder.open_request(
        {"data": str(arguments.data), "n_steps": arguments.draw_steps, **asdict(config)}, arguments.seed
    )
    torch.manual_seed(arguments.seed)
    pictures = load_pictures(arguments.data / "nova", arguments.pictures or arguments.run / "pictures")
    task = DrawTask(Nova96(), draw_data(pictures), config)
    train(task, folder, _plan(arguments.draw_steps, arguments.seed))
    return task


def train_hearing(arguments: argparse.Namespace, data: SpeechData) -> HearTask:
    """The second half, to its end."""
    folder = RunFolder(arguments.run / "hear")
    config = HearConfig()
    request = {"data": str(arguments.data), "n_steps": arguments.hear_steps, "teacher": str(arguments.teacher)}
    folder.open_request({**request, **asdict(config)}, arguments.seed)
    teacher = load_speech_net(arguments.teacher) if arguments.teacher else None
    torch.manual_seed(arguments.seed)
    task = HearTask(Ears.of_nova96(Nova96()), data, config, arguments.seed, teacher)
    train(task, folder, _plan(arguments.hear_steps, arguments.seed))
    return task


def run(arguments: argparse.Namespace) -> None:
    """Train both halves and write `best/`."""
    drawing = train_drawing(arguments)
    data = load_data(arguments.data, arguments.voices or arguments.run / "voices")
    hearing = train_hearing(arguments, data)
    net = drawing.net.eval()
    strength = missing_strength([hear(hearing.average_ears, u) for u in data.held_out])  # type: ignore[arg-type]
    for head, (mean, gain) in enumerate(zip(strength.mean, strength.gain, strict=True)):
        stretch(hearing.average_ears.mouth[head], 0, mean, gain)  # type: ignore[arg-type]
    fold_heads(net, hearing.average_ears, drawing.code)
    test = [hear(hearing.average_ears, utterance) for utterance in data.test]  # type: ignore[arg-type]
    facts: dict[str, object] = {
        "held_out": {**drawing.evaluate(), **hearing.evaluate()},
        "test": score_voices(test, data.opening_mm.numpy()),
        "gain": strength.gain.round(3).tolist(),
        "recipe": {
            "draw": {"n_steps": arguments.draw_steps, **asdict(DrawConfig())},
            "hear": {"n_steps": arguments.hear_steps, **asdict(HearConfig())},
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
    parser.add_argument("--teacher", type=Path, help="`best` folder of the larger network that hears, to learn from")
    parser.add_argument("--draw-steps", type=int, default=6000)
    parser.add_argument("--hear-steps", type=int, default=18000)
    parser.add_argument("--pictures", type=Path, help="where decoded pictures are kept (default: in the run folder)")
    parser.add_argument("--voices", type=Path, help="where prepared sounds are kept (default: in the run folder)")
    parser.add_argument("--seed", type=int, default=0)
    add_machine_flags(parser)
    return carry_out(run, parser.parse_args(argv))
