"""A student without a network, which remembers its inputs."""

import numpy as np

from avatar_app.contracts.mel_spec import MEL
from avatar_app.contracts.mouth import MouthShape, Patch, PatchBox, PatchPlace
from avatar_app.contracts.student_spec import ModelFile, Precision, StudentSpec

BOX = PatchBox(64, 128, 128, 96)
PLACE = PatchPlace(BOX, 256)


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
    """Renders one grey; remembers every mel window and look-ahead."""

    engine_name = precision_label = ""

    def __init__(self, spec: StudentSpec | None = None, grey: int = 128) -> None:
        self.spec = spec or fake_spec()
        self.grey = grey
        self.windows: list[np.ndarray] = []
        self.lookaheads_ms: list[int] = []
        self.is_closed = False

    def drive(self, mel: np.ndarray, lookahead_ms: int) -> MouthShape:
        self.windows.append(mel.copy())
        self.lookaheads_ms.append(lookahead_ms)
        pixels = np.full((self.spec.box.h, self.spec.box.w, 3), self.grey, dtype=np.uint8)
        return MouthShape(Patch(pixels, PatchPlace(self.spec.box, self.spec.size_px)))

    def close(self) -> None:
        self.is_closed = True
