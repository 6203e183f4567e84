"""The placeholder that viewers see while no picture of the avatar arrives: the last one, blurred, with a label."""

from __future__ import annotations

import cv2
import numpy as np

from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.live.pixels import mix

TEXT = "Back in a moment"
LABEL_HEIGHT_RATIO = 0.085
BLUR_RATIO = 0.035
BRIGHTNESS = 0.5
# OpenCV draws text without subpixel precision: the label is drawn large and scaled down.
SUPERSAMPLING = 4
FONT = cv2.FONT_HERSHEY_DUPLEX
LABEL_BGR, TEXT_BGR = (38, 32, 28), (238, 236, 232)
LABEL_OPACITY = 0.82


def draw_placeholder(frame: UInt8, text: str = TEXT) -> UInt8:
    """Draw the placeholder.

    Args:
        frame: (H, W, 3) uint8 BGR or (H, W, 4) BGRA, the last one that was sent, or a blank one.
        text: of the label; ASCII.

    Returns:
        The same shape; alpha is unchanged, but opaque under the label.
    """
    out = _blurred(frame)
    label, cover = _label(text, max(18, round(LABEL_HEIGHT_RATIO * min(frame.shape[:2]))))
    # On a narrow picture the label is scaled to nine tenths of its width.
    scale = min(1.0, 0.9 * frame.shape[1] / label.shape[1])
    size = (max(1, int(label.shape[1] * scale)), max(1, int(label.shape[0] * scale)))
    label, cover = (np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA)) for part in (label, cover))
    top, left = round(0.8 * (frame.shape[0] - size[1])), (frame.shape[1] - size[0]) // 2
    place = out[top : top + size[1], left : left + size[0]]
    place[..., :3] = mix(place[..., :3], label, cover[..., None].astype(np.float32))
    if out.shape[2] == 4:
        place[..., 3] = np.maximum(place[..., 3], (255 * cover).astype(np.uint8))
    return out


def _blurred(frame: UInt8) -> UInt8:
    """Blur and dim a frame, so that it does not look like a frozen picture."""
    height, width = frame.shape[:2]
    small = cv2.resize(frame, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), BLUR_RATIO * height / 4)
    soft[..., :3] = (soft[..., :3] * np.float32(BRIGHTNESS)).astype(np.uint8)
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _label(text: str, height_px: int) -> tuple[Float32, Float32]:
    """A rounded label with a pause symbol and the text: (h, w, 3) float32 BGR, and its opacity (h, w), 0..1."""
    tall = SUPERSAMPLING * height_px
    scale = 0.36 * tall / 21  # the font's capitals are 21 px high at scale 1
    (text_px, _), _ = cv2.getTextSize(text, FONT, scale, max(1, round(1.2 * scale)))
    bars_px, margin = round(0.26 * tall), round(0.5 * tall)
    wide = text_px + bars_px + round(0.3 * tall) + 2 * margin
    cover = np.zeros((tall, wide), np.uint8)
    radius = tall // 2
    cv2.circle(cover, (radius, radius), radius - 1, 255, -1)
    cv2.circle(cover, (wide - radius, radius), radius - 1, 255, -1)
    cover[1:-1, radius : wide - radius] = 255
    plate = np.full((tall, wide, 3), LABEL_BGR, np.uint8)
    for k in (0, 2):
        x = margin + k * bars_px // 3
        cv2.rectangle(plate, (x, round(0.33 * tall)), (x + bars_px // 3, round(0.67 * tall)), TEXT_BGR, -1)
    at = (margin + bars_px + round(0.3 * tall), round(0.5 * tall + 0.18 * tall))
    cv2.putText(plate, text, at, FONT, scale, TEXT_BGR, max(1, round(1.2 * scale)), cv2.LINE_AA)
    size = (wide // SUPERSAMPLING, height_px)
    small = cv2.resize(plate, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    shown = cv2.resize(cover, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return small, LABEL_OPACITY * shown / 255
