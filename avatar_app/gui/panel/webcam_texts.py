"""The texts of the webcam section."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from avatar_app.live.webcam import TrackerState, WebcamState

if TYPE_CHECKING:
    from avatar_app.live.webcam import WebcamStatus

TRACKER_MISSING = "Head tracking needs the face tracker, which is not installed."
FETCH = "Download the face tracker (40 MB)"
FETCHING = "Downloading the face tracker"
FETCHED = "The face tracker is installed. Turn head tracking on."
OFF = "The webcam is off. When it is on, no picture of you is stored or sent."
STARTS_LATER = "The webcam starts with the avatar."
OPENING = "Opening the webcam …"
LOST = "Webcam not connected"
RETRY = "The app retries every 3 seconds."
NO_FACE = "No face in view"
FACE = "Face in view"
TRACKER_STARTS, TRACKER_LOST = "Face tracker starts …", "Face tracker restarts …"
CALIBRATE = "Set neutral pose"
CALIBRATED = "Neutral pose set"


def status_text(status: WebcamStatus | None, is_running: bool) -> tuple[str, str]:
    """Device and rates in two short lines, and the `state` for the style sheet."""
    if status is None or status.camera is WebcamState.STOPPED:
        return (OPENING if is_running else STARTS_LATER), ""
    if status.camera is WebcamState.LOST:
        return status.problem or LOST, "bad"
    if status.camera is WebcamState.STARTING:
        return OPENING, ""
    width_px, height_px = status.size
    text = f"{width_px} x {height_px}, {status.fps:.0f} fps"
    if not math.isnan(status.latency_p50_ms):
        text += f", {status.latency_p50_ms:.0f} ms"
    return f"{status.device}\n{text}", ""


def face_text(status: WebcamStatus | None) -> tuple[str, str]:
    """Whether a face is found, and the `state` for the style sheet; "" without pictures."""
    if status is None or status.camera is not WebcamState.RUNNING:
        return "", ""
    if status.tracker is TrackerState.RUNNING:
        return (FACE, "") if status.has_face else (NO_FACE, "warning")
    return (TRACKER_LOST, "warning") if status.tracker is TrackerState.LOST else (TRACKER_STARTS, "")


def preview_text(status: WebcamStatus | None, is_running: bool) -> str:
    """The caption of the preview; "" while pictures arrive."""
    if status is None or status.camera is WebcamState.STOPPED:
        return OPENING if is_running else STARTS_LATER
    if status.camera is WebcamState.RUNNING:
        return ""
    return f"{LOST}.\n{RETRY}" if status.camera is WebcamState.LOST else OPENING


def calibration_text(ratio: float, length_s: float, *, has_face: bool) -> str:
    """The text of the button during calibration."""
    if not has_face:
        return "No face in view …"
    return f"Look straight ahead … {max(1, math.ceil(length_s * (1 - ratio)))}"
