"""The mel of the live path equals the published one, for blocks of any size."""

from pathlib import Path

import librosa
import numpy as np
import pytest

from avatar_app.contracts.mel_spec import MEL
from avatar_app.contracts.packets import AudioBlock
from avatar_app.live.mel import MelStream, melspectrogram
from avatar_app.live.mel.columns import filter_bank

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "mel.npz"
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as data:
        return data["samples"].astype(np.float32), data["mel"]


def streamed(samples: np.ndarray, sizes) -> tuple[np.ndarray, list[int]]:
    """Columns of a stream fed in blocks of given sizes, in turn, and the numbers of the first of each batch."""
    stream, columns, firsts, start, turn = MelStream(), [], [], 0, 0
    while start < len(samples):
        size = sizes[turn % len(sizes)]
        found = stream.feed(AudioBlock(start * 62_500, start, samples[start : start + size]))
        if found is not None:
            columns.append(found.columns)
            firsts.append(found.index)
        start, turn = start + size, turn + 1
    return np.concatenate(columns, axis=1), firsts


def test_melspectrogram_when_compared_with_the_published_one_then_equal(golden):
    samples, mel = golden
    assert melspectrogram(samples).shape == mel.shape
    assert np.abs(melspectrogram(samples) - mel).max() < TOLERANCE


@pytest.mark.parametrize("sizes", [(160,), (1,), (199, 201), (441,), (4096,), (7, 1600, 33)], ids=str)
def test_stream_when_sound_comes_in_blocks_then_same_columns_each_once(golden, sizes):
    samples = golden[0][:16_000] if sizes == (1,) else golden[0]
    columns, firsts = streamed(samples, sizes)
    whole = melspectrogram(samples)
    # The last columns of a whole recording include silence after it, which a stream has not received yet.
    n = columns.shape[1]
    assert whole.shape[1] - n <= 3
    assert np.abs(columns - whole[:, :n]).max() < TOLERANCE
    assert firsts == sorted(set(firsts))


def test_stream_when_reset_then_starts_again(golden):
    samples = golden[0][:8_000]
    stream = MelStream()
    first = stream.feed(AudioBlock(0, 0, samples)).columns
    stream.reset()
    assert np.array_equal(stream.feed(AudioBlock(0, 0, samples)).columns, first)


def test_stream_when_columns_are_complete_then_they_carry_the_instant_of_their_centre(golden):
    found = MelStream().feed(AudioBlock(7_000_000_000, 0, golden[0][:4_000]))
    assert (found.index, found.t_capture_ns) == (0, 7_000_000_000)


def test_filters_when_compared_with_librosa_then_equal():
    theirs = librosa.filters.mel(sr=MEL.rate_hz, n_fft=MEL.n_fft, n_mels=MEL.n_mels, fmin=MEL.fmin_hz, fmax=MEL.fmax_hz)
    assert np.abs(filter_bank() - theirs).max() < 1e-7
