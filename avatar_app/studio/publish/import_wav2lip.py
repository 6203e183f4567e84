"""`avatar-app studio import-wav2lip`: convert a published checkpoint to a model of the live program.

The published weights of Wav2Lip and of its 28x student are for research and personal use only. The program never ships
them: the converted model lies in the user's own models folder, states its licence in every file, and is used only when
the user names it.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avatar_app.contracts.atomic_file import replacing_folder
from avatar_app.contracts.errors import StudioError
from avatar_app.live.frame import Avatar
from avatar_app.live.student import list_models
from avatar_app.settings.paths import ProfilePaths
from avatar_app.studio.export.graphs import TrainedStudent
from avatar_app.studio.nets import Student28x, Wav2Lip
from avatar_app.studio.nets.generator import Generator
from avatar_app.studio.nets.published import fill, read_weights
from avatar_app.studio.publish import gate, package
from avatar_app.studio.publish.one_lookahead import trained_student, write_folder

log = logging.getLogger(__name__)

LICENCE = "NON-COMMERCIAL: research and personal use only"
FIRST_WEIGHT = "face_encoder_blocks.0.0.conv_block.0.weight"
NEITHER = "Choose wav2lip.pth, wav2lip_gan.pth or the published checkpoint of the 28x student."


@dataclass(frozen=True)
class Published:
    """A published network.

    Attributes:
        title: name shown to the user, without "(non-commercial)".
        architecture: name of the architecture.
        net: class of the network.
        trained_on: training data according to the authors.
        credit: authors and paper.
    """

    title: str
    architecture: str
    net: type[Wav2Lip] | type[Student28x]
    trained_on: str
    credit: str


# By the number of channels of the first layer, which differs between the networks.
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
    """Identify the published network in a file, and load its weights.

    Raises:
        StudioError: the file is missing, cannot be read without running code, or contains another network.
    """
    weights = read_weights(path)
    known = KNOWN.get(_first_width(weights))
    if known is None:
        raise StudioError(f"The checkpoint {path} is neither Wav2Lip nor its 28x student.", NEITHER)
    return known, fill(known.net(), weights, path)


def import_checkpoint(path: Path, models: Path, model_id: str = "", avatar_id: str = "nova") -> Path:
    """Convert a checkpoint to a model folder.

    Args:
        path: the checkpoint as its authors published it.
        models: models folder; an older model folder of the same name is replaced.
        model_id: name of the model; derived from the file name when empty.
        avatar_id: avatar whose face it uses.

    Returns:
        The model folder.

    Raises:
        StudioError: the file cannot be used, or the picture of an engine differs from that of torch.
        AvatarError: there is no such avatar.
        OSError: the folder cannot be written.
    """
    model_id = _checked_id(model_id or path.stem)
    known, net = read_checkpoint(path)
    trained = trained_student(
        net,
        model_id,
        f"{known.title} (non-commercial)",
        known.architecture,
        avatar_id=avatar_id,
        licence=LICENCE,
        trained_on=known.trained_on,
    )
    facts = {"imported": {"file": path.name, "sha256": _sha256(path), "credit": known.credit}}
    with replacing_folder(models / model_id) as folder:
        _write(trained, folder, facts)
    return models / model_id


def _write(trained: TrainedStudent, folder: Path, facts: Mapping[str, Any]) -> None:
    """Write the folder, and compare the pictures of every engine with those of torch."""
    log.info("exporting %s", trained.id)
    face = Avatar.load(trained.avatar_id).face_input(trained.size_px)
    spec, manifest, golden = write_folder(trained, face, folder, facts)
    log.info("comparing the engines with torch")
    manifest["quality"] = {"golden_psnr_db": gate.check_golden(folder, spec, golden)}
    package.save_manifest(folder, manifest)
    (folder / "README.md").write_text(card(manifest), encoding="utf-8")


def card(manifest: Mapping[str, Any]) -> str:
    """The model's README."""
    imported = manifest["provenance"].get("imported", {})
    psnr_rows = [f"| {pair} | {psnr_db:.1f} dB |" for pair, psnr_db in manifest["quality"]["golden_psnr_db"].items()]
    lines = [
        f"# {manifest['title']}",
        "",
        f"**{manifest['licence']}.** Its authors published these weights under terms that forbid commercial use.",
        "Do not distribute this folder, do not sell videos made with it, and do not train another network from it.",
        "",
        f"- Architecture: {manifest['architecture']}, {manifest['n_parameters']:,} parameters",
        f"- Authors: {imported.get('credit', 'see the licence')}",
        f"- Trained on: {'; '.join(manifest['provenance']['trained_on'])}",
        f"- Imported from: `{imported.get('file', '')}`, sha256 `{imported.get('sha256', '')}`",
        f"- Look-ahead: {manifest['lookahead_ms'][0]} ms; it was trained for no other",
        f"- Avatar: {manifest['avatar_id']}",
        "",
        "PSNR of the pictures of each engine against those of torch:",
        "",
        "| engine and precision | PSNR |",
        "|---|---|",
        *psnr_rows,
    ]
    return "\n".join(lines) + "\n"


def _first_width(weights: Mapping[str, Tensor]) -> int:
    first = weights.get(FIRST_WEIGHT)
    return 0 if first is None else int(first.shape[0])


def _checked_id(name: str) -> str:
    model_id = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")
    if not model_id:
        raise StudioError(
            f"The model name {name!r} is not valid.", "Choose a name of letters and digits with --id NAME."
        )
    if model_id in list_models():
        raise StudioError(f"The program already has a model named {model_id!r}.", "Choose another name with --id NAME.")
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
    parser.add_argument("--id", default="", metavar="NAME", help="name of the model (default: from the file name)")
    parser.add_argument("--avatar", default="nova", metavar="ID", help="avatar whose face it uses")
    parser.add_argument("--profile-dir", type=Path, metavar="DIR", help="folder of the user's settings and models")
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
