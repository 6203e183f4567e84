"""Opens a camera, or the file in its place, by the name in the settings."""

from __future__ import annotations

from pathlib import Path

from avatar_app.contracts.clock import Clock
from avatar_app.live.webcam.device_source import SIZE, DeviceSource
from avatar_app.live.webcam.file_source import FileSource
from avatar_app.live.webcam.picture_source import MAX_RECORDED_SIDE_PX, MAX_SIDE_PX, FrameSource
from avatar_app.settings.schema import FILE_PREFIX

# Larger than the face crop of an avatar needs, and still recorded in real time on two cores.
RECORDED_SIZE = (1280, 720)


def open_source_of(name: str, clock: Clock, *, is_recorded: bool = False) -> FrameSource:
    """Open a camera.

    Args:
        name: "" for the first camera, a camera's name, or `file:PATH`.
        clock: the program's.
        is_recorded: deliver full pictures for a recording instead of small ones for the tracker.

    Raises:
        CameraInputError: it cannot be opened.
    """
    max_side_px = MAX_RECORDED_SIDE_PX if is_recorded else MAX_SIDE_PX
    if name.startswith(FILE_PREFIX):
        return FileSource(Path(name[len(FILE_PREFIX) :]), clock, max_side_px)
    return DeviceSource(name, clock, RECORDED_SIZE if is_recorded else SIZE, max_side_px)
