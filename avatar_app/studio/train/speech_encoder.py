"""Trains the speech encoder on augmented real voices, synthetic voices, and sounds without speech."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from avatar_app.contracts.mouth import N_MOUTH
from avatar_app.settings.schema import LOOKAHEADS_MS
from avatar_app.studio import arithmetic
from avatar_app.studio.data import speech_corpus
from avatar_app.studio.data.speech_batches import Batch, BatchPlan, draw_batch
from avatar_app.studio.data.speech_corpus import Corpus
from avatar_app.studio.data.utterances import Utterance
from avatar_app.studio.mouth import lip_opening_mm, visible_weight
from avatar_app.studio.nets.speech_encoder import (
    PUBLISHED_SHAPE,
    SpeechEncoder,
    SpeechEncoderShape,
    load_speech_encoder,
    save_speech_encoder,
)
from avatar_app.studio.provenance import origin
from avatar_app.studio.train import parallel
from avatar_app.studio.train.command import add_machine_flags, carry_out
from avatar_app.studio.train.gain_calibration import apply_gain, calibrate_gain
from avatar_app.studio.train.loop import LoopPlan, cosine_rate, descend, set_rate, train, update_average
from avatar_app.studio.train.norm_statistics import fit_norm_statistics, mix
from avatar_app.studio.train.readout import refit_readout
from avatar_app.studio.train.run_folder import RunFolder
from avatar_app.studio.train.soft_targets import (
    SoftTargetPlan,
    add_flags,
    facts_of,
    plan_of,
    request_of,
    with_soft_targets,
)
from avatar_app.studio.train.speech_encoder_score import motion_mm, predict, score_voices
from avatar_app.studio.train.speech_losses import LossWeights, SpeechLosses, Targets

CHECKPOINT_STEPS = 250
# Batches for the norms of a network to begin with.
N_NORM_BATCHES = 8
READOUT_SEED = 77


@dataclass(frozen=True, slots=True)
class SpeechRecipe:
    """Hyper-parameters; with data and seed they determine the result.

    Attributes:
        n_steps: number of batches.
        peak_rate: highest learning rate.
        weight_decay: of AdamW.
        average_decay: of the averaged weights, which are the result.
        width: channels of the trunk.
        dilations: of the trunk.
        dropout: in the trunk.
        n_examples: segments in a batch.
        n_outputs: outputs per segment and look-ahead.
        synthetic_ratio: share of synthetic voices.
        huber_delta: below this error the loss is quadratic.
        opening_weight: loss weight of the lip gap.
        velocity_weight: loss weight of the motion.
        phone_weight: loss weight of the phone classification.
        correlation_weight: loss weight of one minus the correlation of the lip gap in each segment.
        sealed_boost: additional weight of phones that close the lips or bring them to the teeth.
        begin_share: share of the network that the training began with in the result.
        readout_batches: batches from which the last layer is refitted by least squares; 0 keeps it.
    """

    n_steps: int = 5000
    peak_rate: float = 2e-3
    weight_decay: float = 0.05
    average_decay: float = 0.998
    width: int = PUBLISHED_SHAPE.width
    dilations: tuple[int, ...] = PUBLISHED_SHAPE.dilations
    dropout: float = PUBLISHED_SHAPE.dropout
    n_examples: int = 16
    n_outputs: int = 128
    synthetic_ratio: float = 0.15
    huber_delta: float = 0.1
    opening_weight: float = 0.5
    velocity_weight: float = 0.5
    phone_weight: float = 0.1
    correlation_weight: float = 0.0
    sealed_boost: float = 2.0
    begin_share: float = 0.0
    readout_batches: int = 0

    def loss_weights(self) -> LossWeights:
        """Those of the losses."""
        return LossWeights(
            huber_delta=self.huber_delta,
            opening=self.opening_weight,
            velocity=self.velocity_weight,
            phone=self.phone_weight,
            correlation=self.correlation_weight,
            sealed_boost=self.sealed_boost,
        )


@dataclass(frozen=True, slots=True)
class SpeechData:
    """Training data of the speech encoder.

    Attributes:
        corpus: for training.
        held_out: speakers for validation.
        test: speakers for the final scores.
        opening_mm: (14,) lip gap per unit of each parameter.
        visible: (14,) loss weight of each parameter.
    """

    corpus: Corpus
    held_out: Sequence[Utterance]
    test: Sequence[Utterance]
    opening_mm: Tensor
    visible: Tensor


def load_data(folder: Path, cache: Path, plan: SoftTargetPlan | None = None) -> SpeechData:
    """Read the data folder; prepared voices are kept in `cache`.

    Args:
        folder: holds speech/ and nova/.
        cache: folder of prepared voices and features.
        plan: targets of an offline teacher; None for those of the phones only.

    Raises:
        StudioError: something in the folder is missing, or the teacher cannot be read.
    """
    speech = folder / "speech" / "librispeech"
    voices = speech_corpus.load_voices(speech, cache)
    corpus = voices.corpus
    if plan is not None:
        corpus = with_soft_targets(corpus, speech, plan, cache / "features")
    rig = folder / "nova" / "rig.npz"
    return SpeechData(
        corpus=corpus,
        held_out=voices.held_out,
        test=voices.test,
        opening_mm=torch.from_numpy(lip_opening_mm(rig)),
        visible=torch.from_numpy(visible_weight(rig)),
    )


class SpeechTask:
    """Trains a speech encoder; for `loop.train`.

    Args:
        data: voices.
        recipe: hyper-parameters.
        seed: of the initial weights.
        begin: network to begin with, instead of random weights; its shape goes before that of the recipe. In evaluation
            mode; not changed.
    """

    def __init__(self, data: SpeechData, recipe: SpeechRecipe, seed: int, begin: SpeechEncoder | None = None) -> None:
        torch.manual_seed(seed)
        self._device = parallel.device()
        shape = SpeechEncoderShape(recipe.width, recipe.dilations, recipe.dropout)
        self.net = (SpeechEncoder(shape) if begin is None else copy.deepcopy(begin)).to(self._device)
        self._data, self._recipe = data, recipe
        self._plan = BatchPlan(
            n_examples=recipe.n_examples,
            n_outputs=recipe.n_outputs,
            window_columns=self.net.shape.window_columns,
            synthetic_ratio=recipe.synthetic_ratio,
        )
        self._begin = begin
        if begin is not None:
            self._fit_norms(np.random.default_rng(seed))
        self.average = copy.deepcopy(self.net).eval()
        self._losses = SpeechLosses(recipe.loss_weights(), data.opening_mm, data.visible)
        self._optimizer = torch.optim.AdamW(self.net.parameters(), weight_decay=recipe.weight_decay)

    def mix_with_begin(self, begin_share: float) -> None:
        """Make the result the mean of the averaged network and the one that it began with."""
        if self._begin is not None and begin_share > 0:
            mix(self._begin.to(self._device), self.average, begin_share)

    def refit(self, seed: int) -> None:
        """Refit the last layer of the averaged network."""
        rng, n = np.random.default_rng([seed, READOUT_SEED]), self._recipe.readout_batches
        if n > 0:
            self.average.cpu()
            refit_readout(self.average, (draw_batch(self._data.corpus, self._plan, rng) for _ in range(n)))
            self.average.to(self._device)

    def _fit_norms(self, rng: np.random.Generator) -> None:
        batches = (draw_batch(self._data.corpus, self._plan, rng).mel.to(self._device) for _ in range(N_NORM_BATCHES))
        fit_norm_statistics(self.net, batches)

    def modules(self) -> Mapping[str, nn.Module]:
        """The network and its average."""
        return {"net": self.net, "average": self.average}

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """One AdamW."""
        return {"adamw": self._optimizer}

    def step(self, index: int, n_steps: int, rng: np.random.Generator) -> Mapping[str, float]:
        """Train on one batch."""
        set_rate(self._optimizer, cosine_rate(index, n_steps, self._recipe.peak_rate))
        batch = draw_batch(self._data.corpus, self._plan, rng).part(parallel.share(self._plan.n_examples))
        self.net.train()
        with arithmetic.autocast(self._device):
            mouth, phones = self.net.forward_with_phones(batch.mel.to(self._device))
        # The loss is small: it is computed on the device of the batch.
        parts = self.losses(mouth.float().cpu(), phones.float().cpu(), batch)
        descend(self._optimizer, parts["loss"], max_norm=1.0)
        parallel.average_norms(self.net)
        # A smaller decay at first keeps the random initial weights out of the average.
        update_average(self.average, self.net, min(self._recipe.average_decay, (index + 1) / (index + 10)))
        return {name: float(value.detach()) for name, value in parts.items()}

    def losses(self, mouth: Tensor, phones: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The loss and its weighted parts.

        Args:
            mouth: (B, 4, 14, N) float32.
            phones: (B, 4, 40, N) float32 logits.
            batch: the targets.
        """
        return self._losses(mouth, phones, Targets(batch.mouth, batch.phones, batch.trust))

    def evaluate(self) -> Mapping[str, float]:
        """Scores of the averaged network on the held-out speakers."""
        opening_mm = self._data.opening_mm.numpy()
        speech = [predict(self.average, u) for u in self._data.held_out]
        noise = [predict(self.average, u) for u in self._data.corpus.quiet]
        scores = score_voices(speech, opening_mm)
        for head, ms in enumerate(LOOKAHEADS_MS):
            in_noise, in_speech = (motion_mm(predictions, head, opening_mm) for predictions in (noise, speech))
            scores[f"noise_motion_{ms}"] = in_noise / max(in_speech, 1e-9)
        return scores


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio train speech-encoder`."""
    return carry_out(run, _parser().parse_args(argv))


def run(arguments: argparse.Namespace) -> None:
    """Train to the end and write `best/`."""
    recipe = _recipe(arguments)
    folder, targets = RunFolder(arguments.run), plan_of(arguments)
    begin = {} if arguments.begin is None else {"begin": str(arguments.begin)}
    folder.open_request({"data": str(arguments.data), **asdict(recipe), **begin, **request_of(targets)}, arguments.seed)
    data = load_data(arguments.data, arguments.cache or arguments.run / "cache", targets)
    task = SpeechTask(data, recipe, arguments.seed, None if not begin else load_speech_encoder(arguments.begin))
    plan = LoopPlan(
        recipe.n_steps, log_steps=50, checkpoint_steps=CHECKPOINT_STEPS, evaluate_steps=500, seed=arguments.seed
    )
    train(task, folder, plan)
    task.mix_with_begin(recipe.begin_share)
    task.refit(arguments.seed)
    started_from = {"started_from": origin(arguments.begin / "speech.json")} if begin else {}
    facts: dict[str, object] = {
        "recipe": {**asdict(recipe), **facts_of(targets), **started_from},
        "before_calibration": dict(task.evaluate()),
    }
    save_calibrated(arguments.run / "best", task, data, facts)


def save_calibrated(folder: Path, task: SpeechTask, data: SpeechData, facts: dict[str, object]) -> None:
    """Calibrate the gain of the averaged network, measure it and save it."""
    calibration = calibrate_gain([predict(task.average, u) for u in data.held_out])
    for head in range(len(LOOKAHEADS_MS)):
        apply_gain(task.average.mouth, head * N_MOUTH, calibration.mean[head], calibration.gain[head])
    measured = {
        "gain": calibration.gain.round(3).tolist(),
        "held_out": dict(task.evaluate()),
        "test": score_voices([predict(task.average, u) for u in data.test], data.opening_mm.numpy()),
    }
    if parallel.is_chief():
        save_speech_encoder(folder, task.average, {**facts, **measured})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="avatar-app studio train speech-encoder", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds speech/ and nova/")
    parser.add_argument("--run", type=Path, required=True, help="run folder; an unfinished run there continues")
    parser.add_argument("--cache", type=Path, help="where prepared sounds are kept (default: in the run folder)")
    parser.add_argument("--begin", type=Path, help="`best` folder of an encoder whose weights are the first ones")
    parser.add_argument("--seed", type=int, default=0)
    add_flags(parser)
    add_machine_flags(parser)
    defaults = SpeechRecipe()
    for name, value in asdict(defaults).items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, tuple):
            parser.add_argument(flag, type=int, nargs="+", default=value)
        else:
            parser.add_argument(flag, type=type(value), default=value)
    return parser


def _recipe(arguments: argparse.Namespace) -> SpeechRecipe:
    values = {name: getattr(arguments, name) for name in asdict(SpeechRecipe())}
    values["dilations"] = tuple(values["dilations"])
    return SpeechRecipe(**values)
