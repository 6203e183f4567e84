"""Writes one picture as a PNG file."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import cv2
import numpy as np

from avatar_app.contracts import atomic_file
from avatar_app.contracts.packets import Picture
from avatar_app.live.record.folder import free_path, write_error
from avatar_app.live.record.marking import mark_png


def snapshot(picture: Picture, folder: Path, *, when: datetime | None = None) -> Path:
    """Write a picture as PNG with its alpha, under an unused name, marked as AI-generated. Takes about 20 ms.

    Args:
        picture: the picture.
        folder: where it is written; it must exist.
        when: time in the name; now by default.

    Raises:
        OutputError: the folder is missing, not writable or full.
    """
    png = mark_png(np.asarray(cv2.imencode(".png", picture.pixels)[1]).tobytes())
    path = free_path(folder / f"Avatar {when or datetime.now():%Y-%m-%d %H.%M.%S}.png")
    try:
        # `atomic_file` creates a missing folder; a deleted one must be reported instead.
        folder.stat()
        atomic_file.write_bytes(path, png)
    except OSError as error:
        raise write_error(path, error) from error
    return path
