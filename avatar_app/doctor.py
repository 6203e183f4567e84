"""`avatar-app doctor`: checks this machine, and says how to fix what fails.

The JSON (`--json`) is for other programs; its format has a version, `schema`, and is described in
`packaging/interfaces.md`.
"""

from __future__ import annotations

import enum
import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_app import machine
from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.errors import InputFileError, ModelError, UserError
from avatar_app.contracts.fields import problem
from avatar_app.contracts.input_file import read_arrays
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.student_spec import STUDENT_KIND, Precision, StudentSpec
from avatar_app.live.avatar_models import choose_model
from avatar_app.live.camera import camera_findings
from avatar_app.live.frame import Avatar, list_avatars, load_avatar
from avatar_app.live.mic import list_devices
from avatar_app.live.pipeline import LivePipeline
from avatar_app.live.student import Student, list_models, read_kind
from avatar_app.live.student.engines import installed_engines
from avatar_app.live.student.folder import read_manifest, verified_bytes
from avatar_app.live.student.loading import open_student
from avatar_app.live.student.registry import find_model
from avatar_app.live.webcam import list_cameras
from avatar_app.live.webcam.package import require_package
from avatar_app.settings.paths import ProfilePaths, demo_sample
from avatar_app.settings.schema import Settings

SCHEMA = 1
LATENCY_RUN_S = 4.0
START_TIMEOUT_S = 20.0
# Above this latency the picture is noticeably late.
GOOD_LATENCY_MS = 250.0
MIN_GOLDEN_PSNR_DB = 30.0
MAX_GOLDEN_BYTES = 200_000_000


class Health(enum.Enum):
    """Result of a check; after `FAILED` the program cannot work."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


MARKS = {Health.OK: "ok     ", Health.WARNING: "warning", Health.FAILED: "FAILED "}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `what_to_do` is not empty unless `health` is OK."""

    name: str
    health: Health
    text: str
    what_to_do: str = ""


def run(settings: Settings, paths: ProfilePaths, notices: NoticeBoard, *, is_json: bool) -> int:
    """Check everything and print the findings; exit code 1 if the program cannot work."""
    findings = list(examine(settings, paths, notices, on_finding=None if is_json else _print_line))
    is_bad = any(finding.health is Health.FAILED for finding in findings)
    if is_json:
        report = {"schema": SCHEMA, "machine": machine.facts(), "findings": [_as_json(finding) for finding in findings]}
        print(json.dumps({**report, "is_healthy": not is_bad}, indent=2))  # noqa: T201
    else:
        failed, healthy = "cannot work on this machine yet. Fix the lines that say FAILED", "can work on this machine"
        print(f"\nAvatar {failed if is_bad else healthy}.")  # noqa: T201
    return int(is_bad)


def examine(
    settings: Settings, paths: ProfilePaths, notices: NoticeBoard, on_finding: Callable[[Finding], None] | None = None
) -> Iterator[Finding]:
    """All findings; `on_finding` gets each as soon as it is known."""
    checks = (
        _machine(),
        _settings(paths, notices),
        _profile(paths),
        _screen(),
        _microphones(),
        _camera(),
        _webcam(),
        _avatars(paths),
        _models(paths),
        _latency(settings, paths),
    )
    for finding in itertools.chain.from_iterable(checks):
        if on_finding is not None:
            on_finding(finding)
        yield finding


def _machine() -> Iterator[Finding]:
    facts = machine.facts()
    packages = ", ".join(f"{name} {found}" for name, found in facts["packages"].items())
    processor = f"{facts['cpu']}, {facts['instruction_set']}, {facts['n_cores']} cores"
    yield _ok("machine", f"{processor}, {facts['memory_gb']} GB, {facts['system']}")
    yield _ok("versions", f"avatar-app {facts['program']}, Python {facts['python']}, {packages}")
    engines = installed_engines()
    if engines:
        yield _ok("engines", ", ".join(engines))
    else:
        yield _failed("engines", "No inference engine is installed.", "Run `python3 packaging/run.py` again.")


def _settings(paths: ProfilePaths, notices: NoticeBoard) -> Iterator[Finding]:
    """The notices of loading the settings, which the command line has done before."""
    current = notices.current()
    for notice in current:
        yield _warning("settings", notice.text, notice.what_to_do or "No action is needed.")
    if not current:
        yield _ok("settings", str(paths.config_file))


def _profile(paths: ProfilePaths) -> Iterator[Finding]:
    folder = paths.config_file.parent
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if os.access(nearest, os.W_OK):
        yield _ok("profile", f"{folder} is writable")
    else:
        yield _warning(
            "profile", f"{folder} is not writable, so settings are lost when you quit.", "Use --profile-dir DIR."
        )


def _screen() -> Iterator[Finding]:
    has_none = sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if has_none:
        yield _warning("screen", "There is no screen.", "Start the program on a desktop, or use `avatar-app render`.")
    else:
        yield _ok("screen", "there is a screen")


def _microphones() -> Iterator[Finding]:
    try:
        devices = list_devices()
    except UserError as error:
        yield _warning("microphone", error.what, error.what_to_do)
        return
    for device in devices:
        mark = ", the default" if device.is_default else ""
        yield _ok("microphone", f"{device.label} ({device.rate_hz} Hz, {device.n_channels} channels{mark})")
    if not devices:
        yield _warning(
            "microphone", "No microphone was found, so the demo sample plays.", "Plug one in, or use --mic file:PATH."
        )


def _camera() -> Iterator[Finding]:
    """The virtual camera; the program works without one, so nothing here is a failure."""
    for found in camera_findings():
        yield Finding(found.name, Health(found.health), found.text, found.what_to_do)


def _webcam() -> Iterator[Finding]:
    """The face tracker and the webcams; the program works without them."""
    try:
        require_package()
    except UserError as error:
        yield _ok("webcam", f"{error.what} {error.what_to_do}")
        return
    names = [camera.name for camera in list_cameras()]
    if names:
        yield _ok("webcam", f"the head can follow: {'; '.join(names)}")
    else:
        what_to_do = "Plug one in, and give this program permission to use it."
        yield _warning("webcam", "No webcam was found, so the head cannot follow yours.", what_to_do)


def _avatars(paths: ProfilePaths) -> Iterator[Finding]:
    for folder in list_avatars(user_dir=paths.avatars_dir):
        yield from _guarded("avatar", _avatar(folder.name, paths))
        yield from _guarded("avatar", _mouth_of(folder.name, paths))
    if not demo_sample().is_file():
        yield _failed("sample", f"The demo sample {demo_sample()} is missing.", "Install the program again.")


def _avatar(avatar_id: str, paths: ProfilePaths) -> Iterator[Finding]:
    avatar = load_avatar(avatar_id, user_dir=paths.avatars_dir)
    if not isinstance(avatar, Avatar):
        avatar.renderer().render(0)
        yield _ok("avatar", f"{avatar_id}: it renders a picture")
        return
    for k in range(avatar.n_idle):
        avatar.idle(k)
    if avatar.damaged_files:
        text = f"{len(avatar.damaged_files)} idle pictures are damaged, first {avatar.damaged_files[0]}."
        yield _failed("avatar", f"{avatar.spec.title}: {text}", "Install the avatar again.")
        return
    yield _ok("avatar", f"{avatar.spec.title}: {avatar.n_idle} idle pictures of {avatar.spec.size_px} px")


def _mouth_of(avatar_id: str, paths: ProfilePaths) -> Iterator[Finding]:
    """A finding if the avatar cannot speak."""
    try:
        choose_model(avatar_id, "", paths)
    except ModelError as error:
        yield _warning("avatar", error.what, error.what_to_do)


def _models(paths: ProfilePaths) -> Iterator[Finding]:
    try:
        own = paths.models_dir
        folders = [find_model(model_id, None, own) for model_id in list_models(None, own)]
    except UserError as error:
        yield _failed("model", error.what, error.what_to_do)
        return
    for folder in folders:
        yield from _guarded("model", _model(folder))


def _guarded(name: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """Findings; an error becomes a failed one."""
    try:
        yield from findings
    except UserError as error:
        yield _failed(name, error.what, error.what_to_do)


def _model(folder: Path) -> Iterator[Finding]:
    """Check all files by their checksums, then the golden pictures in every precision on every installed engine."""
    kind = read_kind(folder)
    if kind != STUDENT_KIND:
        yield _ok("model", f"{folder.name}: a model of the kind {kind}, which has no further checks")
        return
    spec = read_manifest(folder)
    for file in (*spec.files.values(), spec.golden_file, *([spec.face_file] if spec.face_file else [])):
        verified_bytes(folder, file)
    yield _ok("model", f"{spec.title}: all checksums match")
    for precision in spec.files:
        for engine in installed_engines():
            yield _golden(folder, engine, precision)


def _golden(folder: Path, engine: str, precision: Precision) -> Finding:
    spec = read_manifest(folder)
    name = f"{spec.id} {precision.value} {engine}"
    try:
        student = open_student(folder, spec, engine, precision)
    except UserError as error:
        return _warning(name, error.what, error.what_to_do)
    psnr_db = golden_psnr_db(folder, student)
    label = student.engine.label
    student.close()
    if psnr_db < MIN_GOLDEN_PSNR_DB:
        return _failed(
            name,
            f"Its pictures differ from the published ones ({psnr_db:.0f} dB).",
            "Choose another engine or precision with --engine and --precision.",
        )
    return _ok(name, f"{label}, {psnr_db:.0f} dB against the published pictures")


def golden_psnr_db(folder: Path, student: Student) -> float:
    """PSNR in dB of a student's pictures against those published with it."""
    windows, heads, patches, face = _read_golden(folder, student.spec)
    if face.size:
        student.set_face(face)
    errors = []
    for window, head, patch in zip(windows, heads, patches, strict=True):
        drawn = student.draw(window, student.spec.lookahead_ms[head]).astype(np.float32)
        errors.append(np.square(drawn - patch.transpose(1, 2, 0).astype(np.float32) * 255).mean())
    return float(np.mean(10 * np.log10(255**2 / np.maximum(errors, 1e-2))))


def _read_golden(folder: Path, spec: StudentSpec) -> tuple[NDArray[Any], ...]:
    """Windows (n, 80, columns), heads (n,), patches (n, 3, h, w) and the face, which is empty for most models.

    Raises:
        ModelError: they are damaged, or belong to another model.
    """
    try:
        arrays = read_arrays(folder / spec.golden_file.name, MAX_GOLDEN_BYTES)
        windows, heads, patches, face = (arrays[name] for name in ("windows", "heads", "patches", "face"))
        n, box = len(heads), spec.box
        fits = windows.shape == (n, 80, spec.n_mel_columns) and patches.shape == (n, 3, box.h, box.w)
        if not fits or not set(heads.tolist()) <= set(range(len(spec.lookahead_ms))) or not n:
            raise InputFileError("its arrays belong to another model")
    except (InputFileError, KeyError, TypeError) as error:
        text = f"The golden pictures of the model {spec.id} cannot be used: {problem(error)}."
        raise ModelError(text, "Install the model again.") from error
    return windows, heads, patches, face


def _latency(settings: Settings, paths: ProfilePaths) -> Iterator[Finding]:
    """One short run of the real pipeline."""
    notices = NoticeBoard()
    pipeline = LivePipeline(settings.replace(mic="demo"), paths, MonotonicClock(), notices)
    pipeline.start()
    try:
        t_limit_s = time.monotonic() + START_TIMEOUT_S
        while pipeline.status().t_first_mouth_ns is None and time.monotonic() < t_limit_s:
            threading.Event().wait(0.05)
        threading.Event().wait(LATENCY_RUN_S)
        status = pipeline.status()
    finally:
        pipeline.close()
    if status.t_first_mouth_ns is None:
        reasons = " ".join(notice.text for notice in notices.current())
        yield _failed("live run", f"The avatar's mouth did not move. {reasons}".strip(), "Send us this report.")
        return
    text = (
        f"{status.fps_out:.1f} pictures per second, microphone to picture {status.latency_p50_ms:.0f} ms (p95"
        f" {status.latency_p95_ms:.0f} ms), {status.model} in {status.precision} on {status.engine}"
    )
    if status.latency_p95_ms > GOOD_LATENCY_MS:
        yield _warning("live run", text, "Choose a smaller look-ahead, or close other heavy programs.")
    else:
        yield _ok("live run", text)


def _ok(name: str, text: str) -> Finding:
    return Finding(name, Health.OK, text)


def _warning(name: str, text: str, what_to_do: str) -> Finding:
    return Finding(name, Health.WARNING, text, what_to_do)


def _failed(name: str, text: str, what_to_do: str) -> Finding:
    return Finding(name, Health.FAILED, text, what_to_do)


def _as_json(finding: Finding) -> dict[str, str]:
    return {**asdict(finding), "health": finding.health.value}


def _print_line(finding: Finding) -> None:
    mark = MARKS[finding.health]
    hint = f"\n         {finding.what_to_do}" if finding.what_to_do else ""
    print(f"{mark}  {finding.name}: {finding.text}{hint}")  # noqa: T201
