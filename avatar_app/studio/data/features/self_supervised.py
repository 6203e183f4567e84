"""Hidden states of a self-supervised speech model (HuBERT, wav2vec 2, WavLM) by the standard loader of `transformers`.

The model is a local folder or a name on the hub.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from avatar_app.contracts.errors import MissingExtraError, StudioError
from avatar_app.studio.data.features.feature import Rows, Samples, fitted, n_rows, padded
from avatar_app.studio.data.features.pretrained import HOW_TO_INSTALL, is_installed

PREFIX = "self-supervised:"
_HOP, _WINDOW = 320, 400


class SelfSupervisedExtractor:
    """Hidden states of one layer at 50 Hz.

    The convolutions in front of these models have a window of 400 samples and a hop of 320 (Baevski et al. 2020).

    Args:
        source: a local folder or a name on the hub; `#LAYER` at its end chooses a layer, else the last one.

    Raises:
        MissingExtraError: `transformers` is not installed.
        StudioError: the model cannot be loaded.
    """

    rate_hz = 50.0

    def __init__(self, source: str) -> None:
        name, _, layer = source.partition("#")
        self._layer = _layer_number(layer, source)
        if not is_installed("transformers"):
            raise MissingExtraError(
                "Self-supervised features need the package transformers.", HOW_TO_INSTALL.format("transformers")
            )
        transformers: Any = importlib.import_module("transformers")
        try:
            self._model: Any = transformers.AutoModel.from_pretrained(name).eval()
            self._is_normalized = bool(
                transformers.AutoFeatureExtractor.from_pretrained(name).to_dict().get("do_normalize", False)
            )
            n_layers = int(self._model.config.num_hidden_layers)
        except (OSError, ValueError, KeyError, AttributeError) as error:
            first = str(error).strip().split("\n")[0]
            raise StudioError(
                f"The speech model {name} cannot be loaded: {first}.",
                "Name a folder or hub model of HuBERT, wav2vec 2 or WavLM.",
            ) from error
        if self._layer > n_layers:
            raise StudioError(f"The speech model {name} has {n_layers} layers.", f"Choose #0 to #{n_layers}.")
        self.width = int(self._model.config.hidden_size)

    def rows(self, samples: Samples) -> Rows:
        """(T, hidden size) float32."""
        import torch

        n = n_rows(len(samples), self.rate_hz)
        if n == 0:
            return np.zeros((0, self.width), dtype=np.float32)
        sound = samples
        if self._is_normalized:
            sound = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
        whole = padded(np.asarray(sound, dtype=np.float32), (_WINDOW - _HOP) // 2, (n - 1) * _HOP + _WINDOW)
        with torch.no_grad():
            states = self._model(torch.from_numpy(whole)[None], output_hidden_states=True).hidden_states
        return fitted(np.asarray(states[self._layer][0].float().numpy(), dtype=np.float32), n)


def _layer_number(text: str, source: str) -> int:
    if not text:
        return -1
    if not text.isdigit():
        raise StudioError(f"The layer in {source} is not a number.", "Write it as FOLDER#9.")
    return int(text)
