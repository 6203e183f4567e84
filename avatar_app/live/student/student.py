"""The student network: a mel window in, the mouth of one instant out."""

from __future__ import annotations

import cv2
import numpy as np

from avatar_app.contracts.errors import InternalError, ModelError
from avatar_app.contracts.fields import shown
from avatar_app.contracts.mel_spec import MEL
from avatar_app.contracts.mouth import MouthShape, Patch, PatchPlace
from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.contracts.student_spec import StudentSpec
from avatar_app.live.student.engine import EngineInfo, Session


class Student:
    """An opened model. Thread: one at a time; it may be made on one thread and used on another.

    Args:
        spec: the model's manifest.
        session: of its graph.
        face_session: of the graph that encodes the face, for models that have one.
    """

    def __init__(self, spec: StudentSpec, session: Session, face_session: Session | None) -> None:
        self.spec = spec
        self._place = PatchPlace(spec.box, spec.size_px)
        self._session = session
        self._face_session = face_session
        self._face: Float32 | None = None
        self._inputs: dict[str, Float32] = {
            "mel": np.zeros((1, 1, 80, spec.n_mel_columns), np.float32),
            "lookahead": np.zeros((1, len(spec.lookahead_ms)), np.float32),
        }

    @property
    def engine(self) -> EngineInfo:
        """How it runs."""
        return self._session.info

    @property
    def engine_name(self) -> str:
        """See `MouthDriver`."""
        return self.engine.engine

    @property
    def precision_label(self) -> str:
        """See `MouthDriver`."""
        return self.engine.label

    def set_face(self, face: Float32) -> None:
        """Set the identity, and compute once all that depends on it alone.

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

    def drive(self, mel: Float32, lookahead_ms: int) -> MouthShape:
        """See `MouthDriver`."""
        return MouthShape(Patch(self.draw(mel, lookahead_ms), self._place))

    def draw(self, mel: Float32, lookahead_ms: int) -> UInt8:
        """The mouth of one instant as pixels.

        Args:
            mel: (80, n_mel_columns) float32; its newest column lies `lookahead_ms` after the instant.
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
            face: (1, 6, S, S) float32 in 0..1; None means the face that was set before.
            lookahead_ms: one of `spec.lookahead_ms`; None means the largest.

        Returns:
            (1, 3, S, S) float32 in 0..1, BGR: the reference face with the rendered mouth.

        Raises:
            ModelError: no face was set, or it has another size than the model's.
        """
        if face is not None and face is not self._face:
            self.set_face(face)
        if self._face is None:
            raise ModelError(
                f"No face was set for the model {self.spec.id}.", "Use the avatar that the model was made for."
            )
        box = self.spec.box
        picture = self._face[:, 3:].copy()
        ms = max(self.spec.lookahead_ms) if lookahead_ms is None else lookahead_ms
        picture[0, :, box.y : box.y + box.h, box.x : box.x + box.w] = self._infer(mel[0, 0], ms)
        return picture

    def try_out(self) -> None:
        """Run once on silence, so that a graph that does not match its manifest fails here and not during speech.

        Raises:
            ModelError: its output is not a picture of the box's size.
        """
        side, columns = self.spec.size_px, self.spec.n_mel_columns
        try:
            self.set_face(np.zeros((1, 6, side, side), np.float32))
            patch = self._infer(np.full((80, columns), -MEL.max_abs_value, np.float32), self.spec.lookahead_ms[0])
            if patch.shape != (3, self.spec.box.h, self.spec.box.w) or not np.isfinite(patch).all():
                raise ValueError(f"its output is {patch.shape}")
        except Exception as error:
            raise ModelError(
                f"The file of the model {self.spec.id} does not match its manifest: {shown(str(error))}.",
                "Install the model again, or publish it again with `avatar-app studio publish`.",
            ) from error
        finally:
            self._face = None

    def close(self) -> None:
        """Release the engine's memory."""
        self._session.close()
        if self._face_session is not None:
            self._face_session.close()

    def _infer(self, mel: Float32, lookahead_ms: int) -> Float32:
        """(3, h, w) float32 in 0..1, valid until the next call."""
        if lookahead_ms not in self.spec.lookahead_ms:
            raise InternalError(f"{self.spec.id} has no look-ahead of {lookahead_ms} ms")
        if self._face_session is not None and self._face is None:
            raise ModelError(
                f"No face was set for the model {self.spec.id}.", "Use the avatar that the model was made for."
            )
        self._inputs["mel"][0, 0] = mel
        self._inputs["lookahead"][0] = 0.0
        self._inputs["lookahead"][0, self.spec.lookahead_ms.index(lookahead_ms)] = 1.0
        patch: Float32 = self._session.run(self._inputs)["patch"][0]
        return patch
