"""Scores of the generated mouth of a person."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from avatar_app.contracts.errors import StudioError
from avatar_app.live.frame import Avatar
from avatar_app.studio.enrol.mask import mouth_mask
from avatar_app.studio.metrics.live_path import HALF_TOP_PX
from avatar_app.studio.metrics.person_scores import LipOpening, PersonTests, score_person_renderer, score_pictures
from avatar_app.studio.metrics.scores import laplacian_variance, sharpness_ratio
from avatar_app.studio.metrics.seam import pasted, seam_ratio
from avatar_app.studio.nets.mouth_renderer import NOVA_BOX
from tests.studio.person_clips import person_clips

pytestmark = pytest.mark.studio

MASK = mouth_mask(256)


@pytest.fixture(scope="module")
def tests():
    return PersonTests.of_clips(person_clips(), Avatar.load("nova").reference, MASK)


def test_laplacian_variance_when_a_checkerboard_then_its_known_value():
    # Each pixel differs by 20 from its four neighbours: the Laplacian is +-80 inside, +-60 at edges, +-40 in corners.
    board = np.zeros((64, 64), np.uint8) + 20 * np.uint8(np.indices((64, 64)).sum(axis=0) % 2)
    picture = np.repeat(board[None, :, :, None], 3, axis=3)
    assert laplacian_variance(picture) == pytest.approx(80**2, rel=0.04)
    assert laplacian_variance(np.full((1, 8, 8, 3), 99, np.uint8)) == 0


def test_sharpness_ratio_when_blurred_then_below_one_and_when_equal_one():
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 256, (3, 40, 40, 3)).astype(np.uint8)
    soft = np.stack([cv2.GaussianBlur(picture, (0, 0), 1.0) for picture in sharp])
    assert sharpness_ratio(sharp, sharp) == 1
    assert sharpness_ratio(soft, sharp) < 0.1


def test_seam_when_the_mouth_is_the_true_one_then_one_and_when_it_is_brighter_by_the_tint_too():
    face = Avatar.load("nova").reference
    assert seam_ratio([pasted(face, face, MASK, face)], [face], MASK) == 1
    # The light of the face differs from that at rest: the tint moves the mouth with it.
    bright = np.clip(face.astype(np.int16) + 12, 0, 255).astype(np.uint8)
    assert seam_ratio([pasted(bright, face, MASK, face)], [bright], MASK) == pytest.approx(1, abs=0.02)
    # A mouth of another colour than the face at rest shows its edge.
    assert seam_ratio([pasted(face, bright, MASK, face)], [face], MASK) > 1.15


def test_opening_when_fitted_then_read_from_pictures_in_millimetres():
    clips = person_clips()
    opening = LipOpening.fit(clips[:2])
    mouths = np.ascontiguousarray(clips[3].pictures[:, 164:244, 80:176])
    assert np.corrcoef(opening.read_mm(mouths), opening.true_mm(clips[3]))[0, 1] > 0.95
    assert opening.true_mm(clips[3]).max() == pytest.approx(90 * (clips[3].gap.max() - opening.closed), rel=1e-4)
    assert LipOpening.fit([replace(clip, gap=np.zeros(0, np.float32)) for clip in clips]) is None


def test_scores_when_pictures_are_the_true_ones_then_perfect(tests):
    found = score_pictures([clip.pictures[:, HALF_TOP_PX:] for clip in tests.clips], tests)
    assert found["mouth_psnr_db"] > 70 and found["sharpness"] == 1
    assert found["opening_correlation"] > 0.95
    assert found["seam"] < 1.1
    assert found["closed_ratio"] == 1 and found["n_closings"] > 0


def test_scores_when_the_mouth_stays_closed_then_no_correlation_and_lower_psnr(tests):
    still = [np.repeat(tests.rest[None, HALF_TOP_PX:], len(clip.pictures), axis=0) for clip in tests.clips]
    found = score_pictures(still, tests)
    assert abs(found["opening_correlation"]) < 0.01 and found["mouth_psnr_db"] < 30


def test_scores_when_only_some_pictures_are_usable_then_the_others_do_not_count(tests):
    clip = tests.clips[0]
    use = np.arange(len(clip.pictures)) % 2 == 0
    halves = clip.pictures[:, HALF_TOP_PX:].copy()
    halves[~use] = 0
    found = score_pictures([halves], replace(tests, clips=[replace(clip, is_usable=use)]))
    assert found["mouth_psnr_db"] > 70


def test_renderer_scores_when_it_draws_the_truth_then_perfect(tests):
    clip, box = tests.clips[0], NOVA_BOX
    patches = clip.pictures[:, box.y : box.y + box.h, box.x : box.x + box.w]
    found = score_person_renderer(lambda params: patches[: len(params)], box, tests)
    assert found["mouth_psnr_db"] > 70 and found["sharpness"] == 1


def test_tests_when_no_clip_is_held_out_then_an_error_says_so():
    with pytest.raises(StudioError, match="no sentence to test on"):
        PersonTests.of_clips(person_clips()[:3], Avatar.load("nova").reference, MASK)
