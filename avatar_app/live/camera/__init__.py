"""The virtual camera: shows the avatar as a webcam to meetings and OBS."""

from avatar_app.live.camera.camera import VirtualCamera
from avatar_app.live.camera.finding import CameraFinding
from avatar_app.live.camera.findings import camera_findings
from avatar_app.live.camera.layout import LAYOUTS, Layout, layout_of
from avatar_app.live.camera.status import CameraState, CameraStatus

__all__ = [
    "LAYOUTS",
    "CameraFinding",
    "CameraState",
    "CameraStatus",
    "Layout",
    "VirtualCamera",
    "camera_findings",
    "layout_of",
]
