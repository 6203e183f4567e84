"""The mel spectrogram of training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avatar_app.studio.data.mel import linear_magnitudes, melspectrogram

pytestmark = pytest.mark.studio
GOLDEN = Path(__file__).parents[1] / "data" / "golden"


def test_melspectrogram_when_silent_then_lowest_value():
    assert np.all(melspectrogram(np.zeros(4000, dtype=np.float32)) == -4.0)


def test_melspectrogram_when_a_second_then_eighty_columns_and_one():
    assert melspectrogram(np.zeros(16000, dtype=np.float32)).shape == (80, 81)


def test_linear_magnitudes_when_tone_then_peak_in_its_bin():
    t = np.arange(16000) / 16000
    rows = linear_magnitudes(np.sin(2 * np.pi * 1000 * t).astype(np.float32))
    assert rows[40].argmax() == 50
