"""Distils the speech encoder of `nova-hd` through the mouth renderer, with a loss on pictures.

Errors of parameters are not equally visible: some parameters hardly change the picture, and the same error is more
visible with closed lips than with open ones. The mouth renderer, trained on rendered clips, is frozen; its picture of
the predicted mouth must equal its picture of the ground-truth mouth (decision 0010).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from avatar_app.contracts.mouth import N_MOUTH
from avatar_app.studio import arithmetic
from avatar_app.studio.data.speech_batches import Batch
from avatar_app.studio.nets.mouth_renderer import MouthRenderer, load_mouth_renderer
from avatar_app.studio.nets.speech_encoder import SpeechEncoder, load_speech_encoder
from avatar_app.studio.provenance import origin
from avatar_app.studio.train.command import add_machine_flags, carry_out
from avatar_app.studio.train.generator_decoder import sharp_l1
from avatar_app.studio.train.loop import LoopPlan, train
from avatar_app.studio.train.mouth_renderer import pixel_weight
from avatar_app.studio.train.run_folder import RunFolder
from avatar_app.studio.train.soft_targets import add_flags, facts_of, plan_of
from avatar_app.studio.train.speech_encoder import SpeechData, SpeechRecipe, SpeechTask, load_data, save_calibrated

CHECKPOINT_STEPS = 100
N_WEIGHT_MOUTHS = 200


@dataclass(frozen=True, slots=True)
class DistilConfig:
    """Hyper-parameters of the picture loss.

    Attributes:
        n_pictures: random mouths of a batch that are rendered.
        pixel_weight: loss weight of the pictures.
    """

    n_pictures: int = 48
    pixel_weight: float = 4.0


class DistilTask(SpeechTask):
    """`SpeechTask` with a loss on pictures; for `loop.train`.

    Args:
        data: voices.
        recipe: of the batches and the other losses.
        config: of the picture loss.
        encoder: the initial speech encoder.
        renderer: the frozen mouth renderer.
    """

    def __init__(
        self,
        data: SpeechData,
        recipe: SpeechRecipe,
        config: DistilConfig,
        encoder: SpeechEncoder,
        renderer: MouthRenderer,
    ) -> None:
        shape = encoder.shape
        same = replace(recipe, width=shape.width, dilations=shape.dilations, dropout=shape.dropout)
        super().__init__(data, same, seed=0, begin=encoder)
        self._config = config
        self._weight = _weight_of(renderer, data).to(self._device)
        self._renderer = renderer.to(self._device).requires_grad_(requires_grad=False)

    def losses(self, mouth: Tensor, phones: Tensor, batch: Batch) -> dict[str, Tensor]:
        """As `SpeechTask.losses`, with the picture loss."""
        parts = super().losses(mouth, phones, batch)
        predicted, ground_truth = (x.transpose(2, 3).reshape(-1, N_MOUTH) for x in (mouth, batch.mouth))
        chosen = torch.randint(len(predicted), (self._config.n_pictures,))
        with arithmetic.autocast(self._device):
            pictures = self._renderer(predicted[chosen].clamp(0, 1).to(self._device)).float()
            with torch.no_grad():
                targets = self._renderer(ground_truth[chosen].to(self._device)).float()
        pixels = self._config.pixel_weight * sharp_l1(pictures, targets, self._weight).cpu()
        return {**parts, "loss": parts["loss"] + pixels, "pixels": pixels}


@torch.no_grad()
def _weight_of(renderer: MouthRenderer, data: SpeechData) -> Tensor:
    """Loss weight of each pixel, mean 1."""
    mouths = torch.cat([torch.from_numpy(u.mouth) for u in data.held_out])
    pictures = renderer(mouths[:: max(1, len(mouths) // N_WEIGHT_MOUTHS)]).clamp(0, 1)
    weight = pixel_weight((pictures * 255).byte().permute(0, 2, 3, 1).numpy())
    return weight / weight.mean()


def run(arguments: argparse.Namespace) -> None:
    """Distil to the end and write `best/`."""
    recipe = SpeechRecipe(
        n_steps=arguments.n_steps,
        peak_rate=arguments.peak_rate,
        synthetic_ratio=arguments.synthetic_ratio,
        correlation_weight=arguments.correlation_weight,
    )
    config, targets = DistilConfig(), plan_of(arguments)
    folder = RunFolder(arguments.run)
    folder.open_request(
        {"data": str(arguments.data), **asdict(recipe), **asdict(config), **facts_of(targets)}, arguments.seed
    )
    data = load_data(arguments.data, arguments.voices or arguments.run / "voices", targets)
    task = DistilTask(
        data,
        recipe,
        config,
        load_speech_encoder(arguments.speech_encoder),
        load_mouth_renderer(arguments.mouth_renderer),
    )
    plan = LoopPlan(recipe.n_steps, 50, CHECKPOINT_STEPS, evaluate_steps=500, seed=arguments.seed)
    train(task, folder, plan)
    started_from = origin(arguments.speech_encoder / "speech.json")
    facts: dict[str, object] = {
        "recipe": {**asdict(recipe), **asdict(config), **facts_of(targets), "started_from": started_from}
    }
    save_calibrated(arguments.run / "best", task, data, facts)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio distil speech-encoder`."""
    parser = argparse.ArgumentParser(prog="avatar-app studio distil speech-encoder", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds speech/ and nova/")
    parser.add_argument("--run", type=Path, required=True, help="run folder; an unfinished run there continues")
    parser.add_argument(
        "--speech-encoder", type=Path, required=True, help="`best` folder of `studio train speech-encoder`"
    )
    parser.add_argument(
        "--mouth-renderer", type=Path, required=True, help="`best` folder of `studio train mouth-renderer`"
    )
    parser.add_argument("--voices", type=Path, help="where prepared sounds are kept (default: in the run folder)")
    parser.add_argument("--n-steps", type=int, default=800)
    parser.add_argument("--peak-rate", type=float, default=5e-4)
    defaults = SpeechRecipe()
    parser.add_argument("--synthetic-ratio", type=float, default=defaults.synthetic_ratio)
    parser.add_argument("--correlation-weight", type=float, default=defaults.correlation_weight)
    parser.add_argument("--seed", type=int, default=0)
    add_flags(parser)
    add_machine_flags(parser)
    return carry_out(run, parser.parse_args(argv))
