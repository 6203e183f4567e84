"""Status and pictures of a webcam, for windows under test."""

from dataclasses import replace

import numpy as np

from avatar_app.live.webcam import Preview, TrackerState, WebcamState, WebcamStatus
from avatar_app.live.webcam.picture_source import CameraFrame

RUNNING = WebcamStatus(
    camera=WebcamState.RUNNING, tracker=TrackerState.RUNNING, device="Alpha Cam", size=(640, 480), fps=29.8,
    fps_tracked=29.8, has_face=True, latency_p50_ms=12.4, latency_p95_ms=17.0, n_unread=0, n_restarts=0,
    calibration_ratio=None, problem="",
)  # fmt: skip
LOST = replace(RUNNING, camera=WebcamState.LOST, problem="The camera Alpha Cam gives no more pictures.")


def picture(t_capture_ns=1, points=((40.0, 30.0),), width_px=640):
    """Red on the left half, blue on the right one."""
    pixels = np.zeros((480, width_px, 3), np.uint8)
    pixels[:, : width_px // 2, 2] = pixels[:, width_px // 2 :, 0] = 200
    pixels.flags.writeable = False
    return Preview(CameraFrame(t_capture_ns, 0, pixels), np.array(points, np.float32) if points else None)
