"""The calibration set: speech on which the ranges of INT8 activations are measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.mel_spec import MEL
from avatar_app.live.mel import melspectrogram
from avatar_app.live.mic.audio_file import read_audio
from avatar_app.settings.schema import LOOKAHEADS_MS
from avatar_app.studio.data.speech_corpus import librispeech_recordings
from avatar_app.studio.export.graphs import TrainedStudent, features_of
from avatar_app.studio.export.running import Feed

N_VOICES = 32
WINDOWS_PER_VOICE = 6

Float32 = NDArray[np.float32]


def training_voices(data: Path, rng: np.random.Generator) -> Iterator[Float32]:
    """Sounds of a random choice of training voices.

    Args:
        data: folder that holds speech/.
        rng: source of randomness.

    Raises:
        StudioError: the voices are missing.
    """
    voices = [r for r in librispeech_recordings(data / "speech" / "librispeech") if r.split == "train"]
    for number in rng.choice(len(voices), min(N_VOICES, len(voices)), replace=False):
        yield read_audio(voices[number].file)


def calibration_feeds(
    trained: TrainedStudent,
    sounds: Iterable[Float32],
    face: Float32 | None,
    rng: np.random.Generator,
    n_windows: int = WINDOWS_PER_VOICE,
) -> list[Feed]:
    """Mel windows of sounds, evenly over the look-aheads, and one window of silence.

    Sounds no longer than a window are skipped.

    Args:
        trained: the student.
        sounds: speech, (n,) float32 at 16 kHz each.
        face: (1, 6, S, S) float32, for a student that takes a face; else None.
        rng: source of randomness.
        n_windows: of each sound.
    """
    features = features_of(trained, face)
    windows = [np.full((80, trained.n_mel_columns), -MEL.max_abs_value, np.float32)]
    for sound in sounds:
        mel = melspectrogram(sound)
        if mel.shape[1] <= trained.n_mel_columns:
            continue
        starts = rng.integers(0, mel.shape[1] - trained.n_mel_columns, n_windows)
        windows += [mel[:, start : start + trained.n_mel_columns] for start in starts]
    n_heads = len(trained.lookahead_ms)
    return [feed(window, k % n_heads, features, n_heads) for k, window in enumerate(windows)]


def feed(window: Float32, head: int, features: Feed, n_heads: int = len(LOOKAHEADS_MS)) -> Feed:
    """All inputs for one (80, W) mel window and the look-ahead number `head`; a graph uses those that it has."""
    one_hot = np.eye(n_heads, dtype=np.float32)[head : head + 1]
    return {"mel": np.ascontiguousarray(window, dtype=np.float32)[None, None], "lookahead": one_hot, **features}
