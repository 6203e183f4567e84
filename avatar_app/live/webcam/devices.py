"""The cameras of this machine, by name."""

from __future__ import annotations

import difflib
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2

from avatar_app.contracts.errors import CameraInputError

SYS_FOLDER = Path("/sys/class/video4linux")
# The virtual camera of this program, as `avatar-app doctor` names it: the avatar must not track itself.
OWN_CAMERA = "Avatar"
N_GUESSED = 4
PLUG_IN = "Plug one in, or use `file:PATH` to play a video in its place."


@dataclass(frozen=True, slots=True)
class CameraDevice:
    """A camera.

    Attributes:
        name: from the system, made unique.
        address: what OpenCV opens: a path on Linux, a number elsewhere.
        backend: OpenCV's number of the capture backend; name and address are valid for that one alone.
    """

    name: str
    address: str | int
    backend: int


def list_cameras() -> tuple[CameraDevice, ...]:
    """All cameras in the order of the system, without opening them."""
    if sys.platform.startswith("linux"):
        return _unique(_linux(SYS_FOLDER))
    return _unique(_named())


def find_camera(name: str) -> CameraDevice:
    """Find a camera by name.

    Args:
        name: as in `list_cameras`, or a part that only one name has; "" for the first.

    Raises:
        CameraInputError: there is none; the message names those that exist.
    """
    cameras = list_cameras()
    if not cameras:
        raise CameraInputError("No camera was found.", PLUG_IN)
    matches = [one for one in cameras if one.name == name] or [
        one for one in cameras if name.lower() in one.name.lower()
    ]
    if len(matches) == 1 or (matches and not name):
        return matches[0]
    names = [one.name for one in matches or cameras]
    near = difflib.get_close_matches(name, names, 1, 0.4)
    known = ", ".join(near + [other for other in names if other not in near])
    what = f"More than one camera is named {name!r}." if matches else f"There is no camera {name!r}."
    raise CameraInputError(what, f"Use one of: {known}.")


def _linux(folder: Path) -> Iterable[CameraDevice]:
    """The kernel's list. The second node of a camera, with index 1, delivers metadata and no picture."""
    nodes = [path for path in folder.glob("video*") if path.name.removeprefix("video").isdigit()]
    for node in sorted(nodes, key=lambda path: int(path.name.removeprefix("video"))):
        name = _text(node / "name")
        if _text(node / "index") in ("", "0") and name != OWN_CAMERA:
            yield CameraDevice(name or node.name, f"/dev/{node.name}", cv2.CAP_V4L2)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _named() -> Iterable[CameraDevice]:
    """From cv2-enumerate-cameras; without it, the first few indices, of which not all may exist."""
    backend = cv2.CAP_AVFOUNDATION if sys.platform == "darwin" else cv2.CAP_DSHOW
    try:
        from cv2_enumerate_cameras import enumerate_cameras
    except ImportError:
        return [CameraDevice(f"Camera {k + 1}", k, backend) for k in range(N_GUESSED)]
    found = [CameraDevice(str(one.name), int(one.index), backend) for one in enumerate_cameras(backend)]
    return [one for one in found if one.name != OWN_CAMERA]


def _unique(cameras: Iterable[CameraDevice]) -> tuple[CameraDevice, ...]:
    """Number the names that occur more than once."""
    counts: Counter[str] = Counter()
    named = []
    for one in cameras:
        counts[one.name] += 1
        n = counts[one.name]
        named.append(replace(one, name=f"{one.name} ({n})") if n > 1 else one)
    return tuple(named)
