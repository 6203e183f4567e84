import numpy as np
import pytest

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.metrics.landmarks import PX_PER_UNIT, LipReader, Lips, distance_px
from avatar_app.studio.metrics.scores import jitter
from tests.fakes.data_folder import write_rig


@pytest.fixture
def rig(tmp_path):
    return write_rig(tmp_path)


def test_lips_when_the_jaw_opens_then_only_the_lower_landmarks_move_down(rig):
    lips = Lips.of_rig(rig)
    shut, wide = lips.at(np.eye(14, dtype=np.float32)[:1] * 0)[0], lips.at(np.eye(14, dtype=np.float32)[:1])[0]
    assert shut.shape == (22, 2)
    moved = wide - shut
    assert np.allclose(moved[:, 0], 0, atol=1e-3)
    assert set(np.round(moved[:, 1], 1)) == {0.0, round(0.1 * PX_PER_UNIT, 1)}
    upper, lower = wide[12::2], wide[13::2]
    assert (lower[:, 1] - upper[:, 1]).min() > 10


def test_lips_when_at_rest_then_at_their_place_in_the_picture(rig):
    """Corners 72 px apart around the centre, as in the picture of Nova at rest."""
    shut = Lips.of_rig(rig).rest_px
    assert np.ptp(shut[:12, 0]) == pytest.approx(72, abs=1)
    assert shut[:12].mean(axis=0) == pytest.approx([128, 203], abs=2)


def test_reader_when_fitted_then_finds_the_edge_and_a_shift_of_two_is_a_distance_of_two():
    rng = np.random.default_rng(0)

    def pictures(n):
        edge = rng.uniform(20, 50, n)
        rows = np.arange(80)[None, :, None, None]
        pictured = np.broadcast_to(255 / (1 + np.exp((rows - edge[:, None, None, None]) / 3)), (n, 80, 96, 3))
        places = np.zeros((n, 22, 2))
        places[:, :, 1] = edge[:, None]
        return pictured.astype(np.uint8), places

    reader = LipReader.fit(*pictures(300))
    pictured, places = pictures(40)
    assert distance_px(reader.read(pictured), places) < 0.5
    assert distance_px(reader.read(pictured), places + np.array([0, 2])) == pytest.approx(2, abs=0.5)


def test_lips_when_the_head_is_missing_then_one_sentence(tmp_path):
    with pytest.raises(StudioError, match="cannot be read"):
        Lips.of_rig(tmp_path / "none.npz")


def test_jitter_when_the_error_is_constant_then_zero_and_else_its_second_difference():
    expected = np.zeros((6, 8, 8, 3), np.uint8)
    steady = expected + 30
    alternating = expected.copy()
    alternating[::2] += 10
    assert jitter(steady, expected) == 0
    assert jitter(alternating, expected) == pytest.approx(20)
    assert jitter(expected[:2], expected[:2]) == 0
