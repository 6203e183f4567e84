"""Makes `assets/sounds/demo.flac`, the sound to use without a microphone.

Two utterances of LJ Speech (public domain), a held-out speaker. Each is trimmed and followed by a short pause, so that
the sample can be played in a loop.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from avatar_app.contracts.packets import LIVE_RATE_HZ
from avatar_app.live.mic.audio_file import read_audio

UTTERANCES = ("LJ001-0001", "LJ001-0002")
REST_S = 0.6
LOUDNESS_DB = -20.0
# Relative to the peak: silence before and after an utterance is below this.
SILENCE_RATIO = 0.02
MARGIN_S = 0.05

Float32 = NDArray[np.float32]


def demo_sample(ljspeech: Path) -> Float32:
    """(n,) float32 at 16 kHz.

    Raises:
        AudioInputError: an utterance is missing.
    """
    rest = np.zeros(int(REST_S * LIVE_RATE_HZ), np.float32)
    spoken = [_trimmed(read_audio(ljspeech / f"ljspeech_F_{name}.flac")) for name in UTTERANCES]
    loudness = np.sqrt(np.mean(np.concatenate(spoken) ** 2))
    sound = np.concatenate([part for utterance in spoken for part in (utterance, rest)])
    return np.asarray(sound * (10 ** (LOUDNESS_DB / 20) / loudness), dtype=np.float32)


def _trimmed(samples: Float32) -> Float32:
    loud = np.flatnonzero(np.abs(samples) > SILENCE_RATIO * np.abs(samples).max())
    margin = int(MARGIN_S * LIVE_RATE_HZ)
    return samples[max(0, loud[0] - margin) : loud[-1] + margin]


def main(argv: Sequence[str] | None = None) -> int:
    """Write the sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds speech/ljspeech/")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    sound = demo_sample(arguments.data / "speech" / "ljspeech")
    soundfile.write(arguments.out, np.clip(sound, -1, 1), LIVE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return 0


if __name__ == "__main__":
    sys.exit(main())
