"""Portraits and face crops of any size: the same picture, in every sink, also when the avatar changes meanwhile."""

import json

import cv2
import numpy as np
import pytest

from avatar_app.contracts.mouth import PatchBox, PatchPlace
from avatar_app.contracts.packets import Picture
from avatar_app.live.browser.message import encode
from avatar_app.live.camera.canvas import Canvas
from avatar_app.live.camera.layout import layout_of
from avatar_app.live.frame import Avatar, Background, Badge, PictureRenderer
from avatar_app.live.record.formats import RecordOptions
from avatar_app.live.record.frame_converter import FrameConverter, video_size
from tests.fakes.avatar_folder import CROP_PX, SIZE_PX, write_avatar
from tests.fakes.browser_source import decode
from tests.fakes.mouth import mouth_of

BOX = PatchBox(8, 32, 48, 32)
SIZES_PX = (512, 768, 1024)


def scaled(folder, size_px, crop_px):
    """Scale the portraits of an avatar folder, and its crop."""
    about = json.loads((folder / "avatar.json").read_text())
    for name in (*about["idle_files"], *about["alpha_files"]):
        resize(folder / name, size_px)
    for name in (about["mask_file"], about["reference_file"]):
        resize(folder / name, crop_px)
    k, c = size_px / about["size_px"], about["crop_px"] / crop_px
    # The centres of pixels scale, not their corners.
    crops = [[[a * k * c, b * k * c, _moved(t, k, a * k * c + b * k * c, c)] for a, b, t in crop] for crop in
             about["crop_to_portrait"]]  # fmt: skip
    about |= {"size_px": size_px, "crop_px": crop_px, "crop_to_portrait": crops}
    (folder / "avatar.json").write_text(json.dumps(about))
    return folder


def _moved(shift, k, slope, c):
    """The shift between centres of pixels: (p + 0.5) scales."""
    return (shift + 0.5) * k - 0.5 + 0.5 * slope * (1 - 1 / c)


def resize(file, size_px):
    picture = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(file), cv2.resize(picture, (size_px, size_px), interpolation=cv2.INTER_CUBIC))


@pytest.fixture(scope="module")
def avatars(tmp_path_factory):
    """The same avatar with portraits and crops of each size; the first one as it is written."""
    root = tmp_path_factory.mktemp("assets")
    made = {SIZE_PX: Avatar.open(write_avatar(root))}
    for size_px in SIZES_PX:
        folder = scaled(write_avatar(root, f"of-{size_px}"), size_px, size_px // 2)
        made[size_px] = Avatar.open(folder)
    return made


def talking(avatar, k=1, background=None):
    """Idle picture k with a mouth whose patch has the same content at any size."""
    renderer = PictureRenderer(avatar)
    renderer.set_background(background or Background.transparent())
    ramp = np.linspace(60, 220, BOX.w).astype(np.uint8)
    pixels = np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (BOX.h, BOX.w, 3)))
    return renderer.render(k, mouth_of(pixels, PatchPlace(BOX, CROP_PX)))


@pytest.mark.parametrize("size_px", SIZES_PX)
def test_picture_when_portrait_and_crop_are_larger_then_the_mouth_has_the_same_place(avatars, size_px):
    large, small = talking(avatars[size_px]), talking(avatars[SIZE_PX])
    assert large.shape == (size_px, size_px, 4)
    shrunk = cv2.resize(large, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)
    difference = np.abs(shrunk.astype(int) - small)
    rows, columns = slice(70, 90), slice(48, 82)
    assert difference[rows, columns].max() <= 6 and difference.mean() < 1.5
    assert (
        np.abs(
            small[rows, columns, :3].astype(int) - PictureRenderer(avatars[SIZE_PX]).render(1)[rows, columns, :3]
        ).max()
        > 60
    )


@pytest.mark.parametrize("size_px", SIZES_PX)
def test_face_input_when_the_crop_is_larger_then_a_student_reads_the_same_face(avatars, size_px):
    large, small = (avatars[size].face_input(32) for size in (size_px, SIZE_PX))
    assert large.shape == (1, 6, 32, 32) and np.abs(large - small).max() < 0.03


def test_sinks_when_the_avatar_changes_to_another_size_then_each_keeps_its_own(avatars, tmp_path):
    canvas, badge = Canvas(layout_of("meeting")), Badge()
    options = RecordOptions(tmp_path, 25)
    first = talking(avatars[512])
    converter = FrameConverter(options, video_size(options, first))
    expected_frame, expected_planes = canvas.draw(first), converter.convert(first)
    for size_px in (SIZE_PX, 1024, 768, 512):
        picture = talking(avatars[size_px])
        frame, planes = canvas.draw(picture), converter.convert(picture)
        assert frame.shape == expected_frame.shape and planes.shape == expected_planes.shape
        assert np.abs(frame.astype(int) - expected_frame).mean() < 4
        assert np.abs(planes[:512].astype(int) - expected_planes[:512]).mean() < 4
        index, page = decode(encode(Picture(0, 0, 3, picture)))
        assert (index, page.shape) == (3, picture.shape)
        before = picture.copy()
        badge.stamp(picture)
        changed = np.argwhere((picture != before).any(axis=2))
        if size_px >= 512:
            assert changed.min() > size_px * 0.6 and len(changed) > 0
