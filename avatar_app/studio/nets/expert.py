"""Our own sync expert: does this sound belong to these five mouths?

SyncNet's idea (Chung and Zisserman, "Out of time", 2016) in the form of Wav2Lip's expert (arXiv 2008.10010): two
encoders, embeddings of length one without negative numbers, so that their cosine lies in 0..1. A fifth of its size,
for one identity and one light ask for less.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.mel_spec import MEL
from avatar_app.studio.nets.generator import ConvBlock, audio_encoder, residuals
from avatar_app.studio.nets.tensor_file import load_tensors, save_net

AUDIO_WIDTH = 16
N_EMBEDDING = 16 * AUDIO_WIDTH


class SyncExpert(nn.Module):
    """Embeds sound and mouths; their cosine says how well they belong together."""

    def __init__(self) -> None:
        super().__init__()
        self.video_encoder = nn.Sequential(
            ConvBlock(15, 32, 5, 2, 2),
            *(ConvBlock(32, 64, 3, 2, 1), *residuals(64, 1)),
            *(ConvBlock(64, 128, 3, 2, 1), *residuals(128, 1)),
            *(ConvBlock(128, 256, 3, 2, 1), *residuals(256, 1)),
            ConvBlock(256, N_EMBEDDING, (3, 6)),
            ConvBlock(N_EMBEDDING, N_EMBEDDING, 1),
        )
        self.audio_encoder = audio_encoder(AUDIO_WIDTH, has_residuals=True)
        # How sharply two cosines are told apart while it learns.
        self.log_scale = nn.Parameter(torch.tensor(2.5))

    def hear(self, mel: Tensor) -> Tensor:
        """(B, 1, 80, 16) float32 in -4..4 -> (B, 256), length 1, not negative."""
        return normalize(self.audio_encoder(mel).flatten(1), dim=1)

    def see(self, pictures: Tensor) -> Tensor:
        """(B, 15, 48, 96) float32 in 0..1, five lower halves, BGR -> (B, 256), length 1, not negative."""
        return normalize(self.video_encoder(pictures).flatten(1), dim=1)

    def forward(self, mel: Tensor, pictures: Tensor) -> Tensor:
        """The cosine of pairs, (B,) in 0..1."""
        return (self.hear(mel) * self.see(pictures)).sum(dim=1)


def save_expert(folder: Path, net: SyncExpert, facts: dict[str, object]) -> None:
    """Write `expert.safetensors` and `expert.json` (mel fingerprint, facts such as scores)."""
    save_net(folder, "expert", net, {"mel_fingerprint": MEL.fingerprint(), **facts})


def load_expert(folder: Path) -> SyncExpert:
    """Read what `save_expert` wrote; the network is frozen and in evaluation mode.

    Raises:
        StudioError: files are missing or damaged, or were trained on another mel spectrogram, or the expert did not
            learn to tell shifted from aligned.
    """
    try:
        about = json.loads((folder / "expert.json").read_text(encoding="utf-8"))
        if about["mel_fingerprint"] != MEL.fingerprint():
            raise StudioError(f"The expert in {folder} hears another mel spectrogram.", "Train it again.")
        if not about["may_judge"]:
            found = about["held_out"]["found_single_ratio"]
            raise StudioError(
                f"The expert in {folder} finds the shift of held-out pairs in {found:.0%} of all cases, which is not"
                " enough to judge.",
                "Train it longer, or on more clips.",
            )
        net = SyncExpert()
        net.load_state_dict(load_tensors(folder / "expert.safetensors")[0])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise StudioError(f"The expert in {folder} cannot be read: {error}.", "Train it again.") from error
    return net.eval().requires_grad_(requires_grad=False)
