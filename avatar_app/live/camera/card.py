"""The picture that viewers see while no face comes: its last one, out of focus, with a small sign."""

from __future__ import annotations

import cv2
import numpy as np

from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.live.pixels import mix

TEXT = "Back in a moment"
SIGN_HEIGHT_RATIO = 0.085
BLUR_RATIO = 0.035
LIGHT = 0.5
# OpenCV's strokes are coarse: the sign is drawn large and scaled down.
OVERSIZE = 4
FONT = cv2.FONT_HERSHEY_DUPLEX
SIGN_BGR, TEXT_BGR = (38, 32, 28), (238, 236, 232)
SIGN_COVER = 0.82


def draw_card(frame: UInt8, text: str = TEXT) -> UInt8:
    """The card in place of a frame.

    Args:
        frame: (H, W, 3) uint8 BGR or (H, W, 4) BGRA, the last one shown, or a blank one.
        text: what the sign says; ASCII.

    Returns:
        The same shape; alpha as it was, but full under the sign.
    """
    card = _out_of_focus(frame)
    sign, cover = _sign(text, max(18, round(SIGN_HEIGHT_RATIO * min(frame.shape[:2]))))
    # On a narrow picture the sign may not be wider than nine tenths of it.
    scale = min(1.0, 0.9 * frame.shape[1] / sign.shape[1])
    size = (max(1, int(sign.shape[1] * scale)), max(1, int(sign.shape[0] * scale)))
    sign, cover = (np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA)) for part in (sign, cover))
    top, left = round(0.8 * (frame.shape[0] - size[1])), (frame.shape[1] - size[0]) // 2
    place = card[top : top + size[1], left : left + size[0]]
    place[..., :3] = mix(place[..., :3], sign, cover[..., None].astype(np.float32))
    if card.shape[2] == 4:
        place[..., 3] = np.maximum(place[..., 3], (255 * cover).astype(np.uint8))
    return card


def _out_of_focus(frame: UInt8) -> UInt8:
    """Blurred so that nobody takes it for a frozen picture, and dimmed."""
    height, width = frame.shape[:2]
    small = cv2.resize(frame, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), BLUR_RATIO * height / 4)
    soft[..., :3] = (soft[..., :3] * np.float32(LIGHT)).astype(np.uint8)
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _sign(text: str, height_px: int) -> tuple[Float32, Float32]:
    """A round-ended plate with two bars and the text: (h, w, 3) float32 BGR, and how much it covers, (h, w), 0..1."""
    tall = OVERSIZE * height_px
    scale = 0.36 * tall / 21  # the font's capitals are 21 px high at scale 1
    (text_px, _), _ = cv2.getTextSize(text, FONT, scale, max(1, round(1.2 * scale)))
    bars_px, margin = round(0.26 * tall), round(0.5 * tall)
    wide = text_px + bars_px + round(0.3 * tall) + 2 * margin
    cover = np.zeros((tall, wide), np.uint8)
    radius = tall // 2
    cv2.circle(cover, (radius, radius), radius - 1, 255, -1)
    cv2.circle(cover, (wide - radius, radius), radius - 1, 255, -1)
    cover[1:-1, radius : wide - radius] = 255
    plate = np.full((tall, wide, 3), SIGN_BGR, np.uint8)
    for k in (0, 2):
        x = margin + k * bars_px // 3
        cv2.rectangle(plate, (x, round(0.33 * tall)), (x + bars_px // 3, round(0.67 * tall)), TEXT_BGR, -1)
    at = (margin + bars_px + round(0.3 * tall), round(0.5 * tall + 0.18 * tall))
    cv2.putText(plate, text, at, FONT, scale, TEXT_BGR, max(1, round(1.2 * scale)), cv2.LINE_AA)
    size = (wide // OVERSIZE, height_px)
    small = cv2.resize(plate, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    shown = cv2.resize(cover, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return small, SIGN_COVER * shown / 255
