"""Nova's turned head against held-out pictures, against geometry, and against the requested pose."""

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from avatar_app.contracts.errors import AvatarError
from avatar_app.contracts.head_pose import AvatarPose
from avatar_app.contracts.mouth import PatchBox, PatchPlace
from avatar_app.live.frame import Avatar, Background, PoseAssets, PosedRenderer
from avatar_app.live.frame.pose_field import PoseField, corners
from avatar_app.live.frame.pose_head import Head
from avatar_app.settings.paths import assets_dir
from avatar_app.studio.enrol.pose_quality import held_out_db
from avatar_app.studio.enrol.pose_rig import Camera
from tests.fakes.mouth import mouth_of

BOX = PatchBox(32, 144, 192, 112)
PLACE = PatchPlace(BOX, 256)
LIPS = np.array([128.0, 200.0])
# How near the camera the lips are, in the rig's units, and what the head turns about.
LIPS_DEPTH, PIVOT = -1.42, np.array([0.0, -0.408, 6.471])
EYES = ((slice(200, 246), slice(170, 252)), (slice(200, 246), slice(258, 342)))


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return Avatar.load("nova")


@pytest.fixture(scope="module")
def assets(avatar: Avatar) -> PoseAssets:
    return avatar.poses()


@pytest.fixture(scope="module")
def renderer(avatar: Avatar, assets: PoseAssets) -> PosedRenderer:
    return PosedRenderer(avatar, assets)


def pose(**values: float) -> AvatarPose:
    return AvatarPose(weight=1.0, **values)


def shown(renderer: PosedRenderer, **values: float) -> np.ndarray:
    return renderer.render(0, None, pose(**values))


def mouth(grey: int) -> np.ndarray:
    return np.full((BOX.h, BOX.w, 3), grey, np.uint8)


def iris_x(picture: np.ndarray, eye: int) -> float:
    dark = np.clip(100.0 - cv2.GaussianBlur(picture[EYES[eye]][12:34, 16:-16, 1], (0, 0), 2), 0, None)
    return float((dark * np.arange(dark.shape[1])).sum() / dark.sum())


def test_head_when_pictures_are_held_out_then_rendered_from_the_others(assets):
    few = replace(
        assets,
        yaws=assets.yaws[2:7],
        pitches=assets.pitches[1:4],
        nodes=assets.nodes[1:4, 2:7],
        fields=assets.fields[1:4, 2:7],
    )
    found = held_out_db(few)
    assert len(found) == 9
    assert found.min() > 31.5
    assert np.median(found) > 33


def test_head_when_between_pictures_then_outline_is_as_sharp_as_theirs(assets):
    field, head = PoseField(assets), Head(assets)
    soft = [
        int(((alpha > 8) & (alpha < 247)).sum())
        for yaw in (5.0, 6.25)
        for alpha in (head.render(field.at(pose(yaw_deg=yaw, pitch_deg=3.0)))[:280, :, 3].copy(),)
    ]
    # Two outlines side by side would be soft everywhere.
    assert soft[1] < 1.7 * soft[0]


def test_head_when_at_a_picture_of_the_grid_then_that_picture(assets):
    drawn = Head(assets).render(PoseField(assets).at(pose(yaw_deg=10.0, pitch_deg=-6.0)))
    assert np.abs(drawn.astype(int) - assets.nodes[1, 10]).max() <= 1


def test_head_when_at_the_edges_of_the_grid_then_hair_is_not_cut_off(assets):
    field, head = PoseField(assets), Head(assets)
    for yaw, roll in ((-15.0, -10.0), (15.0, 10.0), (-15.0, 10.0), (0.0, -10.0)):
        alpha = head.render(field.at(pose(yaw_deg=yaw, pitch_deg=9.0, roll_deg=roll)))[:290, :, 3]
        assert not alpha[0].any() and not alpha[:, 0].any() and not alpha[:, -1].any()


def test_corners_when_a_point_is_in_the_grid_then_shares_are_its_barycentric_coordinates():
    rows, columns = np.arange(4, dtype=np.float32), np.arange(5, dtype=np.float32)
    for row, column in ((0.2, 0.3), (1.7, 2.9), (3.0, 4.0), (0.0, 0.0)):
        shares = corners(rows, row, columns, column)
        assert sum(shares.values()) == pytest.approx(1)
        assert sum(share * node[0] for node, share in shares.items()) == pytest.approx(row)
        assert sum(share * node[1] for node, share in shares.items()) == pytest.approx(column)


def test_field_when_the_head_turns_then_shares_change_continuously(assets):
    field = PoseField(assets)
    before: dict = {}
    for t in np.linspace(0, 1, 2001):
        sources = field.at(pose(yaw_deg=-15 + 9 * t, pitch_deg=-9 + 7 * t**1.5)).sources
        shares = {(source.row, source.column): source.share for source in sources}
        assert sum(shares.values()) == pytest.approx(1)
        assert not before or max(abs(shares.get(k, 0) - before.get(k, 0)) for k in {*shares, *before}) < 0.05
        before = shares


def test_render_when_a_pose_is_outside_the_grid_then_clipped_to_its_edge(renderer):
    beyond, edge = shown(renderer, yaw_deg=40.0, pitch_deg=-30.0), shown(renderer, yaw_deg=15.0, pitch_deg=-9.0)
    assert np.array_equal(beyond, edge)


@pytest.mark.parametrize(("yaw_deg", "pitch_deg"), [(0, 0), (12, 0), (-12, 0), (7, 7), (-9, -8), (1.3, 4.2)])
def test_render_when_a_dot_is_on_the_mouth_then_it_is_where_geometry_says(renderer, yaw_deg, pitch_deg):
    dotted = mouth(128)
    cv2.circle(dotted, tuple(int(v) for v in LIPS - (BOX.x, BOX.y)), 3, (255, 255, 255), -1)
    wanted = pose(yaw_deg=yaw_deg, pitch_deg=pitch_deg)
    change = renderer.render(0, mouth_of(dotted, PLACE, 1.0), wanted)[:, :, 1].astype(float)
    change -= renderer.render(0, mouth_of(mouth(128), PLACE, 1.0), wanted)[:, :, 1]
    y, x = np.mgrid[:512, :512]
    found = np.array([(x * change).sum(), (y * change).sum()]) / change.sum()
    assert found == pytest.approx(lips_at(yaw_deg, pitch_deg), abs=1.5)


def lips_at(yaw_deg: float, pitch_deg: float) -> np.ndarray:
    camera = Camera()
    point = camera.unproject(np.add(LIPS, (128, 116)), np.array(LIPS_DEPTH)) - PIVOT
    yaw, pitch = np.radians([yaw_deg, pitch_deg])
    nod = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    return camera.project(turn @ nod @ point + PIVOT)


def test_render_when_the_patch_is_the_mouth_at_rest_then_no_seam_and_the_same_light(avatar, renderer):
    drawn = avatar.reference[BOX.y : BOX.y + BOX.h, BOX.x : BOX.x + BOX.w]
    for yaw_deg in (-13.0, 0.0, 13.0):
        wanted = pose(yaw_deg=yaw_deg, pitch_deg=4.0)
        talking, silent = (renderer.render(0, mouth_of(pixels, PLACE, 1.0), wanted) for pixels in (drawn, None))
        change = cv2.GaussianBlur(talking[:, :, :3].astype(np.float32) - silent[:, :, :3], (0, 0), 3)
        changed = np.abs(change[np.abs(change).max(axis=2) > 0.5])
        assert changed.mean() < 3.5
        assert np.percentile(changed, 99) < 15


def test_render_when_there_is_a_mouth_then_alpha_and_eyes_stay(renderer):
    talking, silent = (
        renderer.render(0, mouth_of(pixels, PLACE, 1.0), pose(yaw_deg=14.0)) for pixels in (mouth(40), None)
    )
    assert np.array_equal(talking[:, :, 3], silent[:, :, 3])
    assert np.array_equal(talking[:250], silent[:250])
    assert np.abs(talking[:, :, 1].astype(int) - silent[:, :, 1]).max() > 60


def test_render_when_the_weight_is_half_then_half_the_mouth(renderer):
    none, half, full = (
        renderer.render(0, mouth_of(mouth(0), PLACE, weight), pose()).astype(float) for weight in (0.0, 0.5, 1.0)
    )
    assert np.abs((none + full) / 2 - half).max() < 2


def test_render_when_there_is_no_background_then_alpha_follows_the_head(renderer):
    left, right = shown(renderer, yaw_deg=-15.0)[:, :, 3], shown(renderer, yaw_deg=15.0)[:, :, 3]
    assert left[10].max() == 0 and left[300, 256] == 255 and left[511, 256] == 255
    columns = np.arange(512)
    middles = [(alpha[330].astype(float) * columns).sum() / alpha[330].sum() for alpha in (left, right)]
    assert abs(middles[0] - middles[1]) > 10


def test_render_when_there_is_a_background_then_visible_beside_the_avatar_alone(avatar, assets):
    renderer = PosedRenderer(avatar, assets)
    straight = shown(renderer, yaw_deg=9.0, roll_deg=8.0)
    renderer.set_background(Background.colour("#00ff00"))
    over = shown(renderer, yaw_deg=9.0, roll_deg=8.0)
    assert (over[:, :, 3] == 255).all()
    assert (over[straight[:, :, 3] == 0][:, :3] == (0, 255, 0)).all()
    inside = straight[:, :, 3] == 255
    assert np.array_equal(over[inside], straight[inside])


def test_render_when_one_eye_blinks_then_that_eye_is_closed(renderer):
    open_, left, right = (shown(renderer, **eyes) for eyes in ({}, {"blink_left": 1.0}, {"blink_right": 1.0}))
    for blinking, closed in ((left, 0), (right, 1)):
        # Skin: neither the white of the eye nor the iris.
        rows, columns = EYES[closed]
        middle = blinking[rows, columns][16:24, 30:-30, 2]
        assert middle.min() > 90
        assert open_[rows, columns][16:30, 30:-30, 2].min() < 50
        assert np.array_equal(blinking[EYES[1 - closed]], open_[EYES[1 - closed]])


def test_render_when_a_blink_closes_then_lids_move_steadily(renderer):
    eye = [shown(renderer, blink_left=blink)[EYES[0]][:, :, :3].astype(float) for blink in np.linspace(0, 1, 9)]
    to_go = np.array([np.abs(picture - eye[-1]).mean() for picture in eye])
    steps = -np.diff(to_go) / to_go[0]
    assert to_go[0] > 5
    assert steps.min() > 0
    assert steps.max() < 0.35


def test_render_when_the_gaze_moves_then_irises_follow(renderer):
    for eye in (0, 1):
        places = [iris_x(shown(renderer, gaze_yaw_deg=gaze), eye) for gaze in (-15.0, 0.0, 15.0)]
        assert 2 < places[1] - places[0] < 9
        assert 2 < places[2] - places[1] < 9


def test_render_when_the_head_rolls_then_clockwise_and_shoulders_stay(renderer):
    upright, rolled = shown(renderer), shown(renderer, roll_deg=10.0)
    columns = np.arange(512)
    tops = [
        (picture[80, :, 3].astype(float) * columns).sum() / picture[80, :, 3].sum() for picture in (upright, rolled)
    ]
    assert tops[1] - tops[0] > 15
    assert np.abs(upright[455:].astype(int) - rolled[455:]).max() < 12


def test_render_when_brows_rise_then_they_are_higher_and_eyes_stay(renderer):
    low, high = (shown(renderer, brow=brow)[185:215, 185:235, 1].astype(float) for brow in (-1.0, 1.0))
    rows = np.arange(30)[:, None]
    middles = [(np.clip(130 - part, 0, None) * rows).sum() / np.clip(130 - part, 0, None).sum() for part in (low, high)]
    assert middles[0] - middles[1] > 2


def test_render_when_the_pose_has_no_weight_then_idle_motion_alone(avatar, assets, renderer):
    turned = int(np.abs(assets.idle[:, 0]).argmax())
    ignored = AvatarPose(yaw_deg=15.0, blink_left=1.0, weight=0.0)
    drawn = renderer.render(turned, None, ignored)[:, :, :3].astype(float)
    idle, alpha = avatar.idle(turned)
    error = (drawn - idle)[60:400][alpha[60:400] == 255]
    assert 10 * np.log10(255**2 / np.mean(error**2)) > 27


def test_render_when_breathing_then_shoulders_rise_and_fall_by_less_than_a_pixel(avatar, renderer):
    heights = [float((255.0 - renderer.render(k, None, pose())[:, 60, 3]).sum() / 255) for k in range(0, 100, 10)]
    assert 0.4 < max(heights) - min(heights) < 1.1
    assert np.array_equal(renderer.render(0, None, pose()), renderer.render(avatar.n_idle, None, pose()))


def test_poses_when_a_picture_is_missing_then_error_names_it(tmp_path):
    folder = tmp_path / "pose"
    shutil.copytree(assets_dir() / "avatars" / "nova" / "pose", folder)
    (folder / "grid" / "03-06.png").unlink()
    with pytest.raises(AvatarError, match=r"03-06\.png: it is missing"):
        PoseAssets.load(folder)


def test_poses_when_the_avatar_has_none_then_error_says_so(avatar):
    still = Avatar(avatar.spec, (), (), avatar.reference, avatar.mask)
    assert avatar.has_poses and not still.has_poses
    with pytest.raises(AvatarError, match="cannot be turned"):
        still.poses()
