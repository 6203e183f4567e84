"""Trains the offline speech teacher: phoneme posteriors, embeddings and mel of a whole sound to mouth parameters.

It hears past and future, and features that are too slow for live use. The speech encoder is then distilled from it:
the teacher gives the mouth for voices without phone times, and for recordings whose phone times are uncertain.
Without the packages of the extra `features` it hears mel only.
"""

from __future__ import annotations

import argparse
import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from avatar_app.studio import arithmetic
from avatar_app.studio.data.speech_corpus import librispeech_recordings
from avatar_app.studio.data.teacher_batches import HeardUtterance, draw_segments, hear, moments
from avatar_app.studio.data.teacher_inputs import WANTED, usable_features
from avatar_app.studio.nets.offline_teacher import (
    OfflineTeacher,
    OfflineTeacherShape,
    save_offline_teacher,
)
from avatar_app.studio.train.command import add_machine_flags, carry_out
from avatar_app.studio.train.loop import LoopPlan, cosine_rate, descend, set_rate, train, update_average
from avatar_app.studio.train.run_folder import RunFolder
from avatar_app.studio.train.speech_encoder import SpeechData, load_data
from avatar_app.studio.train.speech_encoder_score import Prediction, score_head
from avatar_app.studio.train.speech_losses import LossWeights, SpeechLosses, Targets

log = logging.getLogger(__name__)

CHECKPOINT_STEPS = 250


@dataclass(frozen=True, slots=True)
class TeacherRecipe:
    """Hyper-parameters; with data and seed they determine the result.

    Attributes:
        n_steps: number of batches.
        peak_rate: highest learning rate.
        weight_decay: of AdamW.
        average_decay: of the averaged weights, which are the result.
        width: channels of each direction.
        n_layers: recurrent layers.
        dropout: between the layers.
        n_examples: segments in a batch.
        n_rows: rows of 20 ms in a segment.
        mask_ratio: share of masked rows.
        features: what it hears.
    """

    n_steps: int = 1000
    peak_rate: float = 2e-3
    weight_decay: float = 0.05
    average_decay: float = 0.995
    width: int = 192
    n_layers: int = 2
    dropout: float = 0.3
    n_examples: int = 32
    n_rows: int = 100
    mask_ratio: float = 0.05
    features: tuple[str, ...] = WANTED


class TeacherTask:
    """Trains an offline teacher; for `loop.train`.

    Args:
        data: voices.
        heard: the training voices with their features.
        held_out: speakers for validation with their features.
        recipe: hyper-parameters.
        seed: of the initial weights.
    """

    def __init__(
        self,
        data: SpeechData,
        heard: Sequence[HeardUtterance],
        held_out: Sequence[HeardUtterance],
        recipe: TeacherRecipe,
        seed: int,
    ) -> None:
        torch.manual_seed(seed)
        shape = OfflineTeacherShape(heard[0].inputs.shape[1], recipe.width, recipe.n_layers, recipe.dropout)
        self.net = OfflineTeacher(shape)
        self.net.standardize(*moments(heard))
        self.average = copy.deepcopy(self.net).eval()
        self._heard, self._held_out, self._recipe = heard, held_out, recipe
        self._opening_mm = data.opening_mm.numpy()
        self._losses = SpeechLosses(LossWeights(), data.opening_mm, data.visible)
        self._optimizer = torch.optim.AdamW(self.net.parameters(), weight_decay=recipe.weight_decay)

    def modules(self) -> Mapping[str, nn.Module]:
        """The network and its average."""
        return {"net": self.net, "average": self.average}

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """One AdamW."""
        return {"adamw": self._optimizer}

    def step(self, index: int, n_steps: int, rng: np.random.Generator) -> Mapping[str, float]:
        """Train on one batch."""
        recipe = self._recipe
        set_rate(self._optimizer, cosine_rate(index, n_steps, recipe.peak_rate))
        batch = draw_segments(self._heard, recipe.n_examples, recipe.n_rows, recipe.mask_ratio, rng)
        self.net.train()
        with arithmetic.autocast(torch.device("cpu")):
            mouth, phones = self.net(batch.inputs)
        parts = self._losses(
            mouth[:, None].float(), phones[:, None].float(), Targets(batch.mouth, batch.phones, batch.trust)
        )
        descend(self._optimizer, parts["loss"], max_norm=1.0)
        update_average(self.average, self.net, min(recipe.average_decay, (index + 1) / (index + 10)))
        return {name: float(value.detach()) for name, value in parts.items()}

    def evaluate(self) -> Mapping[str, float]:
        """Scores of the averaged network on the held-out speakers."""
        return score_teacher(self.average, self._held_out, self._opening_mm)


@torch.no_grad()
def score_teacher(
    net: OfflineTeacher, heard: Sequence[HeardUtterance], opening_mm: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
) -> dict[str, float]:
    """The scores of `score_head` at 100 Hz."""
    predictions = []
    for h in heard:
        mouth = net(torch.from_numpy(h.inputs.astype(np.float32))[None])[0].clamp(0, 1).numpy()
        n = min(mouth.shape[-1], len(h.utterance.mouth))
        truth, phones = h.utterance.mouth[:n].T[None], h.utterance.phones[:n][None]
        predictions.append(Prediction(h.utterance.name, mouth[..., :n], truth, phones))
    return score_head(predictions, 0, opening_mm)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio train offline-speech-teacher`."""
    return carry_out(run, _parser().parse_args(argv))


def run(arguments: argparse.Namespace) -> None:
    """Train to the end and write `best/`."""
    recipe = _recipe(arguments)
    folder = RunFolder(arguments.run)
    folder.open_request({"data": str(arguments.data), **asdict(recipe)}, arguments.seed)
    cache = arguments.cache or arguments.run / "cache"
    data = load_data(arguments.data, cache)
    recordings = librispeech_recordings(arguments.data / "speech" / "librispeech")
    heard, held_out, test = (
        hear(recordings, utterances, recipe.features, cache / "features")
        for utterances in (data.corpus.real, data.held_out, data.test)
    )
    task = TeacherTask(data, heard, held_out, recipe, arguments.seed)
    train(task, folder, LoopPlan(recipe.n_steps, 50, CHECKPOINT_STEPS, evaluate_steps=250, seed=arguments.seed))
    scores = {
        "held_out": task.evaluate(),
        "test": score_teacher(task.average, test, data.opening_mm.numpy()),
    }
    save_offline_teacher(arguments.run / "best", task.average, recipe.features, {"recipe": asdict(recipe), **scores})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="avatar-app studio train offline-speech-teacher", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds speech/ and nova/")
    parser.add_argument("--run", type=Path, required=True, help="run folder; an unfinished run there continues")
    parser.add_argument("--cache", type=Path, help="where sounds and features are kept (default: in the run folder)")
    parser.add_argument(
        "--features", nargs="+", choices=WANTED, help="what it hears (default: all whose packages are installed)"
    )
    parser.add_argument("--seed", type=int, default=0)
    add_machine_flags(parser)
    for name, value in asdict(TeacherRecipe()).items():
        if name != "features":
            parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    return parser


def _recipe(arguments: argparse.Namespace) -> TeacherRecipe:
    values = {name: getattr(arguments, name) for name in asdict(TeacherRecipe())}
    values["features"] = tuple(arguments.features or usable_features())
    if missing := set(WANTED) - set(values["features"]):
        log.warning("The teacher does not hear: %s", ", ".join(sorted(missing)))
    return TeacherRecipe(**values)
