"""`avatar-app studio avatar`: build an avatar folder from pictures and clips."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.atomic_file import replacing_folder
from avatar_app.contracts.avatar_data import AvatarData
from avatar_app.contracts.avatar_spec import AVATAR_SCHEMA
from avatar_app.contracts.errors import OutputError, StudioError
from avatar_app.progress import ProgressBar
from avatar_app.studio.enrol.readers import READERS, find_reader
from avatar_app.studio.enrol.spread import spread_colours

log = logging.getLogger(__name__)

UInt8 = NDArray[np.uint8]

JPEG_QUALITY = 95

Count = Callable[[int, int], None]


def write_avatar(data: AvatarData, out: Path, models: Sequence[str], count: Count | None = None) -> None:
    """Write an avatar folder; an older one is replaced when the new one is complete.

    Args:
        data: the material.
        out: the folder; its name is the avatar's id.
        models: ids of the students that generate its mouth, best first.
        count: receives the numbers of finished and of all idle pictures; None draws a progress bar.

    Raises:
        StudioError: an idle picture has another size, or there are more or fewer than crops.
        OutputError: the folder cannot be written.
    """
    try:
        with replacing_folder(out) as folder:
            (folder / "idle").mkdir()
            _write_idle(data, folder / "idle", count)
            _write_picture(folder / "reference.png", data.reference)
            _write_picture(folder / "mask.png", data.mask)
            text = json.dumps(_description(data, out.name, models), indent=1)
            (folder / "avatar.json").write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"The avatar folder {out} cannot be written: {error}.", "Choose another --out.") from error


def _write_idle(data: AvatarData, folder: Path, count: Count | None) -> None:
    """Colours as JPEG and alpha as PNG, as the live path reads them."""
    n_expected, n_written, shape = len(data.crop_to_portrait), 0, (data.size_px, data.size_px, 4)
    progress = ProgressBar()
    if count is None:
        progress.start(n_expected, data.fps)
        count = lambda n_done, n_all: progress.advance()  # noqa: E731
    for picture in data.idle:
        if picture.shape != shape:
            raise StudioError(f"Idle picture {n_written} is {picture.shape}, not {shape}.", "Prepare the data again.")
        colours, alpha = np.ascontiguousarray(picture[:, :, :3]), np.ascontiguousarray(picture[:, :, 3])
        stem, options = folder / f"{n_written:06d}", [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        _write_picture(stem.with_suffix(".jpg"), spread_colours(colours, alpha), options)
        _write_picture(stem.with_suffix(".png"), alpha, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        n_written += 1
        count(n_written, n_expected)
    progress.end()
    if n_written != n_expected or not n_written:
        raise StudioError(f"There are {n_written} idle pictures and {n_expected} crops.", "Prepare the data again.")


def _write_picture(path: Path, picture: UInt8, options: Sequence[int] = ()) -> None:
    # Not imwrite: it takes no paths with letters beyond ASCII on Windows.
    path.write_bytes(cv2.imencode(path.suffix, picture, list(options))[1].tobytes())


def _description(data: AvatarData, avatar_id: str, models: Sequence[str]) -> dict[str, Any]:
    numbers = [f"{k:06d}" for k in range(len(data.crop_to_portrait))]
    return {
        "schema": AVATAR_SCHEMA,
        "id": avatar_id,
        "title": data.title,
        "licence": data.licence,
        "credit": data.credit,
        **({} if data.consent is None else {"consent": data.consent.to_json()}),
        "size_px": data.size_px,
        "idle_fps": data.fps,
        "idle_files": [f"idle/{number}.jpg" for number in numbers],
        "alpha_files": [f"idle/{number}.png" for number in numbers],
        "crop_px": data.crop_px,
        "crop_to_portrait": [[[round(float(v), 5) for v in row] for row in crop] for crop in data.crop_to_portrait],
        "mask_file": "mask.png",
        "reference_file": "reference.png",
        "models": list(models),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio avatar`."""
    kinds = "; ".join(f"{kind}: {reader.title}" for kind, reader in READERS.items())
    parser = argparse.ArgumentParser(prog="avatar-app studio avatar", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the pictures and clips")
    parser.add_argument("--from", dest="kind", metavar="KIND", help=f"kind of data (default: recognised); {kinds}")
    parser.add_argument("--out", type=Path, required=True, help="avatar folder; its name is the avatar's id")
    parser.add_argument("--title", help="display name (default: from the data)")
    parser.add_argument("--licence", help="licence of the avatar (default: from the data)")
    parser.add_argument("--credit", help="authors and sources (default: from the data)")
    parser.add_argument("--models", nargs="+", help="students that generate its mouth, best first")
    arguments = parser.parse_args(argv)
    reader = find_reader(arguments.data, arguments.kind)
    data = reader.read(arguments.data)
    given = {name: getattr(arguments, name) for name in ("title", "licence", "credit")}
    data = replace(data, **{name: value for name, value in given.items() if value is not None})
    write_avatar(data, arguments.out, arguments.models or reader.models)
    log.info("%s%s", arguments.out, "".join(f", {name} {value:.2f}" for name, value in data.quality.items()))
    return 0
