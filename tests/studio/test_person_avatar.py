"""From takes and face crops to an avatar folder that the live path opens and renders."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from avatar_app.contracts.avatar_data import AvatarData, Consent
from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.mouth import Mouth, MouthShape, Patch, PatchBox, PatchPlace
from avatar_app.live.frame.picture_renderer import PictureAvatar
from avatar_app.studio.enrol.avatar import write_avatar
from avatar_app.studio.enrol.mask import mouth_mask
from avatar_app.studio.enrol.person import idle_sources
from avatar_app.studio.enrol.person.avatar import person_avatar_data, rest_crop
from avatar_app.studio.enrol.person.cut_out import CutOut, keep_background
from avatar_app.studio.enrol.person.idle_loop import make_loop, measure_loop
from avatar_app.studio.enrol.person.idle_material import Run
from avatar_app.studio.enrol.person.idle_plan import Step
from avatar_app.studio.enrol.person.idle_sources import plan_sources
from avatar_app.studio.enrol.person.mouth_mask import LEFT_JAW, person_mask_shape
from avatar_app.studio.enrol.person.portrait import cut_portrait
from tests.fakes.person_material import WALL_BGR, landmarks, material

CONSENT = Consent("Ada", "It is my own face.", "2026-11-30")
SIZE_PX = 128
BOX = PatchBox(32, 144, 192, 112)


def find_person(bgr: np.ndarray) -> np.ndarray:
    """Whatever is not as blue as the wall, blurred."""
    is_wall = (bgr[:, :, 0].astype(int) - bgr[:, :, 2]) > 80
    mask = cv2.morphologyEx((~is_wall).astype(np.uint8) * 255, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    return np.asarray(cv2.blur(mask, (5, 5)))


@pytest.fixture(scope="module")
def data() -> AvatarData:
    takes, neutral = material()
    return person_avatar_data(takes, neutral, CONSENT, title="Ada", find_person=find_person, size_px=SIZE_PX)


def test_avatar_data_when_made_then_consent_licence_and_a_whole_loop(data: AvatarData) -> None:
    assert (data.consent, data.title, data.fps) == (CONSENT, "Ada", 25)
    assert data.licence == "All rights reserved by the person"
    assert "Ada" in data.credit
    assert len(list(data.idle)) == len(data.crop_to_portrait) >= 100


def test_avatar_data_when_the_loop_is_measured_then_no_seam_and_no_jitter(data: AvatarData) -> None:
    assert data.quality["seam_ratio"] <= 1.5
    assert data.quality["crop_jitter_px"] < 0.3


def test_avatar_data_when_the_background_is_removed_then_the_wall_is_transparent_and_the_face_is_not(data) -> None:
    picture = next(iter(data.idle))
    assert picture[:20, :20, 3].max() == 0
    mouth = np.rint(data.crop_to_portrait[0] @ (128, 200, 1)).astype(int)
    assert picture[mouth[1], mouth[0], 3] == 255
    assert 0.2 < (picture[:, :, 3] > 127).mean() < 0.8


def test_avatar_data_when_the_crop_is_cut_from_the_portrait_then_the_mouth_stays_in_place(data: AvatarData) -> None:
    part = np.s_[170:236, 88:168]
    wanted = cv2.GaussianBlur(cv2.cvtColor(data.reference[part], cv2.COLOR_BGR2GRAY).astype(np.float32), (0, 0), 2)
    for picture, crop in list(zip(data.idle, data.crop_to_portrait, strict=True))[::7]:
        cut = cv2.warpAffine(picture[:, :, :3], crop, (256, 256), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        grey = cv2.GaussianBlur(cv2.cvtColor(cut[part], cv2.COLOR_BGR2GRAY).astype(np.float32), (0, 0), 2)
        assert np.abs(grey - wanted).mean() < 6


def test_avatar_data_when_written_then_it_opens_and_a_patch_changes_the_mouth_alone(data: AvatarData, tmp_path) -> None:
    write_avatar(data, tmp_path / "ada", ["nova-hd"])
    avatar = PictureAvatar.open(tmp_path / "ada")
    renderer = avatar.renderer()
    assert avatar.spec.consent == CONSENT
    assert sum(file.stat().st_size for file in tmp_path.rglob("*")) < 10_000_000
    patch = Patch(np.full((BOX.h, BOX.w, 3), 10, np.uint8), PatchPlace(BOX, 256))
    quiet = renderer.render(0)
    spoken = renderer.render(0, Mouth(0, 0, 0, MouthShape(patch), 1.0))
    change = np.abs(spoken.astype(int) - quiet).max(axis=2)
    mouth = np.rint(avatar.spec.crop_to_portrait[0] @ (128, 200, 1)).astype(int)
    assert change[mouth[1], mouth[0]] > 20
    assert change[: SIZE_PX // 3].max() == 0


def test_avatar_data_when_the_background_is_kept_then_opaque_and_as_filmed() -> None:
    takes, neutral = material(n=20)
    done: list[tuple[int, int]] = []
    data = person_avatar_data(
        takes,
        neutral,
        CONSENT,
        title="Ada",
        find_person=None,
        size_px=SIZE_PX,
        progress=lambda n_done, n_all: done.append((n_done, n_all)),
    )
    assert done == [(20, 20)]
    for picture in list(data.idle)[::40]:
        assert picture[:, :, 3].min() == 255
        assert np.abs(picture[:8, :8, :3].mean(axis=(0, 1)) - WALL_BGR).max() < 25


def test_cut_out_when_the_model_flickers_and_misses_the_face_then_alpha_does_not() -> None:
    [(take, crops)], _ = material(n=12)
    still = replace(take, pictures=np.repeat(take.pictures[:1], 12, axis=0))
    n_asked = 0

    def uncertain(bgr: np.ndarray) -> np.ndarray:
        nonlocal n_asked
        n_asked += 1
        mask = find_person(bgr)
        mask[48:80, 52:76] = 0
        return np.asarray(mask if n_asked % 2 else cv2.dilate(mask, np.ones((9, 9), np.uint8)))

    sources, _ = plan_sources([(still, crops)], find_person, SIZE_PX)
    portraits = np.stack([cut_portrait(still.pictures[0], sources.to_portrait[0], SIZE_PX)] * 6)
    alpha = CutOut([(still, crops)], sources, uncertain)(Run(0, 0, 6), portraits)[:, :, :, 3].astype(int)
    assert alpha[:, 52:76, 56:72].min() == 255
    # Without smoothing over time it is 19.
    assert np.abs(np.diff(alpha[1:-1], axis=0)).mean() < 10


def test_plan_sources_when_nothing_is_at_rest_then_what_to_record() -> None:
    [(take, crops)], _ = material(n=12)
    with pytest.raises(StudioError, match=r"no half second of silence.*ten seconds still"):
        plan_sources([(take, replace(crops, is_usable=np.zeros(12, bool)))], find_person, SIZE_PX)


def test_plan_sources_when_a_take_is_not_used_then_it_does_not_limit_the_portrait(monkeypatch) -> None:
    takes = material(n=12)[0]
    take, crops = takes[0]
    moved = crops.crop_to_picture + np.float32([[0, 0, 0], [0, 0, 20]])
    takes.append((take, replace(crops, crop_to_picture=moved)))
    alone = plan_sources(takes[:1], find_person, SIZE_PX)[0]
    monkeypatch.setattr(idle_sources, "plan_loop", lambda features: [Step((0, k)) for k in range(12)])
    both = plan_sources(takes, find_person, SIZE_PX)[0]
    assert both.to_portrait[0] == pytest.approx(alone.to_portrait[0])


def test_make_loop_when_one_take_is_darker_and_moved_then_light_and_place_are_equal() -> None:
    takes = material(n=16)[0] + material(n=16, dx=6)[0]
    take, crops = takes[1]
    darker = [(part * 0.85).astype(np.uint8) for part in (take.pictures, crops.frames)]
    takes[1] = (replace(take, pictures=darker[0]), replace(crops, frames=darker[1]))
    sources, steps = plan_sources(takes, find_person, SIZE_PX)
    assert {sources.runs[step.first[0]].take for step in steps} == {0, 1}
    loop = make_loop(takes, sources, steps, keep_background)
    light = np.array([picture[60:80, 56:72, :3].mean() for picture in loop])
    assert light.std() < 1.5
    assert measure_loop(loop)["seam_ratio"] < 1.5


def test_rest_crop_when_eyes_are_closed_in_the_first_pictures_then_a_later_one() -> None:
    [(take, crops)], _ = material(n=14)
    marks, frames = np.repeat(crops.landmarks_px[:1], 14, axis=0), np.full_like(crops.frames, 200)
    marks[:4, (159, 386)] = marks[:4, (145, 374)]
    frames[:4] = 0
    assert rest_crop([(take, replace(crops, landmarks_px=marks, frames=frames))]).max() == 200


def test_person_mask_shape_when_the_jaw_is_narrow_then_the_mask_ends_before_it() -> None:
    marks = landmarks().copy()
    marks[:, :2] = (marks[:, :2] - marks[:, :2].mean(axis=0)) * 0.8 + (128, 165)
    shape = person_mask_shape(marks)
    mask = mouth_mask(256, shape)
    for point in marks[list(LEFT_JAW[1:]), :2]:
        x, y = np.rint(point).astype(int)
        assert mask[min(y, 255), max(x, 0)] == 0
    assert mask[:144].max() == 0
    assert mask[200, 128] == 255


def test_person_mask_shape_when_the_mouth_is_beside_the_middle_then_the_mask_stays_in_the_patch() -> None:
    marks = landmarks() + np.float32([200, 0, 0])
    mask = mouth_mask(256, person_mask_shape(marks))
    assert mask[:, :32].max() == mask[:, 224:].max() == mask[255].max() == 0
