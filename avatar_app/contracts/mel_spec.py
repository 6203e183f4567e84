"""The constants of the mel spectrogram, and their fingerprint, which every model manifest holds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class MelSpec:
    """Constants of Wav2Lip's mel spectrogram (arXiv 2008.10010, published code's defaults)."""

    rate_hz: int = 16_000
    n_fft: int = 800
    hop_samples: int = 200
    window_samples: int = 800
    n_mels: int = 80
    fmin_hz: float = 55.0
    fmax_hz: float = 7600.0
    preemphasis: float = 0.97
    min_level_db: float = -100.0
    ref_level_db: float = 20.0
    max_abs_value: float = 4.0

    @property
    def columns_per_s(self) -> int:
        """Mel columns in a second."""
        return self.rate_hz // self.hop_samples

    @property
    def half_window_ms(self) -> float:
        """Sound that a column needs after its centre."""
        return 1000.0 * self.n_fft / 2 / self.rate_hz

    def fingerprint(self) -> str:
        """Sixteen hex digits that change with any constant."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


MEL = MelSpec()
