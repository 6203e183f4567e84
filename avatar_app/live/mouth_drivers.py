"""The kinds of mouth drivers, and how each is opened from a model folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from avatar_app.contracts.errors import ModelError, UserError
from avatar_app.contracts.fields import shown
from avatar_app.contracts.mouth import MouthDriver
from avatar_app.contracts.packets import Float32
from avatar_app.contracts.student_spec import STUDENT_KIND, Precision
from avatar_app.live.student import AUTO, Student, find_model, load_folder, read_kind


@dataclass(frozen=True, slots=True)
class DriverOptions:
    """How to open a driver; a kind uses what it needs.

    Attributes:
        face_of: the face at rest of an avatar, by its id and the side in pixels: (1, 6, S, S) float32, see
            `Renderable.face_input`. Raises AvatarError.
        precision: of the graph; "auto" is the fastest within the model's quality budget.
        engine: an engine by name, or "auto".
        n_threads: that the engine may use for one mouth.
        cache_dir: where measured rankings are kept; None ignores them.
    """

    face_of: Callable[[str, int], Float32]
    precision: Precision | str = AUTO
    engine: str = AUTO
    n_threads: int = 1
    cache_dir: Path | None = None


def open_student(folder: Path, options: DriverOptions) -> Student:
    """A student with the face of its avatar.

    Raises:
        ModelError: it cannot be used.
        AvatarError: its avatar cannot be used.
    """
    student = load_folder(
        folder, options.precision, options.engine, n_threads=options.n_threads, cache_dir=options.cache_dir
    )
    try:
        student.set_face(options.face_of(student.spec.avatar_id, student.spec.size_px))
    except UserError:
        student.close()
        raise
    return student


# By the `kind` of the manifest, which is "student" where it is missing.
DRIVERS: dict[str, Callable[[Path, DriverOptions], MouthDriver]] = {
    STUDENT_KIND: open_student,
}


def open_driver(
    model_id: str, options: DriverOptions, *, models_dir: Path | None = None, user_dir: Path | None = None
) -> MouthDriver:
    """Open the mouth driver of a model.

    Args:
        model_id: a registered model; "" means the default.
        options: see `DriverOptions`.
        models_dir: folder of the models; None means the shipped ones.
        user_dir: folder of the user's own models, if any.

    Raises:
        ModelError: the model is missing, damaged, or of a kind that this program does not support.
        AvatarError: its avatar cannot be used.
    """
    folder = find_model(model_id, models_dir, user_dir)
    kind = read_kind(folder)
    if kind not in DRIVERS:
        raise ModelError(
            f"The model {folder.name} is of the kind {shown(kind)}, which this version does not support.",
            "Update the program, or choose another model.",
        )
    return DRIVERS[kind](folder, options)
