"""The visible mark is in every output, because all of them use the same picture."""

import threading

import cv2
import numpy as np
import pytest

from avatar_app.contracts.clock import ManualClock, MonotonicClock
from avatar_app.contracts.handoff import Latest
from avatar_app.contracts.head_pose import AvatarPose
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live.browser.message import HEADER, encode
from avatar_app.live.camera import layout_of
from avatar_app.live.camera.canvas import Canvas
from avatar_app.live.frame import Background, load_avatar
from avatar_app.live.frame_thread import FrameLoop
from avatar_app.live.pipeline import LivePipeline
from avatar_app.live.record import RecordFormat, RecordOptions, snapshot
from avatar_app.live.record.frame_converter import FrameConverter, video_size
from avatar_app.live.runtime.meters import StageMeters
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings
from tests.fakes.mark import is_marked

BACKGROUNDS = {"transparent": Background.transparent(), "colour": Background.colour("#30a050")}


@pytest.fixture(scope="module")
def avatar():
    return load_avatar("nova")


@pytest.fixture(params=BACKGROUNDS)
def make_picture(request, avatar):
    """Makes the next picture of a frame thread."""

    def make(*, is_marked=True, is_hidden=False, pose=None):
        loop = FrameLoop(ManualClock(NS_PER_S), StageMeters(), Latest(), 25, lambda t_ns: pose)
        sink = loop.pictures.add()
        loop.set_renderer(avatar.renderer(turns_head=pose is not None))
        loop.set_background(BACKGROUNDS[request.param])
        loop.set_marked(is_marked=is_marked)
        loop.set_hidden(is_hidden=is_hidden)
        loop.step(threading.Event())
        return sink.take()

    return make


def test_picture_when_marked_then_the_mark_alone_is_added_and_is_opaque_enough(make_picture):
    plain, marked = make_picture(is_marked=False).pixels, make_picture().pixels
    assert is_marked(marked) and not is_marked(plain)
    rows, columns = np.nonzero((plain != marked).any(axis=2))
    assert min(rows.min(), columns.min()) > 350
    assert marked[rows, columns, 3].max() > 180


def test_picture_when_the_head_follows_the_webcam_then_marked_too(make_picture):
    assert is_marked(make_picture(pose=AvatarPose(t_capture_ns=1, weight=1.0, yaw_deg=8.0)).pixels)


def test_picture_when_the_avatar_is_hidden_then_nothing_is_marked(make_picture):
    assert not is_marked(make_picture(is_hidden=True).pixels)


def test_picture_when_the_mark_is_switched_then_the_next_one_has_it(avatar):
    clock = ManualClock(NS_PER_S)
    loop = FrameLoop(clock, StageMeters(), Latest(), 25)
    sink = loop.pictures.add()
    loop.set_renderer(avatar.renderer())
    seen = []
    for wanted in (False, True, False):
        loop.set_marked(is_marked=wanted)
        loop.step(threading.Event())
        seen.append(is_marked(sink.take().pixels))
    assert seen == [False, True, False]


def test_browser_source_when_marked_then_its_viewers_see_it(make_picture):
    message = encode(make_picture())
    *_, n_runs, _ = HEADER.unpack_from(message)
    jpeg = np.frombuffer(message[HEADER.size + 3 * n_runs :], np.uint8)
    assert is_marked(cv2.imdecode(jpeg, cv2.IMREAD_COLOR))


@pytest.mark.parametrize("size", ["meeting", "square-720"])
@pytest.mark.parametrize("keeps_alpha", [True, False])
def test_camera_when_marked_then_meetings_see_it(make_picture, size, keeps_alpha):
    frame = Canvas(layout_of(size), keeps_alpha=keeps_alpha).draw(make_picture().pixels)
    left_px = (frame.shape[1] - frame.shape[0]) // 2
    assert is_marked(frame[:, left_px : left_px + frame.shape[0]])


def test_snapshot_when_marked_then_the_file_shows_it(make_picture, tmp_path):
    assert is_marked(cv2.imread(str(snapshot(make_picture(), tmp_path)), cv2.IMREAD_UNCHANGED))


@pytest.mark.parametrize("kind", RecordFormat)
@pytest.mark.parametrize("side_px", [0, 720])
def test_recording_when_marked_then_every_format_and_size_shows_it(make_picture, tmp_path, kind, side_px):
    picture = make_picture().pixels
    options = RecordOptions(tmp_path, 25, kind, width_px=side_px, height_px=side_px)
    frame = FrameConverter(options, video_size(options, picture)).convert(picture)
    assert is_marked(frame if kind.has_alpha else cv2.cvtColor(frame, cv2.COLOR_YUV2BGR_I420))


def test_pipeline_when_the_setting_changes_then_the_pictures_of_all_sinks_follow(tmp_path):
    settings = Settings(mic="demo", precision="int8", has_badge=True)
    pipeline = LivePipeline(settings, ProfilePaths(tmp_path / "profile"), MonotonicClock(), NoticeBoard())
    sinks = [pipeline.pictures.add(), pipeline.pictures.add()]
    pipeline.start()
    try:
        assert all(is_marked(sink.take(timeout_s=60).pixels) for sink in sinks)
        pipeline.apply(settings.replace(has_badge=False))
        for sink in sinks:
            # At most one picture was rendered before.
            pictures = [sink.take(timeout_s=60) for _ in range(3)]
            assert not is_marked(pictures[-1].pixels)
    finally:
        pipeline.stop()
