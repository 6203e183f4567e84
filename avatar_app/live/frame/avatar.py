"""An opened avatar folder: the idle loop, the face at rest, the mouth mask."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.avatar_spec import AvatarSpec
from avatar_app.contracts.errors import AvatarError, InputFileError
from avatar_app.contracts.input_file import read_bytes
from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.live.frame.avatar_folder import DESCRIPTION, INSTALL_AGAIN, find_avatar, read_description
from avatar_app.live.frame.picture_file import decode_sized
from avatar_app.live.frame.pose_assets import BUILD_AGAIN, PoseAssets

if TYPE_CHECKING:
    from typing import Self  # Python 3.11

log = logging.getLogger(__name__)

JPEG_END = b"\xff\xd9"
PNG_END = b"IEND\xaeB`\x82"
MAX_PICTURE_BYTES = 20_000_000
# Of all idle pictures, which stay in memory.
MAX_IDLE_BYTES = 400_000_000


class Avatar:
    """An avatar made of pictures. They stay encoded in memory: 12 MB instead of 300.

    Thread: any; after loading, only the set of damaged pictures changes.

    Args:
        spec: its description.
        colours: JPEG pictures of the idle loop, encoded.
        alphas: their alpha as PNG, encoded.
        reference: (crop, crop, 3) uint8 BGR, the face at rest.
        mask: (crop, crop) uint8, weight of the mouth patch.
        folder: of the avatar; None for one that is not on disk.
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
        self._damaged: frozenset[int] = frozenset()
        self._alpha_runs: dict[int, tuple[UInt8, NDArray[np.int32]]] = {}

    @classmethod
    def load(cls, avatar_id: str, assets_dir: Path | None = None, user_dir: Path | None = None) -> Self:
        """Open an avatar by its id; for the arguments see `list_avatars`.

        Raises:
            AvatarError: there is no such avatar, or see `open`.
        """
        return cls.open(find_avatar(avatar_id, assets_dir, user_dir))

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open an avatar folder.

        Raises:
            AvatarError: a file of it is missing, cut short or of the wrong size.
        """
        spec = AvatarSpec.from_json(read_description(folder), str(folder / DESCRIPTION))
        side = (spec.crop_px, spec.crop_px)
        avatar = cls(
            spec,
            _read_all(folder, spec.idle_files, JPEG_END),
            _read_all(folder, spec.alpha_files, PNG_END),
            _read_picture(folder / spec.reference_file, cv2.IMREAD_COLOR, (*side, 3)),
            _read_picture(folder / spec.mask_file, cv2.IMREAD_GRAYSCALE, side),
            folder,
        )
        # A loop without one usable picture fails here, not with every frame.
        avatar.idle(0)
        return avatar

    @property
    def id(self) -> str:
        """Name of its folder."""
        return self.spec.id

    @property
    def n_idle(self) -> int:
        """Pictures of the idle loop."""
        return len(self._colours)

    @property
    def damaged_files(self) -> tuple[str, ...]:
        """Names of idle pictures that could not be decoded so far."""
        return tuple(self.spec.idle_files[k] for k in sorted(self._damaged))

    def idle(self, k: int) -> tuple[UInt8, UInt8]:
        """Idle picture k, or the nearest one that is not damaged.

        Returns:
            (size, size, 3) uint8 BGR, and (size, size) uint8 alpha, straight; both newly allocated.

        Raises:
            AvatarError: no idle picture can be decoded.
        """
        for near in self._nearest(k):
            try:
                return self._decode_idle(near)
            except AvatarError as error:  # noqa: PERF203
                self._damaged |= {near}
                log.warning("%s The nearest picture replaces it.", error.what)
        raise AvatarError(f"No idle picture of the avatar {self.spec.title} can be used.", INSTALL_AGAIN)

    @property
    def has_poses(self) -> bool:
        """Whether the head can be turned."""
        return self._folder is not None and (self._folder / "pose" / "pose.json").is_file()

    def poses(self) -> PoseAssets:
        """Load what turning the head needs, which takes half a second and 60 MB.

        Raises:
            AvatarError: there is none, or it cannot be used.
        """
        if self._folder is None or not self.has_poses:
            raise AvatarError(
                f"{self.spec.title}'s head cannot be turned.", "Choose another avatar, or run `avatar-app studio pose`."
            )
        poses = PoseAssets.load(self._folder / "pose")
        if len(poses.body) != self.spec.size_px or len(poses.idle) != self.n_idle:
            raise AvatarError(f"The poses in {self._folder} are those of another avatar.", BUILD_AGAIN)
        return poses

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

    def _nearest(self, k: int) -> Iterator[int]:
        """Picture k, then its neighbours by distance, without those that are damaged."""
        for distance in range(self.n_idle):
            for near in sorted({k - distance, k + distance}):
                if 0 <= near < self.n_idle and near not in self._damaged:
                    yield near

    def _decode_idle(self, k: int) -> tuple[UInt8, UInt8]:
        size_px = self.spec.size_px
        colours = _decode(self._colours[k], cv2.IMREAD_COLOR, (size_px, size_px, 3), self.spec.idle_files[k])
        return colours, self._alpha(k)

    def _alpha(self, k: int) -> UInt8:
        """The alpha of idle picture k, cached run-length encoded: decoding the PNG takes twenty times as long."""
        shape = (self.spec.size_px, self.spec.size_px)
        if k not in self._alpha_runs:
            self._alpha_runs[k] = _runs(_decode(self._alphas[k], cv2.IMREAD_GRAYSCALE, shape, self.spec.alpha_files[k]))
        values, lengths = self._alpha_runs[k]
        return np.repeat(values, lengths).reshape(shape)


def _read_all(folder: Path, names: Iterable[str], end: bytes) -> tuple[bytes, ...]:
    """Read encoded pictures. Only their ends are checked: decoding all would take half a second at every start."""
    contents, n_left = [], MAX_IDLE_BYTES // 2
    for name in names:
        content = _read(folder / name)
        n_left -= len(content)
        if n_left < 0:
            raise AvatarError(
                f"The idle pictures in {folder} are too large.", "Build the avatar with fewer or smaller pictures."
            )
        if not content.endswith(end):
            raise AvatarError(f"The avatar's picture {folder / name} is cut short.", INSTALL_AGAIN)
        contents.append(content)
    return tuple(contents)


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path, MAX_PICTURE_BYTES)
    except InputFileError as error:
        raise AvatarError(f"The avatar's picture {path} cannot be used: {error}.", INSTALL_AGAIN) from error


def _read_picture(path: Path, mode: int, shape: tuple[int, ...]) -> UInt8:
    return _decode(_read(path), mode, shape, str(path))


def _decode(content: bytes, mode: int, shape: tuple[int, ...], name: str) -> UInt8:
    try:
        return decode_sized(content, mode, shape)
    except InputFileError as error:
        raise AvatarError(f"The avatar's picture {name} cannot be used: {error}.", INSTALL_AGAIN) from error


def _runs(picture: UInt8) -> tuple[UInt8, NDArray[np.int32]]:
    """Run-length encode a picture, row after row: values and lengths."""
    pixels = picture.ravel()
    starts = np.concatenate(([0], np.flatnonzero(pixels[1:] != pixels[:-1]) + 1))
    return pixels[starts], np.diff(starts, append=len(pixels)).astype(np.int32)
