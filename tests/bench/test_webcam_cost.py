"""Camera and tracking: processor time per second of video, and the age of a record."""

import time

import numpy as np
import psutil
import pytest

from avatar_app.bench.program import busy_s
from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.live.webcam import Webcam
from avatar_app.live.webcam.package import is_installed
from tests.fakes.webcam import nova_before_grey, write_video

pytestmark = pytest.mark.skipif(not is_installed(), reason="mediapipe is not installed (`avatar-app webcam setup`)")

RUN_S = 6.0
# Of a core, camera and tracking together: what the budget of the whole program leaves them.
MAX_SHARE = 0.8


def test_webcam_when_a_video_of_30_fps_plays_then_within_the_budget(tmp_path):
    noise = np.random.default_rng(0).integers(-6, 7, (480, 640, 3))
    pictures = [np.clip(nova_before_grey(k) + noise, 0, 255).astype(np.uint8) for k in range(90)]
    video = write_video(tmp_path / "camera.mp4", pictures, fps=30, crf="20")
    webcam, own = Webcam(f"file:{video}", MonotonicClock(), NoticeBoard()), psutil.Process()
    webcam.start()
    try:
        while not webcam.status().has_face:
            time.sleep(0.05)
        tracker = psutil.Process(webcam._tracking._hold.device.pid)
        time.sleep(1)
        before_s, t_start_s = np.array([busy_s(own), busy_s(tracker)]), time.monotonic()
        time.sleep(RUN_S)
        shares = (np.array([busy_s(own), busy_s(tracker)]) - before_s) / (time.monotonic() - t_start_s)
        status, memory_mb = webcam.status(), tracker.memory_full_info().uss / 1e6
    finally:
        webcam.stop()
    print(  # noqa: T201
        f"program {100 * shares[0]:.1f} %, tracker {100 * shares[1]:.1f} % of a core, {memory_mb:.0f} MB; picture to"
        f" record {status.latency_p50_ms:.1f} ms, p95 {status.latency_p95_ms:.1f} ms; {status.fps_tracked:.1f} a second"
    )
    assert shares.sum() < MAX_SHARE
