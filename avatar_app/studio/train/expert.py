"""Trains a sync expert by contrast: find the matching sound among shifted copies and other sounds."""

from __future__ import annotations

import argparse
import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, cross_entropy

from avatar_app.contracts.errors import StudioError
from avatar_app.studio import arithmetic
from avatar_app.studio.data.augmentation import AugmentationRanges
from avatar_app.studio.data.av_clips import N_EXPERT_PICTURES, AvBatch, draw_av_batch
from avatar_app.studio.data.dataset import Dataset, load_dataset
from avatar_app.studio.metrics.sync import distances, found_ratio, moving, scores_of_each
from avatar_app.studio.nets.expert import SyncExpert, save_expert
from avatar_app.studio.train import parallel
from avatar_app.studio.train.command import add_machine_flags, carry_out
from avatar_app.studio.train.loop import LoopPlan, cosine_rate, descend, set_rate, train, update_average
from avatar_app.studio.train.run_folder import RunFolder

log = logging.getLogger(__name__)

CHECKPOINT_STEPS = 100
# An expert is reliable when it finds the shift of this share of held-out pairs of sound and five pictures.
MIN_FOUND_RATIO = 0.85
N_HELD_OUT_VOICES = 12
# The five pictures of the expert's input, and shifts of up to five.
MIN_PICTURES = N_EXPERT_PICTURES + 5
# Weaker than for the speech encoder, because the expert scores clean sound.
AUGMENTATION = AugmentationRanges(
    warp_probability=0.6, reverb_probability=0.2, noise_probability=0.4, snr_db=(8.0, 30.0), mask_probability=0.2
)


@dataclass(frozen=True, slots=True)
class ExpertRecipe:
    """Hyper-parameters; with data and seed they determine the result.

    Attributes:
        n_steps: number of batches.
        peak_rate: highest learning rate.
        n_clips: segments in a batch.
        n_pictures: of a segment; each five of them are compared with all sounds of the batch.
        neighbour_share: share of the target for the sounds one picture before and after the matching one.
        pair_weight: loss weight of the binary classification of pairs, which calibrates the cosine.
        average_decay: of the averaged weights, which are the result.
    """

    n_steps: int = 1500
    peak_rate: float = 1e-3
    n_clips: int = 8
    n_pictures: int = 24
    neighbour_share: float = 0.2
    pair_weight: float = 0.5
    average_decay: float = 0.995


class ExpertTask:
    """Trains a sync expert; for `loop.train`.

    Args:
        dataset: sounds and pictures.
        recipe: hyper-parameters.
        seed: of the initial weights.
    """

    def __init__(self, dataset: Dataset, recipe: ExpertRecipe, seed: int) -> None:
        torch.manual_seed(seed)
        self._device = parallel.device()
        self.net = SyncExpert().to(self._device)
        self.average = copy.deepcopy(self.net).eval()
        self._dataset, self._recipe = dataset, recipe
        self._optimizer = torch.optim.AdamW(self.net.parameters(), weight_decay=0.02)

    def modules(self) -> Mapping[str, nn.Module]:
        """The network and its average."""
        return {"net": self.net, "average": self.average}

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """One AdamW."""
        return {"adamw": self._optimizer}

    def step(self, index: int, n_steps: int, rng: np.random.Generator) -> Mapping[str, float]:
        """Train on one batch."""
        recipe = self._recipe
        set_rate(self._optimizer, cosine_rate(index, n_steps, recipe.peak_rate, n_warmup=100))
        data = self._dataset
        clips = draw_av_batch(
            data.train, data.sampling_weights, data.corpus, recipe.n_clips, recipe.n_pictures, rng, AUGMENTATION
        )
        clips = clips.part(parallel.share(recipe.n_clips), self._device)
        self.net.train()
        with arithmetic.autocast(self._device):
            audio, video = self._embed(clips)
        parts = self.losses(audio.float(), video.float(), rng)
        descend(self._optimizer, parts["loss"], max_norm=1.0)
        parallel.average_norms(self.net)
        update_average(self.average, self.net, min(recipe.average_decay, (index + 1) / (index + 10)))
        return {name: float(value.detach()) for name, value in parts.items()}

    def losses(self, audio: Tensor, video: Tensor, rng: np.random.Generator) -> dict[str, Tensor]:
        """The loss and its parts.

        Args:
            audio: (B, K, 256) embeddings of sounds.
            video: (B, K, 256) embeddings of pictures; [b, k] match.
            rng: chooses the negative pairs.
        """
        n_clips, n_places = audio.shape[:2]
        cosine = video.flatten(0, 1) @ audio.flatten(0, 1).T
        target = self._target(n_clips, n_places).to(cosine.device)
        contrast = 0.5 * (
            cross_entropy(cosine * self.net.log_scale.exp(), target)
            + cross_entropy(cosine.T * self.net.log_scale.exp(), target)
        )
        pairs = self._recipe.pair_weight * self._pair_loss(cosine, n_clips, n_places, rng)
        return {"loss": contrast + pairs, "contrast": contrast, "pairs": pairs}

    @torch.no_grad()
    def evaluate(self) -> Mapping[str, float]:
        """The averaged expert on held-out speakers and clips; see `evaluate_expert`."""
        return evaluate_expert(self.average, self._dataset)

    def _embed(self, clips: AvBatch) -> tuple[Tensor, Tensor]:
        sounds, mouths = clips.expert_windows(), clips.expert_pictures()
        audio, video = self.net.embed_audio(sounds.flatten(0, 1)), self.net.embed_pictures(mouths.flatten(0, 1))
        return audio.view(*sounds.shape[:2], -1), video.view(*mouths.shape[:2], -1)

    def _target(self, n_clips: int, n_places: int) -> Tensor:
        """(B K, B K): the target distribution over all sounds, for each five pictures."""
        share = self._recipe.neighbour_share / 2
        one = torch.eye(n_places) * (1 - 2 * share)
        one += torch.diag(torch.full((n_places - 1,), share), 1) + torch.diag(torch.full((n_places - 1,), share), -1)
        one /= one.sum(dim=1, keepdim=True)
        return torch.kron(torch.eye(n_clips), one)

    @staticmethod
    def _pair_loss(cosine: Tensor, n_clips: int, n_places: int, rng: np.random.Generator) -> Tensor:
        """Binary cross entropy of each matching pair and of a negative one from the same segment."""
        n = n_clips * n_places
        place = np.tile(np.arange(n_places), n_clips)
        shift = rng.integers(2, n_places - 2, n)
        negative = np.arange(n) - place + (place + shift) % n_places
        positive_cosine = cosine.diagonal().clamp(1e-4, 1 - 1e-4)
        negative_cosine = cosine[torch.arange(n), torch.from_numpy(negative)].clamp(1e-4, 1 - 1e-4)
        return 0.5 * (
            binary_cross_entropy(positive_cosine, torch.ones_like(positive_cosine))
            + binary_cross_entropy(negative_cosine, torch.zeros_like(negative_cosine))
        )


@torch.no_grad()
def evaluate_expert(expert: SyncExpert, dataset: Dataset) -> dict[str, float]:
    """How reliably an expert finds shifts, on held-out speakers and clips.

    Returns:
        `found_ratio`: share of seconds of speech whose shift is found within one picture; `found_single_ratio`: the
        same for five pictures; `found_clips_ratio`: the same for rendered clips; `distance` and `confidence` as in
        `SyncScores`; `worst_offset_pictures`: the largest offset that it finds in any voice or clip.

    Raises:
        StudioError: no mouth moves in them.
    """
    voices = [distances(expert, clip)[moving(clip)] for clip in dataset.held_out[:N_HELD_OUT_VOICES]]
    clips = [distances(expert, clip)[moving(clip)] for clip in dataset.test]
    each = scores_of_each([*voices, *clips])
    return {
        "found_ratio": found_ratio([*voices, *clips]),
        "found_single_ratio": found_ratio([*voices, *clips], n_piece=1),
        "found_clips_ratio": found_ratio(clips),
        "distance": float(np.mean([s.distance for s in each])),
        "confidence": float(np.mean([s.confidence for s in each])),
        "worst_offset_pictures": float(max(abs(s.offset_pictures) for s in each)),
    }


def run(arguments: argparse.Namespace) -> None:
    """Train to the end and write `best/`."""
    recipe = ExpertRecipe(**{name: getattr(arguments, name) for name in asdict(ExpertRecipe())})
    if recipe.n_pictures < MIN_PICTURES:
        raise StudioError(
            f"Segments of {recipe.n_pictures} pictures are too short for shifts.", f"Choose at least {MIN_PICTURES}."
        )
    folder = RunFolder(arguments.run)
    folder.open_request({"data": str(arguments.data), **asdict(recipe)}, arguments.seed)
    cache = arguments.cache or arguments.run / "cache"
    dataset = load_dataset(arguments.data, arguments.mouth_renderer, cache, arguments.voices, recipe.n_pictures)
    task = ExpertTask(dataset, recipe, arguments.seed)
    plan = LoopPlan(
        recipe.n_steps, log_steps=25, checkpoint_steps=CHECKPOINT_STEPS, evaluate_steps=250, seed=arguments.seed
    )
    train(task, folder, plan)
    held_out = dict(task.evaluate())
    found = held_out["found_single_ratio"]
    is_reliable = found >= MIN_FOUND_RATIO
    log.info("the sync expert is %s: %.1f %% found", "reliable" if is_reliable else "not reliable", 100 * found)
    facts: dict[str, object] = {"recipe": asdict(recipe), "held_out": held_out, "is_reliable": is_reliable}
    if parallel.is_chief():
        save_expert(arguments.run / "best", task.average, {**facts, "seed": arguments.seed})


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio train expert`."""
    parser = argparse.ArgumentParser(prog="avatar-app studio train expert", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds speech/ and nova/")
    parser.add_argument("--run", type=Path, required=True, help="run folder; an unfinished run there continues")
    parser.add_argument(
        "--mouth-renderer", type=Path, required=True, help="`best` folder of `studio train mouth-renderer`"
    )
    parser.add_argument("--cache", type=Path, help="where generated pictures are kept (default: in the run folder)")
    parser.add_argument("--voices", type=Path, help="where prepared sounds are kept (default: in the cache)")
    parser.add_argument("--seed", type=int, default=0)
    add_machine_flags(parser)
    for name, value in asdict(ExpertRecipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    return carry_out(run, parser.parse_args(argv))
