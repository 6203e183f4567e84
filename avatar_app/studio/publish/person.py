"""Publishes the model of a person in the user's own models folder.

A user has neither the data of the shipped models nor minutes to spare: INT8 is calibrated on the person's own voice and
the program's speech sample, and the sensitivity of the layers is taken from the shipped model of the same architecture.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.atomic_file import replacing_folder
from avatar_app.contracts.avatar_data import Split
from avatar_app.contracts.errors import ModelError, StudioError
from avatar_app.contracts.student_spec import Precision, StudentSpec
from avatar_app.live.mic.audio_file import read_audio
from avatar_app.live.student import find_model, list_models
from avatar_app.live.student.engines import installed_engines
from avatar_app.live.student.loading import open_student
from avatar_app.settings.paths import demo_sample
from avatar_app.studio.data.person_clips import FaceClip
from avatar_app.studio.export.calibration import calibration_feeds
from avatar_app.studio.export.graphs import TrainedStudent, nova_hd
from avatar_app.studio.export.sensitivity import LayerSensitivity, published_layers
from avatar_app.studio.metrics.live_path import MOUTH, generated_mouths
from avatar_app.studio.metrics.person_scores import PersonTests, score_person_student
from avatar_app.studio.metrics.scores import psnr_db
from avatar_app.studio.publish import gate, package

log = logging.getLogger(__name__)

Float32 = NDArray[np.float32]

# The shipped model of the same architecture.
ARCHETYPE = "nova-hd"
LICENCE = "The model shows a person. Only this person, or who has the person's permission, may use it."
TRAINED_ON = ("A video of the person", f"The networks of {ARCHETYPE} (Apache-2.0)")
N_CALIBRATION_WINDOWS = 120
# Precisions are compared on the first of the held-out sentences.
N_COMPARED_CLIPS = 3


@dataclass(frozen=True)
class PersonModel:
    """What a model folder of a person says about itself.

    Attributes:
        id: of the model; its folder has this name.
        avatar_id: avatar whose mouth it generates.
        title: display name.
        facts: provenance: recipes and scores of the training runs.
        licence: of the weights.
    """

    id: str
    avatar_id: str
    title: str
    facts: Mapping[str, Any]
    licence: str = LICENCE


def publish_person(
    encoder: Path, renderer: Path, about: PersonModel, clips: Sequence[FaceClip], tests: PersonTests, models_dir: Path
) -> Path:
    """Export, quantize, check and measure a person's model, and write its folder. It is never registered as default.

    Args:
        encoder: folder of the speech encoder.
        renderer: folder of the mouth renderer.
        about: names, licence and provenance.
        clips: of the person; INT8 is calibrated on the sound of those for training.
        tests: held-out sentences.
        models_dir: the user's models folder; an older model of the same name is replaced.

    Returns:
        The model folder.

    Raises:
        StudioError: the networks cannot be read, a shipped model has this name, FP32 differs from the trained network,
            or the folder cannot be written; an older model of the same name is kept.
    """
    if about.id in list_models():
        raise StudioError(f"The program already has a model named {about.id!r}.", "Choose another name.")
    trained = _student(encoder, renderer, about)
    try:
        with replacing_folder(models_dir / about.id) as folder:
            _write(trained, about, clips, tests, folder)
    except OSError as error:
        raise StudioError(f"The model cannot be written to {models_dir}: {error}.", "Free some space.") from error
    return models_dir / about.id


def _student(encoder: Path, renderer: Path, about: PersonModel) -> TrainedStudent:
    return replace(
        nova_hd(encoder, renderer),
        id=about.id,
        title=about.title,
        avatar_id=about.avatar_id,
        licence=about.licence,
        trained_on=TRAINED_ON,
    )


def _write(
    trained: TrainedStudent, about: PersonModel, clips: Sequence[FaceClip], tests: PersonTests, folder: Path
) -> None:
    sounds = list(_sounds(clips))
    feeds = calibration_feeds(trained, sounds, None, np.random.default_rng(0), -(-N_CALIBRATION_WINDOWS // len(sounds)))
    swept = package.write_graphs(trained, feeds, folder, about.facts, layers=_layers())
    golden = package.write_golden(trained, feeds, None, folder)
    manifest = package.manifest_of(trained, folder, {**about.facts, "sensitivity": {**swept, "swept_on": ARCHETYPE}})
    found_db = _checked_precisions(folder, manifest, golden)
    spec = package.save_manifest(folder, manifest)
    losses_db = _losses_db(folder, spec, tests)
    student = open_student(folder, spec, _engines()[0], _best(spec))
    scores = score_person_student(student, tests)
    student.close()
    manifest["quality"] = {
        "loss_db": losses_db,
        "golden_psnr_db": found_db,
        "held_out": {"precision": _best(spec).value, "n_sentences": len(tests.clips), **scores},
    }
    package.save_manifest(folder, manifest)
    (folder / "README.md").write_text(card(manifest), encoding="utf-8")


def _sounds(clips: Sequence[FaceClip]) -> Iterator[Float32]:
    """The person's training sentences, and the program's speech sample."""
    yield from (clip.sound for clip in clips if clip.split is Split.TRAIN)
    yield read_audio(demo_sample())


def _layers() -> tuple[LayerSensitivity, ...]:
    """Sensitivity of the layers of the shipped model."""
    manifest = json.loads((find_model(ARCHETYPE) / "manifest.json").read_text(encoding="utf-8"))
    return published_layers(manifest["provenance"]["sensitivity"])


def _engines() -> tuple[str, ...]:
    return tuple(engine for engine in gate.ENGINES if engine in installed_engines())


def _best(spec: StudentSpec) -> Precision:
    return Precision.MIXED if Precision.MIXED in spec.files else Precision.FP32


def _checked_precisions(folder: Path, manifest: dict[str, Any], golden: gate.Golden) -> dict[str, float]:
    """Remove the precisions that an engine of this machine computes badly; return the PSNR of the others.

    Raises:
        StudioError: FP32 is among them.
    """
    spec, found_db = package.save_manifest(folder, manifest), {}
    for precision in spec.files:
        found = _golden_db(folder, spec, golden, precision)
        if not found:
            (folder / manifest["files"].pop(precision.value)["file"]).unlink()
        found_db.update(found)
    return found_db


def _golden_db(folder: Path, spec: StudentSpec, golden: gate.Golden, precision: Precision) -> dict[str, float]:
    """PSNR of a precision in each engine; empty if an engine cannot run it, or not well."""
    try:
        return gate.check_golden(folder, spec, golden, _engines(), [precision])
    except (StudioError, ModelError) as error:
        if precision is Precision.FP32:
            raise
        log.warning("%s is left out: %s", precision.value, error)
        return {}


def _losses_db(folder: Path, spec: StudentSpec, tests: PersonTests) -> dict[str, float]:
    """By precision: mouth PSNR lost against FP32 on held-out sentences, in the engine that loses most."""
    losses_db: dict[str, float] = {}
    for engine in _engines():
        found_db = {p.value: _clips_psnr_db(folder, spec, engine, p, tests) for p in spec.files}
        for name, value in found_db.items():
            loss_db = round(found_db[Precision.FP32.value] - value, 3)
            losses_db[name] = max(loss_db, losses_db.get(name, loss_db))
    return losses_db


def _clips_psnr_db(folder: Path, spec: StudentSpec, engine: str, precision: Precision, tests: PersonTests) -> float:
    student = open_student(folder, spec, engine, precision)
    found = []
    for clip in tests.clips[:N_COMPARED_CLIPS]:
        mouths = generated_mouths(student, clip.sound, package.COMPARED_MS, tests.rest)
        found.append(psnr_db(mouths, clip.pictures[: len(mouths), MOUTH[0], MOUTH[1]]))
    student.close()
    return float(np.mean(found))


def card(manifest: Mapping[str, Any]) -> str:
    """The README of a person's model; every number comes from its manifest."""
    held_out = manifest["quality"]["held_out"]
    rows = [
        f"| {key.removeprefix('lookahead_')} ms | {s['mouth_psnr_db']:.1f} dB | {s['sharpness']:.2f}"
        f" | {s['seam']:.2f} | {_number(s, 'opening_correlation')} | {_number(s, 'closed_ratio')}"
        f" | {100 * s['rest_motion']:.1f} % |"
        for key, s in held_out.items()
        if key.startswith("lookahead_")
    ]
    lines = [
        f"# {manifest['title']}",
        "",
        f"Generates the mouth of the avatar *{manifest['avatar_id']}* from speech on a CPU, one picture per call.",
        "",
        f"- Licence: {manifest['licence']}",
        f"- Architecture: {manifest['architecture']}, {manifest['n_parameters']:,} parameters",
        f"- Trained on: {'; '.join(manifest['provenance']['trained_on'])}",
        "",
        f"## Quality on {held_out['n_sentences']} held-out sentences",
        "",
        "| look-ahead | mouth PSNR | sharpness | seam | opening r | lips closed | motion in silence |",
        "|---|---|---|---|---|---|---|",
        *rows,
    ]
    return "\n".join(lines) + "\n"


def _number(scores: Mapping[str, Any], name: str) -> str:
    return f"{scores[name]:.2f}" if name in scores else "-"
