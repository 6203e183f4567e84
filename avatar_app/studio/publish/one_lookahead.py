"""A generator of the Wav2Lip family as a model of the live program: one look-ahead, any identity's face."""

from __future__ import annotations

import torch
from torch import Tensor

from avatar_app.contracts.student_spec import PatchBox
from avatar_app.studio.nets.generator import Generator
from avatar_app.studio.nets.lower_half import DrawsLowerHalf
from avatar_app.studio.nets.nova96 import FaceGraph
from avatar_app.studio.nets.teacher import TEACHER_LOOKAHEAD_MS
from avatar_app.studio.publish.graphs import Source

N_MEL_COLUMNS = 16


class OneLookahead(DrawsLowerHalf):
    """The whole generator as published, of which a live step runs what depends on sound and is seen.

    Args:
        net: whose modules these are.
    """

    def __init__(self, net: Generator) -> None:
        super().__init__(net)
        self.audio_encoder = net.audio_encoder

    def forward(self, mel: Tensor, lookahead: Tensor, *features: Tensor) -> Tensor:
        """The graph of one frame.

        Args:
            mel: (1, 1, 80, 16) float32 in -4..4, newest column 160 ms after the picture.
            lookahead: (1, 1) float32: one-hot, of a single one.
            *features: of the face, from `FaceGraph`.

        Returns:
            (1, 3, S / 2, S) float32 in 0..1, BGR: the lower half.
        """
        return self.draw(self.audio_encoder(mel) * lookahead[:, :, None, None], features)


def source_of(
    net: Generator, model_id: str, title: str, architecture: str, *, avatar_id: str, licence: str, trained_on: str
) -> Source:
    """A generator with the published alignment, ready to be exported.

    Args:
        net: in evaluation mode.
        model_id: name of the model folder.
        title: what a chooser shows.
        architecture: in words.
        avatar_id: whose face it is shown.
        licence: of the weights.
        trained_on: what the weights were learned from.
    """
    size_px = net.shape.size_px
    live = OneLookahead(net).eval()
    return Source(
        id=model_id,
        title=title,
        architecture=architecture,
        net=live,
        face=FaceGraph(live).eval(),
        size_px=size_px,
        n_mel_columns=N_MEL_COLUMNS,
        box=PatchBox(0, size_px // 2, size_px, size_px // 2),
        stays_float=(),
        lookahead_ms=(TEACHER_LOOKAHEAD_MS,),
        avatar_id=avatar_id,
        licence=licence,
        trained_on=(trained_on,),
    )


@torch.no_grad()
def example_windows(n: int, seed: int = 0) -> list[Tensor]:
    """(80, 16) mel windows of different loudness, the first one silent."""
    rng = torch.Generator().manual_seed(seed)
    loud = [torch.rand(80, N_MEL_COLUMNS, generator=rng) * 8 * k / max(1, n - 1) - 4 for k in range(n)]
    return [window.contiguous() for window in loud]
