"""The user's webcam: head pose, gaze, blinks and brows as small records. Pictures stay in memory."""

from avatar_app.live.webcam.capture import WebcamState
from avatar_app.live.webcam.devices import CameraDevice, list_cameras
from avatar_app.live.webcam.neutral import NeutralPose
from avatar_app.live.webcam.retarget import HeadRetarget, RetargetSettings
from avatar_app.live.webcam.tracking import TrackerState
from avatar_app.live.webcam.webcam import Preview, Webcam, WebcamStatus

__all__ = [
    "CameraDevice",
    "HeadRetarget",
    "NeutralPose",
    "Preview",
    "RetargetSettings",
    "TrackerState",
    "Webcam",
    "WebcamState",
    "WebcamStatus",
    "list_cameras",
]
