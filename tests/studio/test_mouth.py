"""Phones to mouth curves."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_app.contracts.mouth import MOUTH_NAMES, N_MOUTH
from avatar_app.studio.mouth import JAW, PHONES, REST, Phone, curves_of, lip_opening_mm, phones_over_time

pytestmark = pytest.mark.studio


def test_curves_of_when_silent_then_the_mouth_is_at_rest():
    assert np.allclose(curves_of([Phone("sil", 0.0, 1.0)], 100), REST)


def test_curves_of_when_m_between_vowels_then_the_lips_seal_in_its_middle():
    phones = [Phone("aa", 0.0, 0.2), Phone("m", 0.2, 0.28), Phone("aa", 0.28, 0.5)]
    mouth = curves_of(phones, 50)
    assert mouth[10, JAW] > 0.7
    assert mouth[24, JAW] < 0.1
    assert mouth[24, MOUTH_NAMES.index("mouthPress")] > 0.35


def test_curves_of_when_diphthong_then_ends_round():
    mouth = curves_of([Phone("ow", 0.0, 0.3)], 30)
    pucker = MOUTH_NAMES.index("mouthPucker")
    assert mouth[-2, pucker] > mouth[5, pucker] + 0.2


def test_curves_of_when_rates_differ_then_same_instants():
    phones = [Phone("aa", 0.0, 0.2), Phone("s", 0.2, 0.4)]
    slow, fast = curves_of(phones, 10, hz=25), curves_of(phones, 30, hz=75)
    assert np.allclose(slow, fast[1::3], atol=1e-6)


def test_phones_over_time_when_unknown_or_unspoken_then_silence():
    phones = phones_over_time([Phone("p", 0.1, 0.2), Phone("?", 0.2, 0.3)], 40)
    assert PHONES[phones[15]] == "p"
    assert {PHONES[i] for i in phones[20:]} == {"sil"}


def test_lip_opening_when_jaw_opens_then_the_gap_grows(tmp_path):
    n = 400
    rng = np.random.default_rng(0)
    neutral = np.column_stack([rng.uniform(-0.2, 0.2, n), np.zeros(n), rng.uniform(-0.1, 0.1, n)])
    deltas = np.zeros((17, n, 3))
    deltas[JAW, neutral[:, 2] < 0, 2] = -0.2
    names = ["skin", "lips", "tongue"]
    np.savez(tmp_path / "rig.npz", neutral=neutral, deltas=deltas, label=np.ones(n), label_names=names)
    opening = lip_opening_mm(tmp_path / "rig.npz")
    assert opening.shape == (N_MOUTH,)
    assert opening[JAW] == pytest.approx(20.0)
    assert np.allclose(np.delete(opening, JAW), 0)
