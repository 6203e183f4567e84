"""An avatar folder, opened: the idle loop, the face at rest, the mouth mask."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.avatar_spec import AvatarSpec
from avatar_app.contracts.errors import AvatarError
from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.live.frame.pose_assets import PoseAssets
from avatar_app.settings.paths import assets_dir as shipped_assets_dir

INSTALL_AGAIN = "Install the avatar again, or choose another one."
JPEG_END = b"\xff\xd9"
PNG_END = b"IEND\xaeB`\x82"


class Avatar:
    """An avatar whose idle pictures stay encoded in memory: 12 MB instead of 300.

    Thread: any; nothing in it changes after loading.

    Args:
        spec: its description.
        colours: JPEG pictures of the idle loop, encoded.
        alphas: their alpha as PNG, encoded.
        reference: (crop, crop, 3) uint8 BGR, the face at rest.
        mask: (crop, crop) uint8, where the mouth patch counts.
        folder: where it was opened; None for one that is not on disk.
    """

    def __init__(
        self,
        spec: AvatarSpec,
        colours: tuple[bytes, ...],
        alphas: tuple[bytes, ...],
        reference: UInt8,
        mask: UInt8,
        folder: Path | None = None,
    ) -> None:
        self.spec = spec
        self._folder = folder
        self.reference = reference
        self.mask = mask
        self._colours = colours
        self._alphas = alphas
        self._alpha_runs: dict[int, tuple[UInt8, NDArray[np.int32]]] = {}

    @classmethod
    def load(cls, avatar_id: str, assets_dir: Path | None = None) -> Avatar:
        """Open `assets/avatars/<id>`.

        Raises:
            AvatarError: there is no such avatar, or a file of it is missing, cut short or of the wrong size.
        """
        folder = _find(avatar_id, (assets_dir or shipped_assets_dir()) / "avatars")
        spec = _read_spec(folder)
        side = (spec.crop_px, spec.crop_px)
        return cls(
            spec,
            _read_all(folder, spec.idle_files, JPEG_END),
            _read_all(folder, spec.alpha_files, PNG_END),
            _read_picture(folder / spec.reference_file, cv2.IMREAD_COLOR, (*side, 3)),
            _read_picture(folder / spec.mask_file, cv2.IMREAD_GRAYSCALE, side),
            folder,
        )

    @property
    def n_idle(self) -> int:
        """Pictures of the idle loop."""
        return len(self._colours)

    def idle(self, k: int) -> tuple[UInt8, UInt8]:
        """Idle picture k.

        Returns:
            (size, size, 3) uint8 BGR, and (size, size) uint8 alpha, straight; both fresh.

        Raises:
            AvatarError: the picture cannot be decoded.
        """
        size_px = self.spec.size_px
        colours = _decode(self._colours[k], cv2.IMREAD_COLOR, (size_px, size_px, 3), self.spec.idle_files[k])
        return colours, self._alpha(k)

    def _alpha(self, k: int) -> UInt8:
        """The alpha of idle picture k, kept as runs once it was decoded: a PNG takes twenty times as long as they do."""
        shape = (self.spec.size_px, self.spec.size_px)
        if k not in self._alpha_runs:
            self._alpha_runs[k] = _runs(_decode(self._alphas[k], cv2.IMREAD_GRAYSCALE, shape, self.spec.alpha_files[k]))
        values, lengths = self._alpha_runs[k]
        return np.repeat(values, lengths).reshape(shape)

    @property
    def has_poses(self) -> bool:
        """Whether the head can be turned."""
        return self._folder is not None and (self._folder / "pose" / "pose.json").is_file()

    def poses(self) -> PoseAssets:
        """What turning the head needs: half a second and 60 MB, so it is opened only when it is wanted.

        Raises:
            AvatarError: there is none, or it cannot be used.
        """
        if self._folder is None or not self.has_poses:
            raise AvatarError(
                f"{self.spec.title}'s head cannot be turned.", "Choose another avatar, or run `avatar-app studio pose`."
            )
        return PoseAssets.load(self._folder / "pose")

    def face_input(self, size_px: int) -> Float32:
        """The face at rest as a student reads it.

        Args:
            size_px: the student's S.

        Returns:
            (1, 6, S, S) float32 in 0..1, BGR: the face without its lower half, then the whole of it.
        """
        picture = cv2.resize(self.reference, (size_px, size_px), interpolation=cv2.INTER_AREA)
        whole = picture.transpose(2, 0, 1).astype(np.float32) / 255
        masked = whole.copy()
        masked[:, size_px // 2 :] = 0
        return np.concatenate((masked, whole))[None]


def _find(avatar_id: str, root: Path) -> Path:
    folder = root / avatar_id
    if (folder / "avatar.json").is_file():
        return folder
    found = sorted(file.parent.name for file in root.glob("*/avatar.json"))
    hint = f"There are: {', '.join(found)}." if found else "Install the program again."
    raise AvatarError(f"There is no avatar named {avatar_id!r}.", hint)


def _read_spec(folder: Path) -> AvatarSpec:
    path = folder / "avatar.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AvatarError(f"The avatar description {path} cannot be read: {error}.", INSTALL_AGAIN) from error
    if not isinstance(data, dict):
        raise AvatarError(f"The avatar description {path} holds no fields.", INSTALL_AGAIN)
    return AvatarSpec.from_json(data, str(path))


def _read_all(folder: Path, names: Iterable[str], end: bytes) -> tuple[bytes, ...]:
    """Encoded pictures; decoding all would cost half a second at every start, so only their ends are checked."""
    contents = []
    for name in names:
        content = _read(folder / name)
        if not content.endswith(end):
            raise AvatarError(f"The avatar's picture {folder / name} is cut short.", INSTALL_AGAIN)
        contents.append(content)
    return tuple(contents)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AvatarError(f"The avatar's picture {path} cannot be read: {error.strerror}.", INSTALL_AGAIN) from error


def _read_picture(path: Path, mode: int, shape: tuple[int, ...]) -> UInt8:
    return _decode(_read(path), mode, shape, str(path))


def _decode(content: bytes, mode: int, shape: tuple[int, ...], name: str) -> UInt8:
    picture: UInt8 | None = cv2.imdecode(np.frombuffer(content, np.uint8), mode)
    if picture is None:
        raise AvatarError(f"The avatar's picture {name} is damaged.", INSTALL_AGAIN)
    if picture.shape != shape:
        raise AvatarError(f"The avatar's picture {name} is {picture.shape}, not {shape}.", INSTALL_AGAIN)
    return picture


def _runs(picture: UInt8) -> tuple[UInt8, NDArray[np.int32]]:
    """Value and length of each run of equal pixels, row after row."""
    pixels = picture.ravel()
    starts = np.concatenate(([0], np.flatnonzero(np.diff(pixels)) + 1))
    return pixels[starts], np.diff(starts, append=len(pixels)).astype(np.int32)
