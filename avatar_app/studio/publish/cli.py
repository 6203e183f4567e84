"""`avatar-app studio publish`: export, check and register a model from run folders."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from avatar_app.contracts.errors import StudioError
from avatar_app.live.frame import Avatar
from avatar_app.settings.paths import models_dir
from avatar_app.studio.export.graphs import TrainedStudent, nova_96, nova_hd
from avatar_app.studio.metrics.held_out import load_test_data
from avatar_app.studio.publish.package import publish, register

FACTS = ("speech.json", "picture.json", "nova96.json")


def _trained_student(arguments: argparse.Namespace) -> TrainedStudent:
    if arguments.model == "nova-96":
        if arguments.student is None:
            raise StudioError("nova-96 needs a trained student.", "Name its `best` folder with --student.")
        return nova_96(arguments.student)
    if arguments.speech_encoder is None or arguments.mouth_renderer is None:
        raise StudioError(
            "nova-hd needs two trained networks.",
            "Name their folders with --speech-encoder and --mouth-renderer.",
        )
    return nova_hd(arguments.speech_encoder, arguments.mouth_renderer)


def _facts(arguments: argparse.Namespace) -> dict[str, Any]:
    """The facts files of the training runs, by name."""
    folders = [f for f in (arguments.speech_encoder, arguments.mouth_renderer, arguments.student) if f is not None]
    files = [folder / name for folder in folders for name in FACTS if (folder / name).exists()]
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio publish`."""
    parser = argparse.ArgumentParser(prog="avatar-app studio publish", description=__doc__)
    parser.add_argument("model", choices=("nova-hd", "nova-96"))
    parser.add_argument("--data", type=Path, required=True, help="folder with nova/ and speech/")
    parser.add_argument(
        "--speech-encoder",
        type=Path,
        help="`best` folder of `studio distil speech-encoder`, or of `studio train speech-encoder`",
    )
    parser.add_argument("--mouth-renderer", type=Path, help="`best` folder of `studio train mouth-renderer`")
    parser.add_argument(
        "--student", type=Path, help="`best` folder of `studio distil student`, or of `studio train student`"
    )
    parser.add_argument("--models-dir", type=Path, default=models_dir(), help="models folder to write to")
    parser.add_argument("--tensorrt", action="store_true", help="also write a graph for TensorRT")
    parser.add_argument("--default", action="store_true", help="make it the default model")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    trained = _trained_student(arguments)
    face = Avatar.load("nova").face_input(trained.size_px)
    tests, facts = load_test_data(arguments.data), _facts(arguments)
    try:
        publish(trained, arguments.data, tests, face, arguments.models_dir, facts, with_tensorrt=arguments.tensorrt)
        if arguments.default:
            register(trained.id, arguments.models_dir, default=trained.id)
    except OSError as error:
        raise StudioError(
            f"The model cannot be written to {arguments.models_dir}: {error}.",
            "Free some space, or choose --models-dir.",
        ) from error
    return 0
