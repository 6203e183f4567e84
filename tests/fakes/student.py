"""A student without a network: what it draws tells what it was shown."""

import numpy as np

from avatar_app.contracts.mel_spec import MEL
from avatar_app.contracts.student_spec import ModelFile, PatchBox, Precision, StudentSpec

BOX = PatchBox(64, 128, 128, 96)


def fake_spec(n_mel_columns: int = 16, box: PatchBox = BOX) -> StudentSpec:
    return StudentSpec(
        id="fake",
        title="Fake",
        architecture="fake",
        avatar_id="nova",
        size_px=256,
        n_mel_columns=n_mel_columns,
        mel_fingerprint=MEL.fingerprint(),
        lookahead_ms=(0, 40, 80, 160),
        best_lookahead_ms=160,
        box=box,
        files={Precision.FP32: ModelFile("student.onnx", "")},
        face_file=None,
        golden_file=ModelFile("golden.npz", ""),
        licence="Apache-2.0",
        n_parameters=0,
        provenance={},
        quality={},
    )


class FakeStudent:
    """Draws one grey; remembers every window it saw and the look-ahead asked for."""

    def __init__(self, spec: StudentSpec | None = None, grey: int = 128) -> None:
        self.spec = spec or fake_spec()
        self.grey = grey
        self.windows: list[np.ndarray] = []
        self.lookaheads_ms: list[int] = []
        self.is_closed = False

    def draw(self, mel: np.ndarray, lookahead_ms: int) -> np.ndarray:
        self.windows.append(mel.copy())
        self.lookaheads_ms.append(lookahead_ms)
        return np.full((self.spec.box.h, self.spec.box.w, 3), self.grey, dtype=np.uint8)

    def close(self) -> None:
        self.is_closed = True
