"""The user's webcam: what head, eyes, lids and brows do, as small records. Pictures stay in memory."""

from avatar_app.live.webcam.capture import WebcamState
from avatar_app.live.webcam.devices import CameraDevice, list_cameras
from avatar_app.live.webcam.neutral import Neutral
from avatar_app.live.webcam.retarget import Follower, FollowSettings
from avatar_app.live.webcam.tracking import TrackerState
from avatar_app.live.webcam.webcam import Preview, Webcam, WebcamStatus

__all__ = [
    "CameraDevice",
    "FollowSettings",
    "Follower",
    "Neutral",
    "Preview",
    "TrackerState",
    "Webcam",
    "WebcamState",
    "WebcamStatus",
    "list_cameras",
]
