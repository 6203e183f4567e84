"""Mouth parameters read from landmarks, against the known parameters of rendered pictures."""

import numpy as np
import pytest

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.mouth import MOUTH_NAMES
from avatar_app.studio.enrol.person import mouth_map
from avatar_app.studio.enrol.person.mouth_features import FEATURE_NAMES, features_of
from avatar_app.studio.enrol.person.mouth_map import MouthMap, fit_map, published_map, reach_of
from avatar_app.studio.enrol.person.mouth_parameters import (
    fit_person,
    lip_gap_ratio,
    opening_mm,
    read_person,
    with_opening,
)
from avatar_app.studio.mouth import REST
from tests.fakes.rendered_mouths import mirrored_mouths, mouths

LEARN, TEST = mouths("learn"), mouths("test")
AHEAD = np.zeros((len(LEARN.params), 3), np.float32)
LIPS_CLOSED_MM = 2.0
BEST = ("jawOpen", "mouthPucker", "mouthFunnel")
VISIBLE = tuple(name for name in MOUTH_NAMES if not name.startswith("tongue") and name != "mouthClose")


def person(landmarks=LEARN.landmarks_px, **others):
    return fit_person([landmarks], [AHEAD], **others)


def correlations(read, known):
    return {
        name: np.corrcoef(read[:, k], known[:, k])[0, 1]
        for k, name in enumerate(MOUTH_NAMES)
        if np.ptp(known[:, k]) > 0.02 and np.ptp(read[:, k]) > 0
    }


def with_reach(landmarks, reach):
    """The same mouth moving less."""
    rest = np.median(landmarks[lip_gap_ratio(landmarks) < 0.01], axis=0)
    return (rest + reach * (landmarks - rest)).astype(np.float32)


def test_parameters_when_clip_is_held_out_then_as_known():
    read = person().parameters(TEST.landmarks_px)
    assert read.shape == (150, 14) and read.dtype == np.float32
    assert read.min() >= 0 and read.max() <= 1
    found = correlations(read, TEST.params)
    assert all(found[name] >= 0.9 for name in BEST), found
    assert all(found[name] >= 0.75 for name in VISIBLE if name in found), found
    assert np.corrcoef(opening_mm(read), opening_mm(TEST.params))[0, 1] > 0.98


def test_parameters_when_lips_close_then_opening_is_closed():
    read = person().parameters(TEST.landmarks_px)
    is_closed = lip_gap_ratio(TEST.landmarks_px) < 0.006
    assert is_closed.sum() > 20
    assert opening_mm(read)[is_closed].max() < LIPS_CLOSED_MM


def test_parameters_when_face_is_at_rest_then_rest():
    still = np.repeat(person().neutral_px[None], 5, axis=0)
    assert person().parameters(still) == pytest.approx(np.tile(REST, (5, 1)), abs=0.06)


def test_parameters_when_head_is_elsewhere_then_same():
    turn = np.array([[0.98, -0.199, 0], [0.199, 0.98, 0], [0, 0, 1]])
    elsewhere = TEST.landmarks_px @ turn.T * 2.5 + (100, -40, 0)
    assert person().parameters(elsewhere) == pytest.approx(person().parameters(TEST.landmarks_px), abs=0.02)


def test_parameters_when_selfie_is_mirrored_then_same():
    read = person(mirrored_mouths(LEARN.landmarks_px)).parameters(mirrored_mouths(TEST.landmarks_px))
    found = correlations(read, TEST.params)
    assert all(found[name] >= 0.9 for name in BEST), found
    assert np.abs(read - person().parameters(TEST.landmarks_px))[:, :11].mean() < 0.03


def test_parameters_when_reach_is_smaller_then_same_parameters():
    small = person(with_reach(LEARN.landmarks_px, 0.5))
    read = small.parameters(with_reach(TEST.landmarks_px, 0.5))
    whole = person().parameters(TEST.landmarks_px)
    assert np.corrcoef(read[:, 0], TEST.params[:, 0])[0, 1] > 0.9
    assert read[:, 0].std() == pytest.approx(whole[:, 0].std(), rel=0.2)


def test_parameters_when_faces_are_missing_then_between_their_neighbours():
    landmarks = TEST.landmarks_px.copy()
    landmarks[60:63] = np.nan
    read, whole = person().parameters(landmarks), person().parameters(TEST.landmarks_px)
    assert np.isfinite(read).all()
    far = np.r_[0:56, 67:150]
    assert read[far] == pytest.approx(whole[far], abs=1e-5)
    low, high = np.minimum(whole[59], whole[63]), np.maximum(whole[59], whole[63])
    assert (read[61] >= low - 0.1).all() and (read[61] <= high + 0.1).all()


def test_parameters_when_movement_is_symmetric_in_time_then_no_lag():
    forward = person().parameters(TEST.landmarks_px)
    backward = person().parameters(TEST.landmarks_px[::-1])[::-1]
    assert backward == pytest.approx(forward, abs=1e-5)


def test_parameters_when_no_face_then_error():
    with pytest.raises(StudioError, match="no face"):
        person().parameters(TEST.landmarks_px * np.nan)


def test_fit_when_head_is_turned_then_those_pictures_are_ignored():
    turned = LEARN.landmarks_px.copy()
    turned[:, :, :2] *= np.linspace(1.0, 3.0, 478)[:, None]
    poses = np.full_like(AHEAD, 20.0)
    both = fit_person([LEARN.landmarks_px, turned], [AHEAD, poses])
    assert both.neutral_px == pytest.approx(person().neutral_px, abs=1e-4)
    assert both.reach == pytest.approx(person().reach, rel=1e-3)


def test_fit_when_sound_is_known_then_movements_of_this_face_get_their_meaning():
    """On this face the lips get thicker where they get thinner on the rendered one."""

    def other(landmarks):
        changed = landmarks.astype(np.float64).copy()
        rest = np.median(changed[lip_gap_ratio(landmarks) < 0.01], axis=0)
        for inner, outer in ((13, 0), (14, 17), (81, 39), (311, 269), (178, 181), (402, 405)):
            change = (changed[:, outer] - changed[:, inner]) - (rest[outer] - rest[inner])
            changed[:, outer] -= 2 * change
        return changed

    seen = [other(LEARN.landmarks_px)] * 2
    without = fit_person(seen, [AHEAD] * 2).parameters(other(TEST.landmarks_px))
    with_sound = fit_person(seen, [AHEAD] * 2, [LEARN.params] * 2).parameters(other(TEST.landmarks_px))
    before, after = correlations(without, TEST.params), correlations(with_sound, TEST.params)
    names = [name for name in VISIBLE if name in before]
    assert np.mean([after[name] for name in names]) > np.mean([before[name] for name in names]) + 0.04
    assert np.corrcoef(opening_mm(with_sound), opening_mm(TEST.params))[0, 1] > 0.98


def test_fit_when_prediction_is_uncertain_then_movement_is_as_large_as_predicted():
    noise = np.random.default_rng(5).normal(0, 0.1, (2, *LEARN.params.shape))
    predicted = [(LEARN.params + part).astype(np.float32) for part in noise]
    found = fit_person([LEARN.landmarks_px] * 2, [AHEAD] * 2, predicted)
    stretch, spread = MOUTH_NAMES.index("mouthStretch"), np.concatenate(predicted).std(axis=0)
    assert found.gain[stretch] > 1.1
    assert found.gain.max() == pytest.approx(1.6)
    read = found.parameters(LEARN.landmarks_px)[:, stretch]
    assert read.std() > 0.8 * spread[stretch]


def test_opening_when_the_jaw_cannot_close_it_then_the_other_parameters_do():
    table = published_map()
    params = np.zeros((3, 14))
    params[:, MOUTH_NAMES.index("mouthFunnel")] = 0.5
    params[:, 0] = 0.2
    wanted = np.array([1.0, 10.0, 20.0])
    changed = with_opening(params, wanted, table.opening_mm)
    assert opening_mm(changed) == pytest.approx(wanted, abs=0.01)
    assert changed[0, 0] == 0 and changed[0, 3] < 0.2
    assert changed[2, 3] == 0.5 and changed[2, 0] > 0.2


def test_fit_when_sound_is_short_then_published_map():
    assert np.array_equal(person(predicted=[LEARN.params]).weight, published_map().weight)


def test_read_when_saved_then_same(tmp_path):
    person().save(tmp_path / "mouth.npz")
    read = read_person(tmp_path / "mouth.npz")
    assert np.array_equal(read.parameters(TEST.landmarks_px), person().parameters(TEST.landmarks_px))


def test_read_when_damaged_then_error(tmp_path):
    (tmp_path / "mouth.npz").write_bytes(b"PK damaged")
    with pytest.raises(StudioError, match=r"The mouth in .* cannot be read"):
        read_person(tmp_path / "mouth.npz")


def test_map_when_file_is_damaged_then_error(tmp_path, monkeypatch):
    file = tmp_path / "map.npz"
    with file.open("wb") as opened:
        np.savez(opened, weight=np.zeros(3, np.float32))
    monkeypatch.setattr(mouth_map, "FILE", file)
    published_map.cache_clear()
    with pytest.raises(StudioError, match="is damaged"):
        published_map()
    monkeypatch.undo()
    published_map.cache_clear()


def test_map_when_shapes_differ_then_value_error():
    table = published_map()
    with pytest.raises(ValueError, match="shapes"):
        MouthMap(table.centre[:-1], table.spread, table.weight, table.opening_mm, table.knots_mm)


def test_map_when_fitted_then_finds_a_quadratic_function():
    random = np.random.default_rng(3)
    ratios = random.normal(size=(600, len(FEATURE_NAMES)))
    known = np.zeros((600, 14), np.float32)
    known[:, 0], known[:, 3] = ratios[:, 0], ratios[:, 4] * ratios[:, 7]
    learned = fit_map(ratios, known, np.full(14, 10.0, np.float32), ridge=1e-4)
    assert (learned.design(ratios) @ learned.weight)[:, [0, 3]] == pytest.approx(known[:, [0, 3]], abs=0.1)
    assert (np.diff(learned.knots_mm) >= 0).all()


def test_reach_when_person_is_silent_for_long_then_unchanged():
    neutral = person().neutral_px
    features = features_of(LEARN.landmarks_px, neutral)
    long_silence = np.concatenate((np.repeat(features[:1], 600, axis=0), features))
    assert reach_of(long_silence) == pytest.approx(reach_of(features), rel=0.05)
