"""Pictures of what is right and what is wrong, made from the built-in avatar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.packets import Float32, UInt8

AVATAR = Path("avatars") / "nova" / "idle" / "000000"
# Where eyes and mouth of the built-in avatar lie in its picture, as shares of the side.
FACE_CENTRE, MOUTH_CENTRE = (0.5, 0.46), (0.5, 0.62)
# The side of the picture that the face fills well.
FACE_ZOOM, MOUTH_ZOOM = 1.45, 3.6
# Colours of a room, BGR: light wall, its darker edge.
WALL, EDGE = (214.0, 216.0, 219.0), (168.0, 170.0, 176.0)
Sprite = tuple[UInt8, Float32]


@dataclass(frozen=True, slots=True)
class Example:
    """One example.

    Attributes:
        is_right: whether it shows how to do it.
        caption: a few words.
        draw: makes the picture (h, w, 3) BGR from the avatar, a width and a height in pixels.
    """

    is_right: bool
    caption: str
    draw: Callable[[Sprite, int, int], UInt8]


def load_sprite(assets: Path) -> Sprite:
    """The built-in avatar: (512, 512, 3) uint8 BGR and its cover (512, 512, 1) float32; empty where it is missing."""
    colours = cv2.imread(str(assets / AVATAR.with_suffix(".jpg")), cv2.IMREAD_COLOR)
    cover = cv2.imread(str(assets / AVATAR.with_suffix(".png")), cv2.IMREAD_GRAYSCALE)
    if colours is None or cover is None:
        return np.zeros((512, 512, 3), np.uint8), np.zeros((512, 512, 1), np.float32)
    return np.asarray(colours, np.uint8), np.asarray(cover, np.float32)[..., None] / np.float32(255)


def good(sprite: Sprite, width: int, height: int) -> UInt8:
    """A large face in even light."""
    return _bytes(_portrait(sprite, width, height, FACE_ZOOM))


def far(sprite: Sprite, width: int, height: int) -> UInt8:
    """A face that is too small."""
    return _bytes(_portrait(sprite, width, height, 0.42, y=0.78))


def dark(sprite: Sprite, width: int, height: int) -> UInt8:
    """Too little light, with the noise of a camera."""
    picture = _portrait(sprite, width, height, FACE_ZOOM) * 0.2
    noise = np.random.default_rng(3).normal(0, 7, picture.shape[:2])[..., None]
    return _bytes(picture + noise + 4)


def one_sided(sprite: Sprite, width: int, height: int) -> UInt8:
    """Light from one side."""
    ramp = np.linspace(-9, 9, width)
    light = 0.16 + 0.95 / (1 + np.exp(ramp))
    return _bytes(_portrait(sprite, width, height, FACE_ZOOM) * light[None, :, None])


def blurred(sprite: Sprite, width: int, height: int) -> UInt8:
    """Motion blur."""
    picture = _portrait(sprite, width, height, FACE_ZOOM)
    length = max(3, width // 14)
    kernel = np.full((1, length), 1 / length, np.float32)
    return _bytes(np.asarray(cv2.filter2D(picture, -1, kernel)))


def two_faces(sprite: Sprite, width: int, height: int) -> UInt8:
    """A second person behind."""
    picture = _room(width, height)
    _place(picture, sprite, 0.72, (0.28, 0.62))
    _place(picture, sprite, 0.98, (0.66, 0.54))
    return _bytes(picture)


def not_asked(sprite: Sprite, width: int, height: int) -> UInt8:
    """A person who cannot be recognised."""
    picture = _portrait(sprite, width, height, FACE_ZOOM)
    n = max(8, width // 12)
    small = cv2.resize(picture, (width // n, height // n), interpolation=cv2.INTER_AREA)
    return _bytes(np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)))


def sketch(sprite: Sprite, width: int, height: int) -> UInt8:
    """A pencil drawing."""
    grey = np.asarray(cv2.cvtColor(_bytes(_portrait(sprite, width, height, FACE_ZOOM)), cv2.COLOR_BGR2GRAY))
    soft = np.asarray(cv2.GaussianBlur(255 - grey, (0, 0), max(1.0, width / 40)))
    pencil = np.minimum(255, grey.astype(np.float32) * 255 / np.maximum(1, 255 - soft.astype(np.float32)))
    lines = np.clip((pencil - 120) * 1.9, 0, 250)
    return _bytes(np.repeat(lines[..., None], 3, axis=2))


def mouth_sharp(sprite: Sprite, width: int, height: int) -> UInt8:
    """A sharp mouth."""
    return _bytes(_mouth(sprite, width, height))


def mouth_soft(sprite: Sprite, width: int, height: int) -> UInt8:
    """A mouth without detail."""
    return _bytes(np.asarray(cv2.GaussianBlur(_mouth(sprite, width, height), (0, 0), width / 45)))


def _portrait(sprite: Sprite, width: int, height: int, zoom: float, y: float = 0.5) -> NDArray[np.float32]:
    picture = _room(width, height)
    _place(picture, sprite, zoom, (0.5, y))
    return picture


def _mouth(sprite: Sprite, width: int, height: int) -> NDArray[np.float32]:
    picture = _room(width, height)
    _place(picture, sprite, MOUTH_ZOOM, (0.5, 0.5), MOUTH_CENTRE)
    return picture


def _room(width: int, height: int) -> NDArray[np.float32]:
    """A wall that is lighter in the middle."""
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    edge = np.clip(np.hypot(x, 0.8 * y + 0.2) / 1.4, 0, 1)[..., None]
    return np.asarray(np.array(WALL) * (1 - edge) + np.array(EDGE) * edge, np.float32)


def _place(
    picture: NDArray[np.float32],
    sprite: Sprite,
    zoom: float,
    at: tuple[float, float],
    centre: tuple[float, float] = FACE_CENTRE,
) -> None:
    """Draw the avatar over a picture, its `centre` at `at`; `zoom` is its side over the height of the picture."""
    height, width = picture.shape[:2]
    colours, cover = sprite
    side = colours.shape[0]
    scale = zoom * height / side
    shift = (at[0] * width - centre[0] * side * scale, at[1] * height - centre[1] * side * scale)
    if scale < 1:
        # Without this, strong reduction would alias.
        small = max(1, round(side * scale))
        colours = np.asarray(cv2.resize(colours, (small, small), interpolation=cv2.INTER_AREA), np.uint8)
        cover = np.asarray(cv2.resize(cover, (small, small), interpolation=cv2.INTER_AREA), np.float32)[..., None]
        scale = 1.0
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    flags = cv2.INTER_CUBIC
    placed = np.asarray(cv2.warpAffine(colours, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE))
    alpha = np.asarray(cv2.warpAffine(cover, matrix, (width, height), flags=cv2.INTER_LINEAR))[..., None]
    picture[:] = picture * (1 - alpha) + placed.astype(np.float32) * alpha


def _bytes(picture: NDArray[np.floating]) -> UInt8:
    return np.asarray(np.clip(picture, 0, 255), np.uint8)
