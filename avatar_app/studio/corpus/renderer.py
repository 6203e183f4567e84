"""Runs the renderer kit: Blender in another Python, one picture for each row of a table of parameters."""

from __future__ import annotations

import contextlib
import logging
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.mouth import MOUTH_NAMES

log = logging.getLogger(__name__)

POSE_NAMES = ("headYaw", "headPitch", "headRoll", "eyeYaw", "eyePitch")
PARAM_NAMES = (*MOUTH_NAMES, "blink", "browUp", "browDown", *POSE_NAMES)
KIT_FILES = ("kit/render_avatar.py", "kit/sequences.py", "kit/export_rig.py", "mh", "mpfb", "assets")


@dataclass(frozen=True, slots=True)
class Kit:
    """The renderer kit.

    Attributes:
        folder: holds kit/, mh/, mpfb/ and assets/.
        python: an interpreter that imports bpy.
        identity: the person of the kit.
        cache: folder for the kit's baked data.
        n_threads: for rendering.
    """

    folder: Path
    python: str
    identity: str
    cache: Path
    n_threads: int

    def check(self) -> None:
        """Make sure that the kit is complete and that its interpreter imports Blender.

        Raises:
            StudioError: something is missing; the message names it.
        """
        missing = [name for name in KIT_FILES if not (self.folder / name).exists()]
        if missing:
            raise StudioError(f"The renderer kit {self.folder} lacks {', '.join(missing)}.", "Name another folder.")
        _run([self.python, "-c", "import bpy"], "The interpreter cannot import Blender's module bpy.")

    def render(
        self, params: Path, frames: Path, *, crop: str = "face", preset: str = "fast", is_rgba: bool = False
    ) -> None:
        """Render a PNG per row; existing pictures are kept.

        Args:
            params: NPZ with `params` (n, m) and `names` (m,).
            frames: folder of NNNNNN.png.
            crop: `face`, 256 px, or `full`, 512 px.
            preset: of the kit: `draft`, `fast`, `good` or `hq`.
            is_rgba: with straight alpha.

        Raises:
            StudioError: the renderer failed.
        """
        words = ["--params", str(params), "--out", str(frames), "--crop", crop, "--preset", preset]
        words += ["--threads", str(self.n_threads), *(["--transparent"] if is_rgba else [])]
        self._script("render_avatar.py", words)

    def write_idle(self, table: Path, seconds: float) -> None:
        """Write the parameters of a seamless idle loop at 25 fps as CSV."""
        words = [str(self.folder / "kit" / "sequences.py"), "idle", "--out", str(table), "--seconds", str(seconds)]
        _run([self.python, *words], "The idle loop's parameters cannot be made.")

    def write_rig(self, file: Path) -> None:
        """Write the head as a linear model, `rig.npz`."""
        self._script("export_rig.py", ["--out", str(file)])

    def _script(self, name: str, words: Sequence[str]) -> None:
        about = ["--mh", str(self.folder / "mh"), "--mpfb", str(self.folder / "mpfb")]
        about += ["--assets", str(self.folder / "assets"), "--cache", str(self.cache), "--identity", self.identity]
        _run([self.python, str(self.folder / "kit" / name), *about, *words], f"The renderer's {name} failed.")


def write_params(file: Path, columns: dict[str, NDArray[np.float32]], n_frames: int) -> None:
    """Write (n_frames, 22) parameters with their names; columns that are not given are 0.

    Raises:
        OSError: the file cannot be written.
    """
    params = np.zeros((n_frames, len(PARAM_NAMES)), np.float32)
    for name, values in columns.items():
        params[:, PARAM_NAMES.index(name)] = values
    np.savez(file, params=params, names=np.array(PARAM_NAMES))


@contextlib.contextmanager
def rendered(
    kit: Kit, params: Path, n_frames: int, *, crop: str = "face", preset: str = "fast", is_rgba: bool = False
) -> Iterator[Iterator[NDArray[np.uint8]]]:
    """The rendered pictures of a table of parameters, in order; see `Kit.render`.

    The renderer's files lie beside the table and are removed at the end. After an error they stay, so that the next
    call continues.

    Raises:
        StudioError: the renderer failed or left out a picture.
    """
    folder = params.with_name("frames")
    kit.render(params, folder, crop=crop, preset=preset, is_rgba=is_rgba)
    yield _read_frames(folder, n_frames)
    shutil.rmtree(folder)


def _read_frames(folder: Path, n_frames: int) -> Iterator[NDArray[np.uint8]]:
    for k in range(n_frames):
        file = folder / f"{k:06d}.png"
        picture = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        if picture is None:
            raise StudioError(f"The renderer left no picture {file}.", "Give the same command again.")
        yield np.asarray(picture, np.uint8)


def _run(command: Sequence[str], what: str) -> None:
    log.debug("running %s", command)
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - named by the user
    except OSError as error:
        raise StudioError(
            f"{what} {error}.", "Name a Python that has the package bpy with --renderer-python."
        ) from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise StudioError(f"{what} {last}.", "Read the kit's README; then give the same command again.")
