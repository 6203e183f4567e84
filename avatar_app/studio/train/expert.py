"""Trains a sync expert: which of many sounds, most of them the same sound a little shifted, belongs to these mouths?"""

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
from avatar_app.studio.data.augmentation import ChangeRanges
from avatar_app.studio.data.av_clips import N_EXPERT_PICTURES, Takes, draw_takes
from avatar_app.studio.data.dataset import Stage, load_stage
from avatar_app.studio.metrics.sync import distances, found_ratio, moving, scores_of_each
from avatar_app.studio.nets.expert import SyncExpert, save_expert
from avatar_app.studio.train import parallel
from avatar_app.studio.train.command import add_machine_flags, carry_out
from avatar_app.studio.train.loop import LoopPlan, cosine_rate, set_rate, train, update_average
from avatar_app.studio.train.run_folder import RunFolder

log = logging.getLogger(__name__)

CHECKPOINT_STEPS = 100
# Told apart in so many held-out pairs of sound and five pictures, an expert may judge.
MIN_FOUND_RATIO = 0.85
N_HELD_OUT_VOICES = 12
# The expert's five, and room for shifts.
MIN_PICTURES = N_EXPERT_PICTURES + 5
# Half the range of pitch and noise that ears are trained with: an expert judges clean sound.
CHANGES = ChangeRanges(
    warp_probability=0.6, reverb_probability=0.2, noise_probability=0.4, snr_db=(8.0, 30.0), mask_probability=0.2
)


@dataclass(frozen=True, slots=True)
class ExpertRecipe:
    """Everything that decides the result, besides data and seed.

    Attributes:
        n_steps: batches.
        peak_rate: highest learning rate.
        n_takes: pieces in a batch.
        n_pictures: of a piece; each five are compared with all sounds of the batch, the piece's own shifted ones first.
        neighbour_share: how much of the answer may fall on the sounds one picture beside the right one.
        pair_share: weight of the plain question, belongs or not, that gives the cosine its meaning.
        average_decay: of the averaged weights, which are the result.
    """

    n_steps: int = 1500
    peak_rate: float = 1e-3
    n_takes: int = 8
    n_pictures: int = 24
    neighbour_share: float = 0.2
    pair_share: float = 0.5
    average_decay: float = 0.995


class ExpertTask:
    """What the training loop trains.

    Args:
        stage: scenes.
        recipe: how.
        seed: of the first weights.
    """

    def __init__(self, stage: Stage, recipe: ExpertRecipe, seed: int) -> None:
        torch.manual_seed(seed)
        self._device = parallel.device()
        self.net = SyncExpert().to(self._device)
        self.average = copy.deepcopy(self.net).eval()
        self._stage, self._recipe = stage, recipe
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
        stage = self._stage
        takes = draw_takes(stage.train, stage.odds, stage.corpus, recipe.n_takes, recipe.n_pictures, rng, CHANGES)
        takes = takes.part(parallel.share(recipe.n_takes), self._device)
        self.net.train()
        with arithmetic.autocast(self._device):
            heard, seen = self._embed(takes)
        parts = self.losses(heard.float(), seen.float(), rng)
        self._optimizer.zero_grad(set_to_none=True)
        parts["loss"].backward()  # type: ignore[no-untyped-call]
        parallel.average_gradients(self._optimizer)
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self._optimizer.step()
        parallel.average_norms(self.net)
        update_average(self.average, self.net, min(recipe.average_decay, (index + 1) / (index + 10)))
        return {name: float(value.detach()) for name, value in parts.items()}

    def losses(self, heard: Tensor, seen: Tensor, rng: np.random.Generator) -> dict[str, Tensor]:
        """The loss and its parts.

        Args:
            heard: (B, K, 256) embeddings of sounds.
            seen: (B, K, 256) embeddings of pictures; [b, k] belong together.
            rng: chooses the wrong partners of the plain question.
        """
        n_takes, n_places = heard.shape[:2]
        cosine = seen.flatten(0, 1) @ heard.flatten(0, 1).T
        answer = self._answer(n_takes, n_places).to(cosine.device)
        told = 0.5 * (
            cross_entropy(cosine * self.net.log_scale.exp(), answer)
            + cross_entropy(cosine.T * self.net.log_scale.exp(), answer)
        )
        pairs = self._recipe.pair_share * self._pair_loss(cosine, n_takes, n_places, rng)
        return {"loss": told + pairs, "told": told, "pairs": pairs}

    @torch.no_grad()
    def evaluate(self) -> Mapping[str, float]:
        """The averaged expert on held-out voices and clips; see `judge_expert`."""
        return judge_expert(self.average, self._stage)

    def _embed(self, takes: Takes) -> tuple[Tensor, Tensor]:
        sounds, mouths = takes.utterances(), takes.mouthfuls()
        heard, seen = self.net.hear(sounds.flatten(0, 1)), self.net.see(mouths.flatten(0, 1))
        return heard.view(*sounds.shape[:2], -1), seen.view(*mouths.shape[:2], -1)

    def _answer(self, n_takes: int, n_places: int) -> Tensor:
        """(B K, B K): for each five pictures, how much of the answer falls on which sound."""
        share = self._recipe.neighbour_share / 2
        one = torch.eye(n_places) * (1 - 2 * share)
        one += torch.diag(torch.full((n_places - 1,), share), 1) + torch.diag(torch.full((n_places - 1,), share), -1)
        one /= one.sum(dim=1, keepdim=True)
        return torch.kron(torch.eye(n_takes), one)

    @staticmethod
    def _pair_loss(cosine: Tensor, n_takes: int, n_places: int, rng: np.random.Generator) -> Tensor:
        """Belongs or not: each right pair, and a wrong one from the same piece, at least two pictures away."""
        n = n_takes * n_places
        place = np.tile(np.arange(n_places), n_takes)
        shift = rng.integers(2, n_places - 2, n)
        wrong = np.arange(n) - place + (place + shift) % n_places
        right_cosine = cosine.diagonal().clamp(1e-4, 1 - 1e-4)
        wrong_cosine = cosine[torch.arange(n), torch.from_numpy(wrong)].clamp(1e-4, 1 - 1e-4)
        return 0.5 * (
            binary_cross_entropy(right_cosine, torch.ones_like(right_cosine))
            + binary_cross_entropy(wrong_cosine, torch.zeros_like(wrong_cosine))
        )


@torch.no_grad()
def judge_expert(expert: SyncExpert, stage: Stage) -> dict[str, float]:
    """How well an expert tells shifted from aligned, on voices and clips that it was not trained on.

    Returns:
        `found_ratio`: seconds of speech whose shift is found within one picture; `found_single_ratio`: the same for
        five pictures alone; `found_clips_ratio`: for the rendered clips alone; `distance` and `confidence` as in
        `SyncScores`; `worst_offset_pictures`: the largest offset that it finds in any voice or clip.

    Raises:
        StudioError: none of them shows speech.
    """
    voices = [distances(expert, scene)[moving(scene)] for scene in stage.held_out[:N_HELD_OUT_VOICES]]
    clips = [distances(expert, scene)[moving(scene)] for scene in stage.test]
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
            f"Pieces of {recipe.n_pictures} pictures leave no room for shifts.", f"Choose at least {MIN_PICTURES}."
        )
    folder = RunFolder(arguments.run)
    folder.open_request({"data": str(arguments.data), **asdict(recipe)}, arguments.seed)
    cache = arguments.cache or arguments.run / "cache"
    stage = load_stage(arguments.data, arguments.picture, cache, arguments.voices, recipe.n_pictures)
    task = ExpertTask(stage, recipe, arguments.seed)
    plan = LoopPlan(
        recipe.n_steps, log_steps=25, checkpoint_steps=CHECKPOINT_STEPS, evaluate_steps=250, seed=arguments.seed
    )
    train(task, folder, plan)
    held_out = dict(task.evaluate())
    found = held_out["found_single_ratio"]
    may_judge = found >= MIN_FOUND_RATIO
    log.info("the expert %s judge: %.1f %% found", "may" if may_judge else "may not", 100 * found)
    facts: dict[str, object] = {"recipe": asdict(recipe), "held_out": held_out, "may_judge": may_judge}
    if parallel.is_chief():
        save_expert(arguments.run / "best", task.average, {**facts, "seed": arguments.seed})


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio train expert`."""
    parser = argparse.ArgumentParser(prog="avatar-app studio train expert", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds speech/ and nova/")
    parser.add_argument("--run", type=Path, required=True, help="run folder; an unfinished run there continues")
    parser.add_argument("--picture", type=Path, required=True, help="`best` folder of `studio train picture`")
    parser.add_argument("--cache", type=Path, help="where drawn pictures are kept (default: in the run folder)")
    parser.add_argument("--voices", type=Path, help="where prepared sounds are kept (default: in the cache)")
    parser.add_argument("--seed", type=int, default=0)
    add_machine_flags(parser)
    for name, value in asdict(ExpertRecipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    return carry_out(run, parser.parse_args(argv))
