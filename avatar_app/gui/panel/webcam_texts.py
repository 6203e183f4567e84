"""What the window says about the webcam."""

from __future__ import annotations

import math

from avatar_app.gui.ports import WebcamFigures

TRACKER_MISSING = "Her head can follow yours once the face tracker is here."
FETCH = "Fetch the face tracker (40 MB)"
FETCHING = "Fetching the face tracker"
FETCHED = "The face tracker is here: turn Follow my head on."
OFF = "The camera is off. What it sees stays in memory: no picture of you is stored or sent."
STARTS_LATER = "The camera starts with the avatar."
OPENING = "Opening the camera …"
GONE = "The camera is gone"
RETRY = "The app retries every 3 seconds."
NO_FACE = "No face in view"
FACE = "Face in view"
TRACKER_STARTS, TRACKER_LOST = "Face tracker starts …", "Face tracker starts again"
STRAIGHT = "Look straight ahead"


def status_words(figures: WebcamFigures | None, is_running: bool) -> tuple[str, str]:
    """How the camera goes: two short lines, and the `state` that the style sheet looks at."""
    if figures is None or figures.camera.value == "stopped":
        return (OPENING if is_running else STARTS_LATER), ""
    if figures.camera.value == "lost":
        return figures.problem or GONE, "bad"
    if figures.camera.value == "starting":
        return OPENING, ""
    width_px, height_px = figures.size
    words = f"{width_px} x {height_px}, {figures.fps:.0f} pictures a second"
    if not math.isnan(figures.latency_p50_ms):
        words += f", {figures.latency_p50_ms:.0f} ms"
    return f"{figures.device}\n{words}", ""


def face_words(figures: WebcamFigures | None) -> tuple[str, str]:
    """Whether the user is seen, and the `state` that the style sheet looks at; "" while no picture comes."""
    if figures is None or figures.camera.value != "running":
        return "", ""
    if figures.tracker.value == "running":
        return (FACE, "") if figures.has_face else (NO_FACE, "warning")
    return (TRACKER_LOST, "warning") if figures.tracker.value == "lost" else (TRACKER_STARTS, "")


def preview_words(figures: WebcamFigures | None, is_running: bool) -> str:
    """What stands in the preview's place while no picture comes; "" when one should."""
    if figures is None or figures.camera.value == "stopped":
        return OPENING if is_running else STARTS_LATER
    return {"running": "", "lost": f"{GONE}.\n{RETRY}"}.get(figures.camera.value, OPENING)


def calibration_words(figures: WebcamFigures, length_s: float) -> str:
    """What the button says while the neutral pose is learned."""
    ratio = figures.calibration_ratio
    if ratio is None:
        return STRAIGHT
    if not figures.has_face:
        return "Waits for your face …"
    return f"Look straight ahead … {max(1, math.ceil(length_s * (1 - ratio)))}"
