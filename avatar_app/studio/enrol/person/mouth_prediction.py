"""The mouth that a speech encoder predicts from sound, at the instants of pictures."""

from __future__ import annotations

import numpy as np
import torch

from avatar_app.contracts.mel_spec import MEL
from avatar_app.contracts.packets import LIVE_RATE_HZ, Float32
from avatar_app.settings.schema import LOOKAHEADS_MS
from avatar_app.studio.data.mel import melspectrogram
from avatar_app.studio.nets.speech_encoder import STEP_COLUMNS
from avatar_app.studio.train.speech_encoder_score import MouthPredictor

HEAD = int(np.argmax(LOOKAHEADS_MS))
LOOKAHEAD_S = LOOKAHEADS_MS[HEAD] / 1000


@torch.no_grad()
def predicted_parameters(net: MouthPredictor, samples: Float32, hz: float) -> Float32:
    """Predict with the longest look-ahead.

    Args:
        net: a speech encoder in evaluation mode.
        samples: (m,) float32 at 16 kHz.
        hz: predictions a second.

    Returns:
        (n, 14) float32 in 0..1, columns `MOUTH_NAMES`; row k is at (k + 0.5) / hz seconds.
    """
    before = np.zeros((net.window_columns - 1) * MEL.hop_samples, np.float32)
    after = np.zeros(round(2 * LOOKAHEAD_S * LIVE_RATE_HZ), np.float32)
    mel = torch.from_numpy(melspectrogram(np.concatenate([before, samples, after])))
    device = next(net.parameters()).device
    mouth = net(mel[None, None].to(device))[0, HEAD].clamp(0, 1).cpu().numpy()
    t_s = np.arange(mouth.shape[1]) * STEP_COLUMNS / MEL.columns_per_s - LOOKAHEAD_S
    wanted_s = (np.arange(round(len(samples) / LIVE_RATE_HZ * hz)) + 0.5) / hz
    return np.stack([np.interp(wanted_s, t_s, row) for row in mouth], axis=1).astype(np.float32)
