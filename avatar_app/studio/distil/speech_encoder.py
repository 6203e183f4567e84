"""Distils the ears of `nova-hd`: the network that hears learns from the pictures that its mouths become.

Parameters are not seen, pictures are: some hardly show, and the same error of one counts much more at closed lips than
at open ones. The network that draws has learned from true frames; here it is held still, and what it draws for the
mouth that was heard must look like what it draws for the true one (decision 0010).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from avatar_app.studio import arithmetic
from avatar_app.studio.data.speech_batches import Batch
from avatar_app.studio.mouth import N_MOUTH
from avatar_app.studio.nets.mouth_renderer import PictureNet, load_picture_net
from avatar_app.studio.nets.speech_encoder import SpeechNet, load_speech_net
from avatar_app.studio.train.command import add_machine_flags, carry_out
from avatar_app.studio.train.generator_decoder import sharp_l1
from avatar_app.studio.train.loop import LoopPlan, train
from avatar_app.studio.train.mouth_renderer import pixel_weight
from avatar_app.studio.train.run_folder import RunFolder, origin
from avatar_app.studio.train.speech_encoder import SpeechData, SpeechRecipe, SpeechTask, load_data, save_strengthened

CHECKPOINT_STEPS = 100
N_WEIGHT_MOUTHS = 200


@dataclass(frozen=True, slots=True)
class EarConfig:
    """How ears learn from pictures, beside the recipe that they were trained by.

    Attributes:
        n_pictures: of those that a batch could draw.
        pixel_share: weight of the pictures.
    """

    n_pictures: int = 48
    pixel_share: float = 4.0


class EarTask(SpeechTask):
    """`SpeechTask` with one more loss; for `loop.train`.

    Args:
        data: voices.
        recipe: of the batches and the other losses.
        config: of the pictures.
        ears: where to start.
        picture: draws; is not trained.
    """

    def __init__(
        self, data: SpeechData, recipe: SpeechRecipe, config: EarConfig, ears: SpeechNet, picture: PictureNet
    ) -> None:
        shape = ears.shape
        same = replace(recipe, width=shape.width, dilations=shape.dilations, dropout=shape.dropout)
        super().__init__(data, same, seed=0)
        self.net.load_state_dict(ears.state_dict())
        self.average.load_state_dict(ears.state_dict())
        self._config = config
        self._weight = _weight_of(picture, data).to(self._device)
        self._picture = picture.to(self._device).requires_grad_(requires_grad=False)

    def losses(self, mouth: Tensor, phones: Tensor, batch: Batch) -> dict[str, Tensor]:
        """As `SpeechTask.losses`, and what is seen."""
        parts = super().losses(mouth, phones, batch)
        said, true = (x.transpose(2, 3).reshape(-1, N_MOUTH) for x in (mouth, batch.mouth))
        chosen = torch.randint(len(said), (self._config.n_pictures,))
        with arithmetic.autocast(self._device):
            drawn = self._picture(said[chosen].clamp(0, 1).to(self._device)).float()
            with torch.no_grad():
                wanted = self._picture(true[chosen].to(self._device)).float()
        pixels = self._config.pixel_share * sharp_l1(drawn, wanted, self._weight).cpu()
        return {**parts, "loss": parts["loss"] + pixels, "pixels": pixels}


@torch.no_grad()
def _weight_of(picture: PictureNet, data: SpeechData) -> Tensor:
    """Which pixels of the drawn pictures move, mean 1."""
    mouths = torch.cat([torch.from_numpy(u.mouth) for u in data.held_out])
    drawn = picture(mouths[:: max(1, len(mouths) // N_WEIGHT_MOUTHS)]).clamp(0, 1)
    weight = pixel_weight((drawn * 255).byte().permute(0, 2, 3, 1).numpy())
    return weight / weight.mean()


def run(arguments: argparse.Namespace) -> None:
    """Distil to the end and write `best/`."""
    recipe = SpeechRecipe(n_steps=arguments.n_steps, peak_rate=arguments.peak_rate)
    config = EarConfig()
    folder = RunFolder(arguments.run)
    folder.open_request({"data": str(arguments.data), **asdict(recipe), **asdict(config)}, arguments.seed)
    data = load_data(arguments.data, arguments.voices or arguments.run / "voices")
    task = EarTask(data, recipe, config, load_speech_net(arguments.speech), load_picture_net(arguments.picture))
    plan = LoopPlan(recipe.n_steps, 50, CHECKPOINT_STEPS, evaluate_steps=500, seed=arguments.seed)
    train(task, folder, plan)
    learned = {**asdict(recipe), **asdict(config), "begun": origin(arguments.speech / "speech.json")}
    save_strengthened(arguments.run / "best", task, data, {"recipe": learned})


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio distil ears`."""
    parser = argparse.ArgumentParser(prog="avatar-app studio distil ears", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds speech/ and nova/")
    parser.add_argument("--run", type=Path, required=True, help="run folder; an unfinished run there continues")
    parser.add_argument("--speech", type=Path, required=True, help="`best` folder of `studio train speech`")
    parser.add_argument("--picture", type=Path, required=True, help="`best` folder of `studio train picture`")
    parser.add_argument("--voices", type=Path, help="where prepared sounds are kept (default: in the run folder)")
    parser.add_argument("--n-steps", type=int, default=800)
    parser.add_argument("--peak-rate", type=float, default=5e-4)
    parser.add_argument("--seed", type=int, default=0)
    add_machine_flags(parser)
    return carry_out(run, parser.parse_args(argv))
