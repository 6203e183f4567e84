"""The checks that a model must pass before it is registered."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.student_spec import Precision, StudentSpec
from avatar_app.live.student.loading import open_student
from avatar_app.live.student.ranking import BUDGET_DB
from avatar_app.live.student.student import Student
from avatar_app.studio.export.calibration import feed
from avatar_app.studio.export.graphs import TrainedStudent

Float32 = NDArray[np.float32]

ENGINES = ("openvino", "onnxruntime-cpu")
MAX_FILE_BYTES = 16_000_000
# Lowest PSNR against torch. FP32 in any engine differs from torch only by the order of sums.
MIN_PSNR_DB = {Precision.FP32: 60.0, Precision.FP16: 50.0, Precision.MIXED: 42.0, Precision.INT8: 30.0}
# Lowest speed-up of INT8 or mixed, whichever is faster, over FP32 in the same engine.
MIN_SPEEDUP = 1.8
N_ROUNDS = 15
STEPS_PER_ROUND = 40


@dataclass(frozen=True)
class Golden:
    """A few inputs, and the pictures that torch computes for them.

    Attributes:
        windows: (n, 80, W) float32 mel windows.
        heads: (n,) index of the look-ahead.
        patches: (n, 3, h, w) float32 in 0..1, BGR.
        face: (1, 6, S, S) float32 in 0..1, BGR; empty for students that take no face.
    """

    windows: Float32
    heads: NDArray[np.int64]
    patches: Float32
    face: Float32

    def save(self, path: Path) -> None:
        """Write `golden.npz`; pictures in FP16, which is finer than any tolerance."""
        np.savez_compressed(
            path,
            windows=self.windows,
            heads=self.heads,
            patches=self.patches.astype(np.float16),
            face=self.face.astype(np.float32),
        )


@torch.no_grad()
def make_golden(trained: TrainedStudent, windows: Sequence[Float32], face: Float32 | None) -> Golden:
    """Compute the pictures in torch."""
    n_heads = len(trained.lookahead_ms)
    heads = np.arange(len(windows)) % n_heads
    face_tensor = None if face is None else torch.from_numpy(face)
    patches = []
    for window, head in zip(windows, heads, strict=True):
        inputs = feed(window, int(head), {}, n_heads)
        mel, lookahead = torch.from_numpy(inputs["mel"]), torch.from_numpy(inputs["lookahead"])
        patches.append(trained.generate(mel, lookahead, face_tensor).numpy())
    no_face = np.zeros(0, np.float32)
    return Golden(np.stack(windows), heads, np.concatenate(patches), no_face if face is None else face)


def check_golden(
    folder: Path,
    spec: StudentSpec,
    golden: Golden,
    engines: Sequence[str] = ENGINES,
    precisions: Collection[Precision] | None = None,
) -> dict[str, float]:
    """PSNR in dB of precisions in engines against torch, by `engine precision`.

    Args:
        folder: of the model.
        spec: its manifest.
        golden: pictures of torch.
        engines: to check.
        precisions: to check; all of the model if None.

    Raises:
        StudioError: a PSNR is too low.
    """
    found = {}
    for engine in engines:
        for precision in spec.files if precisions is None else precisions:
            student = _opened(folder, spec, engine, precision, golden)
            psnr_db = found[f"{engine} {precision.value}"] = round(_psnr_db(student, golden), 1)
            student.close()
            if psnr_db < MIN_PSNR_DB[precision]:
                raise StudioError(
                    f"{spec.id} in {precision.value} with {engine} reaches {psnr_db} dB PSNR against the trained"
                    f" network; {MIN_PSNR_DB[precision]} dB are required.",
                    "Keep the most sensitive layers in float, or omit this precision.",
                )
    return found


def check_budget(losses_db: Mapping[str, float]) -> None:
    """Check that mixed keeps the quality of FP32.

    Raises:
        StudioError: it loses too much.
    """
    loss_db = losses_db[Precision.MIXED.value]
    if loss_db > BUDGET_DB:
        raise StudioError(
            f"Mixed loses {loss_db:.2f} dB of mouth PSNR against FP32; {BUDGET_DB} dB are allowed.",
            "Keep more layers in float.",
        )


def check_sizes(folder: Path, spec: StudentSpec) -> None:
    """Check the sizes of the model files.

    Raises:
        StudioError: a file is too large.
    """
    for file in spec.files.values():
        if (folder / file.name).stat().st_size > MAX_FILE_BYTES:
            raise StudioError(f"{file.name} is larger than {MAX_FILE_BYTES} bytes.", "Train a smaller network.")


def measure_speed(folder: Path, spec: StudentSpec, golden: Golden) -> dict[str, Any]:
    """Milliseconds of a step by `engine precision` on one thread: the median of the fastest of interleaved rounds.

    Other programs on the machine make rounds slower, never faster; the fastest rounds can be compared.
    """
    students = {
        f"{engine} {precision.value}": _opened(folder, spec, engine, precision, golden)
        for engine in ENGINES
        for precision in spec.files
    }
    times_ms: dict[str, list[float]] = {name: [] for name in students}
    for _ in range(N_ROUNDS):
        for name, student in students.items():
            times_ms[name].append(float(np.median([_step_ms(student, golden, k) for k in range(STEPS_PER_ROUND)])))
    for student in students.values():
        student.close()
    return {name: round(min(values), 3) for name, values in times_ms.items()}


def check_speed(times_ms: Mapping[str, float]) -> dict[str, float]:
    """Speed-up of the faster of INT8 and mixed over FP32 in the same engine, by engine.

    Raises:
        StudioError: a speed-up is too low.
    """
    ratios = {}
    for engine in ENGINES:
        fastest = min((Precision.INT8, Precision.MIXED), key=lambda p: times_ms[f"{engine} {p.value}"])
        ratio = times_ms[f"{engine} {Precision.FP32.value}"] / times_ms[f"{engine} {fastest.value}"]
        ratios[engine] = round(ratio, 2)
        if ratio < MIN_SPEEDUP:
            raise StudioError(
                f"{fastest.value} is only {ratio:.2f} times as fast as FP32 in {engine}; {MIN_SPEEDUP} are required.",
                "Check which layers stay float.",
            )
    return ratios


def _opened(folder: Path, spec: StudentSpec, engine: str, precision: Precision, golden: Golden) -> Student:
    student = open_student(folder, spec, engine, precision)
    if golden.face.size:
        student.set_face(golden.face)
    return student


def _psnr_db(student: Student, golden: Golden) -> float:
    """PSNR of the 8-bit pictures of a student against those of torch."""
    errors = []
    for window, head, patch in zip(golden.windows, golden.heads, golden.patches, strict=True):
        generated = student.draw(window, student.spec.lookahead_ms[head]).astype(np.float32)
        expected = np.rint(patch.transpose(1, 2, 0).astype(np.float32) * 255)
        errors.append(np.square(generated - expected).mean())
    return float(np.mean(10 * np.log10(255**2 / np.maximum(errors, 1e-2))))


def _step_ms(student: Student, golden: Golden, k: int) -> float:
    window = golden.windows[k % len(golden.windows)]
    t_start_s = time.perf_counter()
    student.draw(window, student.spec.lookahead_ms[-1])
    return 1e3 * (time.perf_counter() - t_start_s)
