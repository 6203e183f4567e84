"""Head turns of a person, on Nova's first idle pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from avatar_app.contracts.avatar_data import Consent
from avatar_app.contracts.head_pose import AvatarPose
from avatar_app.contracts.mouth import Mouth, MouthShape, Patch, PatchBox, PatchPlace
from avatar_app.live.frame.posed_renderer import PosedAvatar
from avatar_app.live.webcam.face import LEFT, RIGHT
from avatar_app.studio.enrol.avatar import write_avatar
from avatar_app.studio.enrol.person.avatar import person_avatar_data
from avatar_app.studio.enrol.person.head_surface import HeadSurface
from avatar_app.studio.enrol.person.head_turn import write_head_turn
from avatar_app.studio.enrol.person.idle_loop import IdleLoop
from tests.fakes.nova_face import SIZE_PX as FACE_PX
from tests.fakes.person_material import landmarks, material
from tests.studio.test_person_avatar import find_person

SIZE_PX = 256
NOSE, CHEST = 1, (128, 250)


@pytest.fixture(scope="module")
def surface() -> HeadSurface:
    return HeadSurface(landmarks().astype(np.float64) * (SIZE_PX / FACE_PX), SIZE_PX)


@pytest.fixture(scope="module")
def avatar(tmp_path_factory) -> PosedAvatar:
    """Its eyes are closed in picture 3, by a grey bar, and half closed in the picture before."""
    [(take, crops)], neutral = material(n=14, size_px=SIZE_PX)
    marks, frames = crops.landmarks_px.copy(), crops.frames.copy()
    for k, share in ((2, 0.5), (3, 1.0)):
        for eye in (LEFT, RIGHT):
            gap = marks[k, eye.lower_lid].mean(axis=0) - marks[k, eye.upper_lid].mean(axis=0)
            marks[k, eye.upper_lid] += share * gap
            x, y = np.rint(marks[k, eye.iris, :2]).astype(int)
            frames[k, y - 4 : y + 4, x - 12 : x + 12] = 60
    pose = crops.pose_deg.copy()
    pose[:, 0] = np.linspace(-6, 6, 14)
    takes = [(take, replace(crops, landmarks_px=marks, frames=frames, pose_deg=pose))]
    consent = Consent("Ada", "It is my own face.", "2026-11-30")
    data = person_avatar_data(takes, neutral, consent, title="Ada", find_person=find_person, size_px=SIZE_PX)
    folder = tmp_path_factory.mktemp("avatars") / "ada"
    write_avatar(data, folder, ["nova-hd"])
    assert isinstance(data.idle, IdleLoop)
    assert write_head_turn(folder, data.idle, takes, neutral)
    return PosedAvatar.open(folder)


def shown(avatar: PosedAvatar, mouth: Mouth | None = None, **pose: float) -> np.ndarray:
    return avatar.renderer(turns_head=True).render(0, mouth, AvatarPose(weight=1.0, **pose)).astype(int)


def test_surface_when_the_head_turns_right_then_the_nose_moves_right_and_more_than_the_ear(surface) -> None:
    marks = landmarks()[:, :2].astype(np.float64) * (SIZE_PX / FACE_PX)
    points = marks[[NOSE, 234]][None]
    moved = (surface.turned(points, 5, 0) - points)[0]
    assert moved[0, 0] > 2
    assert abs(moved[1, 0]) < 0.5 * moved[0, 0]
    assert (surface.turned(points, 0, 5) - points)[0, 0, 1] > 2


def test_surface_when_inverted_then_the_same_points(surface) -> None:
    points = np.dstack(np.meshgrid(np.arange(20.0, 240, 9), np.arange(20.0, 240, 9)))
    assert surface.turned(surface.at_rest(points, 6, -4), 6, -4) == pytest.approx(points, abs=0.05)


def test_surface_when_a_point_is_on_the_chest_then_still(surface) -> None:
    point = np.array([[CHEST]], np.float64)
    assert surface.turned(point, 10, 7) == pytest.approx(point)


def test_surface_when_velocity_is_measured_then_the_change_per_degree(surface) -> None:
    point = landmarks()[[NOSE], :2].astype(np.float64)[None] * (SIZE_PX / FACE_PX)
    step = surface.turned(point, 3, 0) - surface.turned(point, 2, 0)
    assert surface.velocity(point, 2.5, 0)[0, 0, :2] == pytest.approx(step[0, 0], abs=0.01)


def test_head_turn_when_the_video_shows_six_degrees_then_the_grid_does(avatar: PosedAvatar) -> None:
    yaws, pitches = avatar.poses().yaws, avatar.poses().pitches
    assert yaws[-1] == pytest.approx(6, abs=0.3)
    assert pitches[-1] == 3


def test_head_turn_when_at_rest_then_as_the_idle_pictures(avatar: PosedAvatar) -> None:
    plain = avatar.renderer().render(0).astype(int)
    inside = shown(avatar)[:, :, 3] == 255
    assert np.abs(shown(avatar) - plain)[inside][:, :3].mean() < 6


def test_head_turn_when_turned_then_the_face_moves_and_the_chest_does_not(avatar: PosedAvatar) -> None:
    left, right = shown(avatar, yaw_deg=-6), shown(avatar, yaw_deg=6)
    assert np.abs(right - left)[SIZE_PX // 4 : SIZE_PX // 2].mean() > 2
    assert np.abs(right - left)[-6:].max() <= 3


def test_head_turn_when_eyes_close_then_the_lids_of_the_blink_show(avatar: PosedAvatar) -> None:
    marks = avatar.poses().eyes
    change = np.abs(shown(avatar, blink_left=1.0, blink_right=1.0) - shown(avatar)).max(axis=2)
    assert marks.mask.max() == 255
    assert change.max() > 40
    assert change[int(0.65 * SIZE_PX) :].max() <= 3


def test_head_turn_when_there_is_a_mouth_then_it_turns_with_the_head(avatar: PosedAvatar) -> None:
    box = PatchBox(32, 144, 192, 112)
    pixels = np.zeros((box.h, box.w, 3), np.uint8)
    mouth = Mouth(0, 0, 0, MouthShape(Patch(pixels, PatchPlace(box, 256))), 1.0)

    def middle(yaw_deg: float) -> float:
        picture = shown(avatar, mouth, yaw_deg=yaw_deg)
        dark = (picture[:, :, :3].max(axis=2) < 15) & (picture[:, :, 3] == 255)
        return float(np.nonzero(dark)[1].mean())

    assert middle(5.0) - middle(-5.0) > 4


def test_head_turn_when_between_two_pictures_of_the_grid_then_the_nearer_one_moves_on(avatar: PosedAvatar) -> None:
    # So near to a picture of the grid, the renderer uses it alone.
    step = float(np.diff(avatar.poses().yaws)[0])
    nose = np.s_[135:150, 110:146, :3]
    on_it, beyond, next_one = (shown(avatar, yaw_deg=share * step)[nose] for share in (1.0, 1.2, 2.0))
    moved, whole = np.abs(beyond - on_it).mean(), np.abs(next_one - on_it).mean()
    assert 0.1 * whole < moved < 0.5 * whole


def test_head_turn_when_the_video_shows_no_blink_then_the_eyes_stay_open(tmp_path) -> None:
    takes, neutral = material(n=12, size_px=SIZE_PX)
    consent = Consent("Ada", "It is my own face.", "2026-11-30")
    data = person_avatar_data(takes, neutral, consent, title="Ada", find_person=find_person, size_px=SIZE_PX)
    write_avatar(data, tmp_path / "ada", ["nova-hd"])
    assert isinstance(data.idle, IdleLoop)
    assert write_head_turn(tmp_path / "ada", data.idle, takes, neutral)
    avatar = PosedAvatar.open(tmp_path / "ada")
    assert np.abs(shown(avatar, blink_left=1.0, blink_right=1.0) - shown(avatar)).max() <= 2


def test_head_turn_when_nothing_is_beside_the_head_then_not_written(tmp_path) -> None:
    takes, neutral = material(n=14, size_px=SIZE_PX)
    consent = Consent("Ada", "It is my own face.", "2026-11-30")
    data = person_avatar_data(takes, neutral, consent, title="Ada", find_person=None, size_px=SIZE_PX)
    assert isinstance(data.idle, IdleLoop)
    assert not write_head_turn(tmp_path, data.idle, takes, neutral)
    assert not list(tmp_path.iterdir())
