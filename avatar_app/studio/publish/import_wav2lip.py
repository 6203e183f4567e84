"""`avatar-app studio import-wav2lip`: a published checkpoint that the user has, as a model of the live program.

The published weights of Wav2Lip and of its 28x student may be used for research and privately only. They are never
shipped: what is made here lies in the user's own models folder, says so wherever a model can say something, and is
used when it is named, never by default.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avatar_app.contracts.errors import StudioError
from avatar_app.live.frame import Avatar
from avatar_app.live.student import list_models
from avatar_app.live.student.registry import UNFINISHED
from avatar_app.settings.paths import ProfilePaths
from avatar_app.studio.export.graphs import Source
from avatar_app.studio.nets import Student28x, Wav2Lip
from avatar_app.studio.nets.generator import Generator
from avatar_app.studio.nets.published import fill, read_weights
from avatar_app.studio.publish import gate, package
from avatar_app.studio.publish.one_lookahead import source_of, write_folder

log = logging.getLogger(__name__)

LICENCE = "NON-COMMERCIAL: research and personal use only"
FIRST_WEIGHT = "face_encoder_blocks.0.0.conv_block.0.weight"
NEITHER = "Choose wav2lip.pth, wav2lip_gan.pth or the published checkpoint of the 28x student."


@dataclass(frozen=True)
class Published:
    """A network that was published.

    Attributes:
        title: what a chooser shows before "(non-commercial)".
        architecture: in words.
        net: the class to fill.
        trained_on: what its authors say.
        credit: whose work it is.
    """

    title: str
    architecture: str
    net: type[Wav2Lip] | type[Student28x]
    trained_on: str
    credit: str


# By the channels of the first layer, which no two of them share.
KNOWN = {
    16: Published(
        "Wav2Lip", "Wav2Lip", Wav2Lip, "LRS2 (BBC; research only)",
        "Prajwal et al., A Lip Sync Expert Is All You Need (arXiv 2008.10010)",
    ),
    4: Published(
        "Wav2Lip 28x", "Wav2Lip 28x", Student28x, "LRS3 (TED; research only)",
        "Kim et al., A Unified Compression Framework for Speech-Driven Talking-Face Generation (arXiv 2304.00471)",
    ),
}  # fmt: skip


def read_checkpoint(path: Path) -> tuple[Published, Generator]:
    """Which published network a file holds, and the network with its weights.

    Raises:
        StudioError: the file is missing, cannot be read without running code, or holds another network.
    """
    weights = read_weights(path)
    known = KNOWN.get(_first_width(weights))
    if known is None:
        raise StudioError(f"The checkpoint {path} is neither Wav2Lip nor its 28x student.", NEITHER)
    return known, fill(known.net(), weights, path)


def import_checkpoint(path: Path, models: Path, model_id: str = "", avatar_id: str = "nova") -> Path:
    """Make a model folder of a checkpoint.

    Args:
        path: as its authors published it.
        models: folder that the model folder is made in; an older one of the same name is replaced.
        model_id: its name; made from the file's when empty.
        avatar_id: whose face it draws.

    Returns:
        The model folder.

    Raises:
        StudioError: the file cannot be used, or an engine does not draw what torch draws.
        AvatarError: there is no such avatar.
        OSError: the folder cannot be written.
    """
    model_id = _checked_id(model_id or path.stem)
    known, net = read_checkpoint(path)
    source = source_of(
        net,
        model_id,
        f"{known.title} (non-commercial)",
        known.architecture,
        avatar_id=avatar_id,
        licence=LICENCE,
        trained_on=known.trained_on,
    )
    facts = {"imported": {"file": path.name, "sha256": _sha256(path), "credit": known.credit}}
    unfinished = models / f"{model_id}{UNFINISHED}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        _write(source, unfinished, facts)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    folder = models / model_id
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return folder


def _write(source: Source, folder: Path, facts: Mapping[str, Any]) -> None:
    """Write the folder, and check that every engine draws what torch draws."""
    log.info("exporting %s", source.id)
    face = Avatar.load(source.avatar_id).face_input(source.size_px)
    spec, manifest, golden = write_folder(source, face, folder, facts)
    log.info("comparing the engines with torch")
    manifest["quality"] = {"golden_psnr_db": gate.check_golden(folder, spec, golden)}
    package.save_manifest(folder, manifest)
    (folder / "README.md").write_text(card(manifest), encoding="utf-8")


def card(manifest: Mapping[str, Any]) -> str:
    """The model's README."""
    imported = manifest["provenance"].get("imported", {})
    near = [f"| {pair} | {psnr_db:.1f} dB |" for pair, psnr_db in manifest["quality"]["golden_psnr_db"].items()]
    lines = [
        f"# {manifest['title']}",
        "",
        f"**{manifest['licence']}.** Its authors published these weights under terms that forbid commercial use.",
        "Do not ship this folder, do not sell what it draws, and do not train another network from it.",
        "",
        f"- Architecture: {manifest['architecture']}, {manifest['n_parameters']:,} parameters",
        f"- Work of: {imported.get('credit', 'see the licence')}",
        f"- Trained on: {'; '.join(manifest['provenance']['trained_on'])}",
        f"- Imported from: `{imported.get('file', '')}`, sha256 `{imported.get('sha256', '')}`",
        f"- Look-ahead: {manifest['lookahead_ms'][0]} ms, the only one that it learned",
        f"- Draws on the face of: {manifest['avatar_id']}",
        "",
        "Distance of what the engines draw from what torch draws:",
        "",
        "| engine and precision | PSNR |",
        "|---|---|",
        *near,
    ]
    return "\n".join(lines) + "\n"


def _first_width(weights: Mapping[str, Tensor]) -> int:
    first = weights.get(FIRST_WEIGHT)
    return 0 if first is None else int(first.shape[0])


def _checked_id(name: str) -> str:
    model_id = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")
    if not model_id:
        raise StudioError(f"No model can be named {name!r}.", "Give it a name of letters and digits: --id NAME.")
    if model_id in list_models():
        raise StudioError(f"The program has a model named {model_id!r} already.", "Give it another name: --id NAME.")
    return model_id


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio import-wav2lip`."""
    parser = argparse.ArgumentParser(prog="avatar-app studio import-wav2lip", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help="wav2lip.pth, wav2lip_gan.pth or the 28x student")
    parser.add_argument("--out", type=Path, metavar="DIR", help="models folder (default: the user's own)")
    parser.add_argument("--id", default="", metavar="NAME", help="name of the model (default: the file's)")
    parser.add_argument("--avatar", default="nova", metavar="ID", help="whose face it draws")
    parser.add_argument("--profile-dir", type=Path, metavar="DIR", help="as of the other commands")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    models = arguments.out or ProfilePaths(arguments.profile_dir).models_dir
    try:
        folder = import_checkpoint(arguments.file, models, arguments.id, arguments.avatar)
    except OSError as error:
        raise StudioError(
            f"The model cannot be written to {models}: {error.strerror}.", "Choose another folder with --out."
        ) from error
    print(f"{folder}\n{LICENCE}.\nUse it with: avatar-app --model {folder.name}")  # noqa: T201
    return 0
