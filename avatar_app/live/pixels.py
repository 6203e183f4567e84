"""Compositing of pictures by alpha: the "over" of Porter and Duff, "Compositing digital images" (1984).

Alpha is straight everywhere. The functions differ in the background, and in the pictures for which they are fast.
"""

from __future__ import annotations

import cv2
import numpy as np

from avatar_app.contracts.packets import Float32, UInt8

OPAQUE = 255


def over(colours: UInt8, alpha: UInt8, behind: UInt8 | None, into: UInt8 | None = None) -> UInt8:
    """Compose a picture over an opaque one. Fast where few pixels are partly transparent.

    Args:
        colours: (H, W, 4) uint8 BGRA; its alpha is not used.
        alpha: (H, W) uint8.
        behind: (H, W, 4) uint8 BGRA, opaque; None keeps the alpha instead.
        into: (H, W, 4) uint8, where to write the result; None allocates it.

    Returns:
        (H, W, 4) uint8 BGRA.
    """
    picture = np.empty_like(colours) if into is None else into
    if behind is None:
        np.copyto(picture, colours)
        cv2.insertChannel(alpha, picture, 3)
        return picture
    np.copyto(picture, behind)
    cv2.copyTo(colours, cv2.compare(alpha, OPAQUE, cv2.CMP_EQ), picture)
    # One pixel in eighty is neither inside nor outside; one less than 0 is 255.
    soft = np.flatnonzero(alpha - np.uint8(1) < 254)
    share = alpha.ravel()[soft].astype(np.uint16)[:, None]
    # Indexing four bytes as one number is the fast way to gather pixels.
    pixels = picture.view(np.uint32).reshape(-1)
    front = colours.view(np.uint32).reshape(-1)[soft].view(np.uint8).reshape(-1, 4)
    mixed = (front * share + pixels[soft].view(np.uint8).reshape(-1, 4) * (OPAQUE - share) + 127) // OPAQUE
    mixed[:, 3] = OPAQUE
    pixels[soft] = mixed.astype(np.uint8).view(np.uint32)[:, 0]
    return picture


def over_soft(colours: UInt8, alpha: UInt8, behind: UInt8 | None) -> UInt8:
    """Compose a picture over an opaque one. Fast where many pixels are partly transparent.

    Args:
        colours: (H, W, 3) uint8 BGR.
        alpha: (H, W) uint8.
        behind: (H, W, 3) uint8 BGR; None keeps the alpha instead.

    Returns:
        (H, W, 4) uint8 BGRA.
    """
    if behind is None:
        return cv2.merge((colours, alpha))  # type: ignore[no-any-return]
    share = cv2.multiply(alpha, 1 / OPAQUE, dtype=cv2.CV_32F)
    return cv2.cvtColor(cv2.blendLinear(colours, behind, share, 1 - share), cv2.COLOR_BGR2BGRA)  # type: ignore[no-any-return]


def over_colour(bgra: UInt8, colour_bgr: tuple[int, int, int]) -> UInt8:
    """Compose a picture over one colour.

    Args:
        bgra: (H, W, 4) uint8 BGRA.
        colour_bgr: 0..255 each.

    Returns:
        (H, W, 4) uint8, whose fourth channel is undefined; an opaque picture is returned itself.
    """
    alpha = cv2.extractChannel(bgra, 3)
    if _is_full(alpha):
        return bgra
    share = cv2.merge((alpha, alpha, alpha, alpha))
    front = cv2.multiply(bgra, share, scale=1 / OPAQUE)
    behind = np.empty(bgra.shape, np.uint8)
    # Writing four bytes as one number is three times as fast as `np.full`.
    behind.view(np.uint32)[...] = np.frombuffer(bytes((*colour_bgr, OPAQUE)), np.uint32)
    cv2.multiply(behind, cv2.bitwise_not(share, dst=share), dst=behind, scale=1 / OPAQUE)
    return np.asarray(cv2.add(front, behind, dst=front), np.uint8)


def over_transparent(under: UInt8, colours: Float32, alpha: Float32) -> None:
    """Compose a small picture over one that may be transparent itself, in place.

    Args:
        under: (h, w, 4) uint8 BGRA, changed in place.
        colours: (h, w, 3) float32 BGR in 0..255.
        alpha: (h, w, 1) float32 in 0..1.
    """
    under_alpha = under[..., 3:].astype(np.float32) / OPAQUE
    out_alpha = alpha + under_alpha * (1 - alpha)
    mixed = colours * alpha + under[..., :3] * (under_alpha * (1 - alpha))
    under[..., :3] = np.rint(mixed / np.maximum(out_alpha, 1e-6))
    under[..., 3:] = np.rint(OPAQUE * out_alpha)


def mix(first: UInt8, second: UInt8 | Float32, share: Float32) -> UInt8:
    """Interpolate between two pictures of one shape.

    Args:
        first: (..., c) uint8.
        second: (..., c) uint8 or float32 in 0..255.
        share: (..., 1) float32 in 0..1, of `second`.

    Returns:
        (..., c) uint8, rounded down.
    """
    mixed: UInt8 = (first + share * (second.astype(np.float32) - first)).astype(np.uint8)
    return mixed


def _is_full(alpha: UInt8) -> bool:
    return int(cv2.minMaxLoc(alpha)[0]) == OPAQUE
