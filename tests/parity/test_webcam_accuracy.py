"""The tracked head pose against ground truth: rendered clips, if available."""

from pathlib import Path

import av
import numpy as np
import pytest

from avatar_app.contracts.units import s_to_ns
from avatar_app.live.webcam.neutral import Calibration
from avatar_app.live.webcam.package import is_installed
from avatar_app.live.webcam.protocol import FACE, READY
from avatar_app.live.webcam.smooth import Smoother
from avatar_app.live.webcam.tracker_process import TrackerProcess

CLIPS = Path(__file__).parents[3] / "shared" / "data" / "nova" / "clips"
STILL = "still_000_103-1240-0000"
TURNING = ("libri_003_625-132112-0000", "libri_007_6925-80680-0000", "tts_000_slt", "tts_004_slt")
FPS = 25
GROUND_TRUTH = {
    "headYaw": ("yaw_deg", 25), "headPitch": ("pitch_deg", 18), "headRoll": ("roll_deg", 15),
    "eyeYaw": ("gaze_yaw_deg", 25), "blink": ("blink_left", 1),
}  # fmt: skip

pytestmark = [
    pytest.mark.skipif(not is_installed(), reason="mediapipe is not installed (`avatar-app webcam setup`)"),
    pytest.mark.skipif(not CLIPS.is_dir(), reason="the rendered clips are not available"),
    pytest.mark.slow,
]


def tracked(name):
    """Reply of the tracker to each picture of a clip."""
    tracker = TrackerProcess()
    try:
        assert tracker.receive(30).kind == READY
        with av.open(str(CLIPS / name / "video.mp4")) as container:
            for number, frame in enumerate(container.decode(video=0)):
                tracker.send(number, frame.to_ndarray(format="bgr24"))
                yield tracker.receive(10)
    finally:
        tracker.close()


@pytest.fixture(scope="module")
def measured():
    """Records and ground truth (n, 5) of all turning clips, calibrated on the still one."""
    calibration = Calibration()
    neutral = next(
        found for k, reply in enumerate(tracked(STILL))
        if (found := calibration.feed(reply.detected.face, s_to_ns(k / FPS))) is not None
    )  # fmt: skip
    rows, truths = [], []
    for name in TURNING:
        smoother = Smoother(neutral)
        with np.load(CLIPS / name / "params.npz") as data:
            names, params = list(data["names"]), data["params"]
        for k, reply in enumerate(tracked(name)):
            assert reply.kind == FACE
            pose = smoother.feed(reply.detected.face, reply.detected.confidence, s_to_ns(1 + k / FPS), 0)
            rows.append([getattr(pose, field) for field, _ in GROUND_TRUTH.values()])
            truths.append([params[k, names.index(one)] * scale for one, (_, scale) in GROUND_TRUTH.items()])
    return np.array(rows), np.array(truths)


def test_turn_when_known_then_yaw_and_pitch_within_three_degrees_and_roll_within_two(measured):
    rows, truths = measured
    rms_deg = np.sqrt(np.square(rows - truths).mean(axis=0))
    print(f"yaw {rms_deg[0]:.2f}, pitch {rms_deg[1]:.2f}, roll {rms_deg[2]:.2f} degrees RMS")  # noqa: T201
    assert rms_deg[0] < 3 and rms_deg[1] < 3 and rms_deg[2] < 2


def test_gaze_and_blinks_when_known_then_they_go_along(measured):
    rows, truths = measured
    is_open = truths[:, 4] < 0.2
    gaze = np.corrcoef(rows[is_open, 3], truths[is_open, 3])[0, 1]
    blink = np.corrcoef(rows[:, 4], truths[:, 4])[0, 1]
    print(f"gaze r {gaze:.2f}, blink r {blink:.2f}")  # noqa: T201
    assert gaze > 0.8
    assert blink > 0.8
