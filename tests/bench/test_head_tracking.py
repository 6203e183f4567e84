"""The benchmark of head tracking: its video and its figures."""

import av
import numpy as np
import pytest

from avatar_app.bench import head_tracking as follow
from avatar_app.bench import report
from avatar_app.contracts.head_pose import AvatarPose
from avatar_app.live.frame import Avatar
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings


def test_video_when_written_then_like_a_webcam_with_the_avatars_face_in_the_middle(tmp_path, monkeypatch):
    monkeypatch.setattr(follow, "VIDEO_S", 0.2)
    follow.write_video(tmp_path / "video.mp4", lambda t_s: AvatarPose(weight=1.0))
    with av.open(str(tmp_path / "video.mp4")) as video:
        pictures = [frame.to_ndarray(format="bgr24") for frame in video.decode(video=0)]
    assert [picture.shape for picture in pictures] == [(480, 640, 3)] * 6
    wall, cheek = pictures[0][40, 20].astype(float), pictures[0][250, 320].astype(float)
    assert np.ptp(wall) < 30 and cheek[2] - cheek[0] > 30
    # The camera's noise: no two pictures of a still head are the same.
    assert 0.5 < np.abs(pictures[1].astype(float) - pictures[0]).mean() < 12


def test_turn_when_a_degree_then_a_pixel_or_two():
    found = follow.px_per_deg(Avatar.load("nova").poses())
    assert found.shape == (3,)
    assert (found > 1).all() and (found < 3).all()


def test_head_tracking_when_the_tracker_is_missing_then_reported_and_no_target_is_judged(tmp_path, monkeypatch):
    monkeypatch.setattr(follow, "is_installed", lambda: False)
    found = follow.measure(Settings(), ProfilePaths(tmp_path), 1.0)
    assert found == {"is_installed": False}
    assert report.targets({"follow": found}) == []


@pytest.mark.parametrize(("p95_ms", "is_reached"), [(80.0, True), (95.0, False)])
def test_targets_when_the_head_follows_then_judged(p95_ms, is_reached):
    figures = {"cpu_percent_of_one_core": 70.0, "rss_mb": 600.0, "head_p95_ms": p95_ms, "still_rms_px": 0.1}
    found = report.targets({"follow": {"is_installed": True, **figures}})
    assert len(found) == 4
    assert all(target["is_reached"] for target in found) is is_reached
