"""Bad recordings are refused in one sentence, and bad pictures are left out, on Nova's face with painted changes."""

import cv2
import numpy as np
import pytest

from avatar_app.contracts.errors import StudioError
from avatar_app.live.mic.audio_file import read_audio
from avatar_app.settings.paths import demo_sample
from avatar_app.studio.enrol.person.checks import Flaw, advice, check_recording, flaws_of, usable
from avatar_app.studio.enrol.person.material import FaceTrack, Take
from avatar_app.studio.enrol.person.picture_measures import EYES, LIPS_INNER, LIPS_OUTER, joined, measure_pictures
from tests.fakes.nova_face import face, mirrored

PICTURE, LANDMARKS = face()
EYES_PX = float(np.linalg.norm(LANDMARKS[263] - LANDMARKS[33]))
N = 20
SPEECH = read_audio(demo_sample())[: 4 * 16_000]
LOWER_LIP = [17, 14, 87, 178, 88, 317, 402, 318, 324, 84, 181, 91, 314, 405, 321]


def same(picture, landmarks):
    return picture, landmarks


def painted(picture, outline_px, colour):
    changed = picture.copy()
    cv2.fillPoly(changed, [np.round(outline_px).astype(np.int32)], colour)
    return changed


def grown(ids, scale):
    points = LANDMARKS[list(ids), :2]
    return cv2.convexHull(((points - points.mean(axis=0)) * scale + points.mean(axis=0)).astype(np.float32))[:, 0]


def glasses(picture, landmarks):
    changed = picture.copy()
    for eye in EYES:
        x, y = np.round(LANDMARKS[list(eye), :2].mean(axis=0)).astype(int)
        cv2.ellipse(
            changed, (int(x), int(y)), (round(0.28 * EYES_PX), round(0.2 * EYES_PX)), 0, 0, 360, (22, 20, 20), -1
        )
    return changed, landmarks


def mask(picture, landmarks):
    """A mask from the nose to below the chin."""
    return painted(picture, LANDMARKS[[195, 116, 132, 172, 152, 397, 361, 345], :2], (200, 190, 170)), landmarks


def hand(picture, landmarks):
    skin = [int(v) for v in picture[tuple(LANDMARKS[50, 1::-1].astype(int))]]
    return painted(picture, grown(LIPS_OUTER, 2.0), skin), landmarks


def beard(picture, landmarks):
    """Hair from the nose down, over the lips."""
    rng = np.random.default_rng(0)
    covered = painted(np.zeros_like(picture), grown(LIPS_OUTER, 2.2), (255, 255, 255)) > 0
    hair = rng.integers(15, 60, picture.shape[:2], np.uint8)[..., None].repeat(3, axis=2)
    return np.where(covered, hair, picture), landmarks


def dark(picture, landmarks):
    return (picture * 0.25).astype(np.uint8), landmarks


def blurred(picture, landmarks):
    return cv2.blur(picture, (round(EYES_PX * 0.2), 1)), landmarks


def small(picture, landmarks):
    return cv2.resize(picture, None, fx=0.35, fy=0.35, interpolation=cv2.INTER_AREA), landmarks * np.float32(0.35)


def turned(yaw_deg, pitch_deg=0.0):
    """The landmarks of a turned head; the picture stays."""

    def change(picture, landmarks):
        yaw, pitch = np.radians([yaw_deg, pitch_deg])
        about_y = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
        about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
        middle = landmarks.mean(axis=0)
        return picture, ((landmarks - middle) @ (about_x @ about_y).T + middle).astype(np.float32)

    return change


def lost(picture, landmarks):
    return picture, np.full_like(landmarks, np.nan)


def talking(k, is_talking=True):
    """The face with painted lips, the lower of which goes down and up."""
    moved = LANDMARKS.copy()
    moved[LOWER_LIP, 1] += 0.12 * EYES_PX * (0.5 - 0.5 * np.cos(k)) * is_talking
    lips = painted(PICTURE, moved[list(LIPS_OUTER), :2], (95, 85, 165))
    return painted(lips, moved[list(LIPS_INNER), :2], (30, 20, 40)), moved


def measured(change=same, changed=range(N), n_faces=1, is_talking=True):
    """Measures of a recording, some pictures of which are changed."""
    shown = [(change if k in changed else same)(*talking(k, is_talking)) for k in range(N)]
    landmarks = np.stack([points for _, points in shown])
    counts = np.where(np.isfinite(landmarks[:, 0, 0]), [n_faces if k in changed else 1 for k in range(N)], 0)
    track = FaceTrack(landmarks, np.ones(N, np.float32), counts)
    pictures = np.stack([picture for picture, _ in shown])
    return measure_pictures(Take("a", pictures, SPEECH), track)


def refused(measures, sounds=(SPEECH,)):
    with pytest.raises(StudioError) as error:
        check_recording(measures, sounds, min_usable_s=0.5)
    return error.value.what


def test_recording_when_good_then_accepted_and_all_pictures_usable():
    measures = measured()
    check_recording(measures, [SPEECH], min_usable_s=0.5)
    assert usable(measures).all()
    assert advice(measures, [SPEECH]) == []


def test_recording_when_mirrored_selfie_then_accepted_without_a_word():
    measures = measured(lambda picture, landmarks: mirrored(picture, landmarks))
    check_recording(measures, [SPEECH], min_usable_s=0.5)
    assert usable(measures).all() and advice(measures, [SPEECH]) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lost, "No face was found"),
        (dark, "too dark"),
        (small, "too small: the eyes are 4[0-9] pixels apart, 55 are needed"),
        (turned(35), "turned to the side"),
        (turned(-35), "turned to the side"),
        (turned(0, 30), "turned up or down"),
        (glasses, "Dark glasses"),
        (mask, "a mask, a hand or a beard"),
        (hand, "a mask, a hand or a beard"),
        (beard, "a mask, a hand or a beard"),
    ],
)
def test_recording_when_bad_throughout_then_refused_in_one_sentence(change, sentence):
    changed = measured(change)
    with pytest.raises(StudioError, match=sentence):
        check_recording(changed, [SPEECH], min_usable_s=0.5)


def test_recording_when_two_faces_then_refused():
    assert refused(measured(n_faces=2)) == "The video shows more than one face."


def test_recording_when_photo_or_drawing_then_refused():
    assert "does not move, as in a photo or a drawing" in refused(measured(is_talking=False))


def test_recording_when_silent_then_refused():
    assert refused(measured(), [np.zeros(16_000, np.float32)]) == "The video has no audible sound."


def test_recording_when_little_is_usable_then_refused_with_the_most_frequent_reason():
    what = refused(measured(blurred, range(0, 9)))
    assert what == "Only 0.4 s of 0.8 s of the video can be used: in most of the rest the face is blurred."


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        (lost, Flaw.NO_FACE),
        (blurred, Flaw.BLURRED),
        (turned(20), Flaw.TURNED),
        (turned(0, 20), Flaw.TURNED),
        (hand, Flaw.COVERED),
    ],
)
def test_picture_when_bad_for_a_moment_then_left_out_for_its_reason_alone(change, flaw):
    bad = np.isin(np.arange(N), [3, 4, 11])
    found = flaws_of(measured(change, [3, 4, 11]))
    assert (found[flaw] == bad).all()
    assert (usable(measured(change, [3, 4, 11])) == ~bad).all()


def test_picture_when_a_second_face_passes_then_left_out():
    measures = measured(n_faces=2, changed=[5])
    assert np.flatnonzero(~usable(measures)).tolist() == [5]
    check_recording(measures, [SPEECH], min_usable_s=0.5)


def test_advice_when_light_comes_from_one_side_then_named():
    ramp = np.clip((np.arange(PICTURE.shape[1]) - LANDMARKS[1, 0]) / 40, -1, 1) * 0.35 + 0.65
    shaded = measured(lambda picture, landmarks: ((picture * ramp[None, :, None]).astype(np.uint8), landmarks))
    assert any("one side" in sentence for sentence in advice(shaded, [SPEECH]))


def test_advice_when_sound_is_clipped_then_named():
    assert any("distorts" in sentence for sentence in advice(measured(), [np.clip(SPEECH * 50, -1, 1)]))


def test_joined_when_two_takes_then_one_after_the_other():
    one, other = measured(), measured(lost)
    both = joined([one, other])
    assert np.isfinite(both.eyes_px).tolist() == [True] * N + [False] * N


def test_measures_when_lips_are_painted_then_contrast_is_their_colour_distance():
    grey = np.full_like(PICTURE, 128)
    lips = painted(painted(grey, LANDMARKS[list(LIPS_OUTER), :2], (60, 60, 60)), LANDMARKS[list(LIPS_INNER), :2], 0)
    measures = measured(lambda picture, landmarks: (lips, LANDMARKS))
    # Lightness of grey level 128 is 53.6, of 60 it is 25.3.
    assert measures.lips_contrast[0] == pytest.approx(28.3, abs=1.5)
