"""The student: mel columns in, the mouth of one instant out."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np

from avatar_app.contracts.errors import InternalError, ModelError
from avatar_app.contracts.fields import shown
from avatar_app.contracts.mel_spec import MEL
from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.contracts.student_spec import Precision, StudentSpec
from avatar_app.live.student import ranking
from avatar_app.live.student.engine import ENGINES, EngineInfo, Session, open_session
from avatar_app.live.student.folder import read_manifest, verified_bytes
from avatar_app.live.student.registry import find_model

log = logging.getLogger(__name__)

AUTO = "auto"


class Student:
    """An opened model. Thread: one at a time; it may be made on one thread and used on another.

    Args:
        spec: the model's manifest.
        session: its graph, ready to run.
        face_session: the graph that looks at the face, for models that have one.
    """

    def __init__(self, spec: StudentSpec, session: Session, face_session: Session | None) -> None:
        self.spec = spec
        self._session = session
        self._face_session = face_session
        self._face: Float32 | None = None
        self._inputs: dict[str, Float32] = {
            "mel": np.zeros((1, 1, 80, spec.n_mel_columns), np.float32),
            "lookahead": np.zeros((1, len(spec.lookahead_ms)), np.float32),
        }

    @property
    def engine(self) -> EngineInfo:
        """What really runs."""
        return self._session.info

    def set_face(self, face: Float32) -> None:
        """Show the fixed identity; all that depends on it alone is computed here, once.

        Args:
            face: (1, 6, S, S) float32 in 0..1, BGR: the target pose without its lower half, then a reference.

        Raises:
            ModelError: the face has another size than the model's.
        """
        size_px = self.spec.size_px
        if face.shape != (1, 6, size_px, size_px):
            raise ModelError(
                f"The model {self.spec.id} needs a face of shape (1, 6, {size_px}, {size_px}), not {face.shape}.",
                "Use the avatar that the model was made for.",
            )
        self._face = face
        if self._face_session is not None:
            features = self._face_session.run({"face": face})
            self._session.keep({name: feature.copy() for name, feature in features.items()})

    def draw(self, mel: Float32, lookahead_ms: int) -> UInt8:
        """The mouth of one instant, as the live path uses it.

        Args:
            mel: (80, n_mel_columns) float32; its newest column lies `lookahead_ms` after the drawn instant.
            lookahead_ms: one of `spec.lookahead_ms`.

        Returns:
            (h, w, 3) uint8 BGR, the picture inside `spec.box`.
        """
        patch = self._infer(mel, lookahead_ms)
        picture: UInt8 = cv2.merge([cv2.convertScaleAbs(plane, alpha=255.0) for plane in patch])
        return picture

    def step(self, mel: Float32, face: Float32 | None = None, lookahead_ms: int | None = None) -> Float32:
        """The whole face of one instant, in Wav2Lip's form.

        Args:
            mel: (1, 1, 80, n_mel_columns) float32.
            face: (1, 6, S, S) float32 in 0..1; None means the face shown before.
            lookahead_ms: one of `spec.lookahead_ms`; None means the largest.

        Returns:
            (1, 3, S, S) float32 in 0..1, BGR: the reference face with the mouth drawn in.

        Raises:
            ModelError: no face was shown yet, or it has another size than the model's.
        """
        if face is not None and face is not self._face:
            self.set_face(face)
        if self._face is None:
            raise ModelError(
                f"The model {self.spec.id} was shown no face.", "Use the avatar that the model was made for."
            )
        box = self.spec.box
        picture = self._face[:, 3:].copy()
        ms = max(self.spec.lookahead_ms) if lookahead_ms is None else lookahead_ms
        picture[0, :, box.y : box.y + box.h, box.x : box.x + box.w] = self._infer(mel[0, 0], ms)
        return picture

    def try_out(self) -> None:
        """Draw once in silence: a graph that does not fit its manifest fails here, not in the middle of a sentence.

        Raises:
            ModelError: it does not draw a picture of the box's size.
        """
        side, columns = self.spec.size_px, self.spec.n_mel_columns
        try:
            self.set_face(np.zeros((1, 6, side, side), np.float32))
            patch = self._infer(np.full((80, columns), -MEL.max_abs_value, np.float32), self.spec.lookahead_ms[0])
            if patch.shape != (3, self.spec.box.h, self.spec.box.w) or not np.isfinite(patch).all():
                raise ValueError(f"it draws {patch.shape}")
        except Exception as error:
            raise ModelError(
                f"The file of the model {self.spec.id} does not do what its description says: {shown(str(error))}.",
                "Install the model again, or publish it anew with `avatar-app studio publish`.",
            ) from error
        finally:
            self._face = None

    def close(self) -> None:
        """Give the engine's memory back."""
        self._session.close()
        if self._face_session is not None:
            self._face_session.close()

    def _infer(self, mel: Float32, lookahead_ms: int) -> Float32:
        """(3, h, w) float32 in 0..1, valid until the next call."""
        if lookahead_ms not in self.spec.lookahead_ms:
            raise InternalError(f"{self.spec.id} has no look-ahead of {lookahead_ms} ms")
        if self._face_session is not None and self._face is None:
            raise ModelError(
                f"The model {self.spec.id} was shown no face.", "Use the avatar that the model was made for."
            )
        self._inputs["mel"][0, 0] = mel
        self._inputs["lookahead"][0] = 0.0
        self._inputs["lookahead"][0, self.spec.lookahead_ms.index(lookahead_ms)] = 1.0
        patch: Float32 = self._session.run(self._inputs)["patch"][0]
        return patch


def load(
    model_id: str = "",
    precision: Precision | str = AUTO,
    engine: str = AUTO,
    *,
    models_dir: Path | None = None,
    user_dir: Path | None = None,
    n_threads: int = 1,
    cache_dir: Path | None = None,
) -> Student:
    """Open a model.

    What is `auto` is chosen by the ranking that was measured on this machine (`ranking`), or by a fixed order before
    there is one. What is named is what runs, or an error: there is no silent fallback.

    Args:
        model_id: a registered model; "" means the default.
        precision: of the published graph; "auto" is the fastest within the model's quality budget.
        engine: one of `engine.ENGINES`, or "auto".
        models_dir: where the models lie; None means the shipped ones.
        user_dir: where the user's own models lie, if any.
        n_threads: that the engine may use for one picture.
        cache_dir: where the ranking lies; None means that none is used.

    Raises:
        ModelError: the model is not there or damaged, or no engine runs it as asked.
    """
    folder = find_model(model_id, models_dir, user_dir)
    spec = read_manifest(folder)
    pairs = _pairs(spec, _precision(precision), engine, cache_dir)
    for engine_name, chosen in pairs[:-1]:
        try:
            return open_student(folder, spec, engine_name, chosen, n_threads)
        except ModelError as error:  # noqa: PERF203
            log.warning("%s in %s with %s: %s", spec.id, chosen.value, engine_name, error)
    return open_student(folder, spec, *pairs[-1], n_threads)


def open_student(folder: Path, spec: StudentSpec, engine: str, precision: Precision, n_threads: int = 1) -> Student:
    """Open a model on one engine in one precision.

    Raises:
        ModelError: a file is missing, damaged or does not fit the manifest, or the engine refuses it.
    """
    if precision not in spec.files:
        raise ModelError(f"The model {spec.id} has no version in {precision.value}.", _precisions_hint(spec))
    graph = verified_bytes(folder, spec.files[precision])
    session = open_session(engine, graph, precision, n_threads)
    face_session = None
    if spec.face_file is not None:
        # It runs once, so its speed does not matter, and its features should be exact.
        face_graph = verified_bytes(folder, spec.face_file)
        face_session = open_session(engine, face_graph, Precision.FP32, n_threads)
    student = Student(spec, session, face_session)
    student.try_out()
    return student


def _precision(precision: Precision | str) -> Precision | None:
    """The precision that is named; None means the fastest.

    Raises:
        ModelError: there is no such precision.
    """
    if isinstance(precision, Precision) or precision == AUTO:
        return None if precision == AUTO else Precision(precision)
    try:
        return Precision(precision)
    except ValueError as error:
        names = ", ".join(p.value for p in Precision)
        raise ModelError(f"There is no precision named {precision!r}.", f"There are: auto, {names}.") from error


def _pairs(
    spec: StudentSpec, precision: Precision | None, engine: str, cache_dir: Path | None
) -> list[tuple[str, Precision]]:
    """Engines and precisions to try, best first."""
    precisions = (precision,) if precision else ranking.within_budget(spec)
    measured = ranking.read(spec, cache_dir) if cache_dir else None
    pairs = measured.order() if measured else [(e, p) for e in _default_engines(engine) for p in precisions]
    wanted = [(e, p) for e, p in pairs if p in precisions and engine in (AUTO, e)]
    # A pair that was named but never measured, as an engine installed since, is tried all the same.
    if not wanted:
        wanted = [(e, p) for e in _default_engines(engine) for p in precisions]
    return wanted


def _default_engines(engine: str) -> tuple[str, ...]:
    return ENGINES[:2] if engine == AUTO else (engine,)


def _precisions_hint(spec: StudentSpec) -> str:
    return f"Choose one of: {', '.join(p.value for p in spec.files)}."
