"""One picture as a file."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np

from avatar_app.contracts.packets import Picture
from avatar_app.live.record.folder import free_path, write_error
from avatar_app.live.record.marking import mark_png


def snapshot(picture: Picture, folder: Path, *, when: datetime | None = None) -> Path:
    """Write a picture as PNG with its alpha, under a name that nothing has; marked as AI-generated. Takes about 20 ms.

    Args:
        picture: what is shown.
        folder: where it goes; it must exist.
        when: for the name; now by default.

    Raises:
        OutputError: the folder is missing, cannot be written to or has no room.
    """
    png = mark_png(np.asarray(cv2.imencode(".png", picture.pixels)[1]).tobytes())
    path = free_path(folder / f"Avatar {when or datetime.now():%Y-%m-%d %H.%M.%S}.png")
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_bytes(png)
        temporary.rename(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise write_error(path, error) from error
    return path
