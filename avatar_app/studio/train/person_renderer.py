"""Fine-tunes the mouth renderer to a person, from the clips of an enrolment."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avatar_app.contracts.mouth import PatchBox
from avatar_app.studio import arithmetic
from avatar_app.studio.data.person_clips import FaceClip
from avatar_app.studio.data.person_pictures import N_NUISANCES, Normal, PersonPictures, light_of, person_pictures
from avatar_app.studio.metrics.scores import psnr_db, sharpness_ratio
from avatar_app.studio.nets.mouth_renderer import NOVA_BOX, MouthRenderer, load_mouth_renderer, save_mouth_renderer
from avatar_app.studio.nets.person_renderer import PersonRenderer, PictureTable
from avatar_app.studio.train import parallel
from avatar_app.studio.train.checkpoint import CHECKPOINT_NAME, load_checkpoint
from avatar_app.studio.train.loop import LoopPlan, descend, set_rate, train, update_average
from avatar_app.studio.train.mouth_renderer import MOUTH, one_cycle, pixel_weight, pixels_of
from avatar_app.studio.train.person_losses import LossWeights, picture_losses
from avatar_app.studio.train.run_folder import RunFolder

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

# Steps by quality. On two cores without native bf16 they take about 6, 21 and 55 minutes.
STEPS = {"quick": 2500, "good": 9000, "best": 24000}
LOG_STEPS = 50
CHECKPOINT_STEPS = 250
EVALUATE_STEPS = 500
N_SAMPLES = 6
# Pixels this near to those that are shown count as much, and the others by this factor.
MARGIN_PX, HIDDEN_WEIGHT = 16, 0.1
# Highest chance of a picture to be drawn, relative to the lowest; a parameter that varies less counts less.
MAX_CHANCE, MIN_SPREAD = 4.0, np.float32(0.05)
# Largest correction of a parameter, relative to its standard deviation.
CORRECTION_RATIO = np.float32(0.5)
# Training pictures from which the base picture and the weights of the loss are measured.
N_SAMPLED = 400
# Held-out pictures that an evaluation renders.
N_EVALUATED = 200


@dataclass(frozen=True, slots=True)
class PersonRecipe:
    """Hyper-parameters; with data and seed they determine the result.

    Attributes:
        n_steps: number of batches.
        batch: pictures in a batch.
        peak_rate: highest learning rate.
        warm_up: share of the run in which the rate rises.
        picture_rate: highest learning rate of corrections and latents.
        n_latents: learned numbers of each picture.
        average_decay: of the averaged weights, which are the result.
        losses: weights of the losses.
    """

    n_steps: int = STEPS["good"]
    batch: int = 8
    peak_rate: float = 1e-3
    warm_up: float = 0.05
    picture_rate: float = 0.02
    n_latents: int = 4
    average_decay: float = 0.998
    losses: LossWeights = field(default_factory=LossWeights)


class PersonRendererTask:
    """Trains the renderer of a person; for `loop.train`.

    Args:
        data: pictures with their inputs.
        recipe: hyper-parameters.
        seed: of the initial weights.
        initial: network to continue from; None starts from random weights.
        progress: called after each step with the number of steps so far and of the run.
        shown: (256, 256) float32 in 0..1, how much of each pixel of the crop the avatar shows; None means all.
    """

    def __init__(
        self,
        data: PersonPictures,
        recipe: PersonRecipe,
        seed: int,
        initial: MouthRenderer | None = None,
        progress: Callable[[int, int], None] | None = None,
        shown: Float32 | None = None,
    ) -> None:
        torch.manual_seed(seed)
        self._device, self._recipe, self._progress = parallel.device(), recipe, progress
        renderer = copy.deepcopy(initial) if initial is not None else MouthRenderer()
        self._box = renderer.shape.box
        self._patches = data.patches
        self._params = torch.from_numpy(data.params).to(self._device)
        self._nuisances = torch.from_numpy(data.nuisances).to(self._device)
        self._train = np.flatnonzero(data.is_train)
        self._chance = chances(data.params[self._train])
        held_out = np.flatnonzero(~data.is_train)
        held_out = held_out if len(held_out) else self._train
        self._held_out = held_out[:: -(-len(held_out) // N_EVALUATED)]
        sample = data.patches[self._train[:: -(-len(self._train) // N_SAMPLED)]]
        renderer.base.data = pixels_of(sample).mean(dim=0, keepdim=True)
        self._weight = (pixel_weight(sample) * _share(shown, self._box)).to(self._device)
        net = PersonRenderer(renderer, data.nuisances.shape[1], recipe.n_latents)
        self.net: PersonRenderer = net.to(self._device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average: PersonRenderer = copy.deepcopy(self.net).eval()
        reach = torch.from_numpy(CORRECTION_RATIO * data.params[self._train].std(axis=0))
        self._pictures = PictureTable(len(data.params), recipe.n_latents, reach).to(self._device)
        self._adam = torch.optim.Adam(self.net.parameters(), lr=recipe.peak_rate, betas=(0.9, 0.99))
        # Without momentum: it would move pictures that are not in the batch.
        self._adam_pictures = torch.optim.Adam(self._pictures.parameters(), lr=recipe.picture_rate, betas=(0.0, 0.999))

    def modules(self) -> Mapping[str, nn.Module]:
        """The network, its average, and what is learned about each picture."""
        return {"net": self.net, "average": self.average, "pictures": self._pictures}

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """Adam for the network, and for the pictures."""
        return {"adam": self._adam, "adam_pictures": self._adam_pictures}

    def step(self, index: int, n_steps: int, rng: np.random.Generator) -> Mapping[str, float]:
        """Train on one batch."""
        rate = one_cycle(index, n_steps, self._recipe)
        set_rate(self._adam, rate)
        set_rate(self._adam_pictures, self._recipe.picture_rate * rate / self._recipe.peak_rate)
        numbers = rng.choice(self._train, self._recipe.batch, p=self._chance)[parallel.share(self._recipe.batch)]
        parts = self._losses(torch.from_numpy(numbers).to(self._device))
        self._adam_pictures.zero_grad(set_to_none=True)
        descend(self._adam, parts["loss"])
        parallel.average_gradients(self._adam_pictures)
        self._adam_pictures.step()
        update_average(self.average, self.net, min(self._recipe.average_decay, (index + 1) / (index + 10)))
        if self._progress is not None:
            self._progress(index + 1, n_steps)
        return {name: float(value.detach()) for name, value in parts.items()}

    @torch.no_grad()
    def evaluate(self) -> Mapping[str, float]:
        """The averaged network on held-out pictures, in median conditions, as it will be exported.

        Returns:
            `mouth_psnr_db`: PSNR of lips and teeth in dB; `sharpness`: `scores.sharpness_ratio` of the same area.
        """
        box = self._box
        mouth = (slice(None), *(slice(s.start - o, s.stop - o) for s, o in zip(MOUTH, (box.y, box.x), strict=True)))
        generated, expected = self._rendered(self._held_out)[mouth], self._patches[self._held_out][mouth]
        return {"mouth_psnr_db": psnr_db(generated, expected), "sharpness": sharpness_ratio(generated, expected)}

    def sample(self) -> UInt8:
        """Held-out pictures above those of the averaged network, (2 h, 6 w, 3) uint8 BGR."""
        chosen = self._held_out[:: -(-len(self._held_out) // N_SAMPLES)]
        return np.concatenate(
            [np.concatenate(list(p), axis=1) for p in (self._patches[chosen], self._rendered(chosen))]
        )

    def _losses(self, chosen: Tensor) -> dict[str, Tensor]:
        ground_truth = pixels_of(self._patches[chosen.cpu().numpy()]).to(self._device)
        corrected, latents = self._pictures.corrected(self._params[chosen], chosen), self._pictures.latents[chosen]
        self.net.train()
        with arithmetic.autocast(self._device):
            pictures = self.net(corrected, self._nuisances[chosen], latents)
        parts = picture_losses(pictures.float(), ground_truth, self._weight, self._recipe.losses)
        squares = self._pictures.corrections[chosen].square().mean() + latents.square().mean()
        prior = self._recipe.losses.prior * squares
        return {**parts, "loss": parts["loss"] + prior, "prior": prior}

    @torch.no_grad()
    def _rendered(self, chosen: NDArray[np.int64]) -> UInt8:
        """(n, h, w, 3) uint8 BGR: the averaged network for the mouths of these pictures, in median conditions."""
        found = []
        for part in np.array_split(chosen, -(-len(chosen) // 16)):
            numbers = torch.from_numpy(part).to(self._device)
            with arithmetic.autocast(self._device):
                pictures = self.average(self._params[numbers], 0 * self._nuisances[numbers]).float()
            found.append((pictures.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy())
        return np.ascontiguousarray(np.concatenate(found))


def chances(params: Float32) -> NDArray[np.float64]:
    """(n,) chance of each picture to be in a batch, with sum 1.

    Most pictures of speech show mouths that are nearly closed, and few show one that is wide open. Those that differ
    more from the mean mouth have a higher chance, up to `MAX_CHANCE` times the lowest.

    Args:
        params: (n, 14) mouth parameters.
    """
    distance = np.linalg.norm((params - params.mean(axis=0)) / (params.std(axis=0) + MIN_SPREAD), axis=1)
    weight = np.clip(distance / max(float(np.median(distance)), 1e-6), 1, MAX_CHANCE).astype(np.float64)
    return weight / weight.sum()  # type: ignore[no-any-return]


def _share(shown: Float32 | None, box: PatchBox) -> Tensor:
    """(1, 1, h, w) factor of the loss weight inside the box; mouths of the pixels around what is shown still count."""
    if shown is None:
        return torch.ones(1, 1, 1, 1)
    near = cv2.GaussianBlur(cv2.dilate(shown, np.ones((MARGIN_PX, MARGIN_PX), np.uint8)), (0, 0), MARGIN_PX / 4)
    share = HIDDEN_WEIGHT + (1 - HIDDEN_WEIGHT) * near[box.y : box.y + box.h, box.x : box.x + box.w]
    return torch.from_numpy(share.astype(np.float32))[None, None]


def train_person_renderer(
    clips: Sequence[FaceClip],
    run: Path,
    recipe: PersonRecipe,
    initial: Path | None,
    *,
    mask: UInt8 | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Train to the end, or continue an unfinished run; more steps extend a finished one.

    Args:
        clips: of the person; those of the test split are not used.
        run: run folder. `samples/` receives pictures of the progress, ground truth above the result.
        recipe: hyper-parameters.
        initial: folder of the mouth renderer to continue from; None starts from random weights.
        mask: (256, 256) uint8, where the mouth is pasted; other pixels count little. None means that all count.
        seed: of all randomness.
        progress: called after each step with the number of steps so far and of the run. If it raises an error, the run
            stops there and can be continued.

    Returns:
        Folder of the result in median light, see `load_mouth_renderer` and `in_light_of`.

    Raises:
        StudioError: too few pictures, no initial network, or the folder cannot be written or holds another run.
    """
    before = None if initial is None else load_mouth_renderer(initial)
    data = person_pictures(clips, NOVA_BOX)
    folder = RunFolder(run)
    folder.open_request({"n_pictures": len(data.params), "is_from_scratch": before is None, **asdict(recipe)}, seed)
    shown = None if mask is None else mask.astype(np.float32) / np.float32(255)
    task = PersonRendererTask(data, recipe, seed, before, progress, shown)
    train(task, folder, LoopPlan(recipe.n_steps, LOG_STEPS, CHECKPOINT_STEPS, EVALUATE_STEPS, seed))
    facts = {"recipe": asdict(recipe), "held_out": dict(task.evaluate()), "is_from_scratch": before is None}
    light = [round(float(value), 2) for value in data.normal.light]
    save_mouth_renderer(run / "best", task.average.folded(torch.zeros(N_NUISANCES)), {**facts, "light": light})
    return run / "best"


def in_light_of(run: Path, rest: UInt8) -> Path:
    """The result of a finished run in the light of the face that the mouth is pasted on.

    Args:
        run: run folder of `train_person_renderer`.
        rest: (256, 256, 3) uint8 BGR, the face at rest.

    Returns:
        Folder of the mouth renderer.

    Raises:
        StudioError: the run is not finished, or a file is damaged.
    """
    median = load_mouth_renderer(run / "best")
    facts = json.loads((run / "best" / "picture.json").read_text(encoding="utf-8"))
    net = PersonRenderer(median, N_NUISANCES, facts["recipe"]["n_latents"])
    load_checkpoint(run / CHECKPOINT_NAME, {"average": net}, {})
    no_turn = np.zeros(3, np.float32)
    conditions = Normal(no_turn, np.array(facts["light"], np.float32)).nuisances(no_turn[None], light_of(rest)[None])
    save_mouth_renderer(run / "lit", net.folded(torch.from_numpy(conditions[0])), facts)
    return run / "lit"
