"""Features of frozen networks that ship inside Python packages: phoneme posteriors and speech embedding.

Both run on the CPU and download nothing. `hama` is in the extra `features`. `openwakeword` asks for an ONNX Runtime of
its own, so it is installed without its dependencies.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import MissingExtraError
from avatar_app.studio.data.features.feature import Rows, Samples, fitted, n_rows, padded

HOW_TO_INSTALL = "Install it with: pip install {}"
# Longer sounds are computed in pieces; attention over a minute or more costs memory.
PIECE_ROWS = 1000
OVERLAP_ROWS = 100


class Session(Protocol):
    """The part of ONNX Runtime's session that is used here; the session of hama has it too."""

    def run(
        self, output_names: Sequence[str] | None, feeds: Mapping[str, NDArray[np.generic]]
    ) -> Sequence[NDArray[np.float32]]:
        """Compute the named outputs."""
        ...


class PhonemeExtractor:
    """Log-posteriors of 191 phoneme tokens by the recognizer of the package `hama` (Apache-2.0).

    The last token is the blank of CTC. The posteriors are peaks: a phoneme shows in one or two rows, about 40 ms late.
    Probabilities below e^-16 count as e^-16.

    Args:
        session: the recognizer; the one of the package when None.

    Raises:
        MissingExtraError: the package is not installed, or has no library for this system.
    """

    rate_hz = 50.0
    width = 191
    PACKAGE = "hama"
    _HOP, _FLOOR = 320, -16.0

    def __init__(self, session: Session | None = None) -> None:
        self._session = session or _hama_session()

    def rows(self, samples: Samples) -> Rows:
        """(T, 191) float32 log-probabilities."""
        n = n_rows(len(samples), self.rate_hz)
        pieces = []
        for first in range(0, n, PIECE_ROWS):
            begin = max(0, first - OVERLAP_ROWS)
            wanted = min(n, first + PIECE_ROWS) - first
            end = first + wanted + OVERLAP_ROWS
            piece = padded(samples[begin * self._HOP : end * self._HOP], 0, (end - begin) * self._HOP)
            pieces.append(fitted(self._log_posteriors(piece)[first - begin :], wanted))
        return np.concatenate(pieces) if pieces else np.zeros((0, self.width), dtype=np.float32)

    def _log_posteriors(self, samples: Samples) -> Rows:
        feeds: dict[str, NDArray[np.generic]] = {
            "waveform": samples[None],
            "waveform_lengths": np.array([len(samples)], dtype=np.int64),
        }
        found = np.asarray(self._session.run(["log_probs"], feeds)[0][0], dtype=np.float32)
        return np.maximum(found, self._FLOOR)


class EmbeddingExtractor:
    """Google's speech embedding (Lin et al. 2020) as it ships in the package `openwakeword` (Apache-2.0).

    Each row sees 0.78 s of sound, centred on its instant.

    Args:
        mel: the network from samples to its mel columns; the one of the package when None.
        embedding: the network from mel columns to embeddings; the one of the package when None.

    Raises:
        MissingExtraError: the package or ONNX Runtime is not installed.
    """

    rate_hz = 25.0
    width = 96
    PACKAGE = "openwakeword"
    _HOP, _MEL_WINDOW, _N_COLUMNS, _STEP = 160, 512, 76, 4
    _BATCH = 64

    def __init__(self, mel: Session | None = None, embedding: Session | None = None) -> None:
        self._mel = mel or _openwakeword_session("melspectrogram.onnx")
        self._embedding = embedding or _openwakeword_session("embedding_model.onnx")

    def rows(self, samples: Samples) -> Rows:
        """(T, 96) float32."""
        n = n_rows(len(samples), self.rate_hz)
        if n == 0:
            return np.zeros((0, self.width), dtype=np.float32)
        row, window = self._STEP * self._HOP, (self._N_COLUMNS - 1) * self._HOP + self._MEL_WINDOW
        # The middle of the first window must be at half a row.
        whole = padded(samples, (window - row) // 2, (n - 1) * row + window)
        # The network expects 16-bit numbers, and its mel columns scaled as in its first implementation.
        columns = self._mel.run(None, {"input": (whole * 32767).round()[None].astype(np.float32)})[0]
        scaled = fitted(
            np.asarray(columns.reshape(-1, columns.shape[-1]) / 10 + 2, dtype=np.float32),
            (n - 1) * self._STEP + self._N_COLUMNS,
        )
        windows = np.stack([scaled[k * self._STEP :][: self._N_COLUMNS] for k in range(n)])[..., None]
        parts = [
            self._embedding.run(None, {"input_1": windows[k : k + self._BATCH]})[0].reshape(-1, self.width)
            for k in range(0, n, self._BATCH)
        ]
        return np.concatenate(parts).astype(np.float32)


def is_installed(package: str) -> bool:
    """Whether a package can be imported."""
    return importlib.util.find_spec(package) is not None


def _hama_session() -> Session:
    _need(PhonemeExtractor.PACKAGE, "The phoneme posteriors need")
    engine: Any = importlib.import_module("hama._engine")
    if not engine.available():
        raise MissingExtraError(
            "The package hama has no library for this system.", "Use another feature: mel, mfcc or embedding."
        )
    model: Any = importlib.import_module("hama.asr").ASRModel()
    session: Session = model.session
    return session


def _openwakeword_session(name: str) -> Session:
    _need(EmbeddingExtractor.PACKAGE, "The speech embedding needs")
    _need("onnxruntime", "The speech embedding needs")
    # The package imports scikit-learn and more; only its files are needed.
    spec = importlib.util.find_spec(EmbeddingExtractor.PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    file = next((f for f in (Path(d) / "resources" / "models" / name for d in folders) if f.is_file()), None)
    if file is None:
        raise MissingExtraError(
            f"The installed openwakeword has no {name}.", HOW_TO_INSTALL.format("--no-deps openwakeword==0.4.0")
        )
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session: Session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return session


def _need(package: str, what: str) -> None:
    if not is_installed(package):
        pinned = {"hama": "hama==1.7.0", "openwakeword": "--no-deps openwakeword==0.4.0"}.get(package, package)
        raise MissingExtraError(f"{what} the package {package}.", HOW_TO_INSTALL.format(pinned))
