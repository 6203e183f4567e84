"""The folder of one enrolment: its input, the results of each step, and a lock against a second run.

<enrolments>/<id>/input.json      what is made, from which recordings
<enrolments>/<id>/steps.json      the finished steps, in order, with their facts
<enrolments>/<id>/recording/      videos that the wizard recorded
<enrolments>/<id>/<step>/         results of a step
<enrolments>/<id>/running.lock    while a process works on it
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from avatar_app.contracts import atomic_file
from avatar_app.contracts.errors import InputFileError, MissingFileError, StudioError
from avatar_app.contracts.fields import problem
from avatar_app.contracts.file_lock import FileLock
from avatar_app.contracts.input_file import read_object, reason
from avatar_app.settings.paths import ENROLMENT_LOCK
from avatar_app.studio.data.clips import FPS
from avatar_app.studio.enrol.person.enrol_input import EnrolInput

# In this order; each reads results of earlier ones.
STEPS = ("takes", "track", "crop", "mouth", "renderer", "encoder", "idle", "publish", "report")
INPUT, FINISHED = "input.json", "steps.json"
STEPS_SCHEMA = 1
CROP_PX = 256
# Landmarks, networks in training, the idle loop and the published graphs; and room for the rest of the system.
OTHER_BYTES, SPARE_BYTES = 400_000_000, 200_000_000


class Workspace:
    """The folder of one enrolment.

    Thread: one at a time. Writing needs the lock, see `lock`.

    Args:
        root: `ProfilePaths.enrolments_dir / avatar_id`; made by `lock`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = FileLock(root / ENROLMENT_LOCK)

    @property
    def recording(self) -> Path:
        """Folder of videos that the wizard recorded; it may be missing."""
        return self.root / "recording"

    def folder(self, step: str) -> Path:
        """Folder of a step's results; made if missing.

        Raises:
            StudioError: it cannot be made.
        """
        folder = self.root / _known(step)
        with self._writing():
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes off this folder while the block runs; an empty folder is removed at its end.

        Raises:
            StudioError: another process works on it, or it cannot be written.
        """
        with self._writing():
            self.root.mkdir(parents=True, exist_ok=True)
            is_ours = self._lock.acquire()
        if not is_ours:
            raise StudioError(
                f"The avatar {self.root.name} is being made by another run.",
                "Wait until it ends, or end it first.",
            )
        try:
            yield
        finally:
            self._lock.release()
            with contextlib.suppress(OSError):
                self.root.rmdir()

    def input(self) -> EnrolInput | None:
        """What is made here; None for a new folder.

        Raises:
            StudioError: it is damaged.
        """
        file = self.root / INPUT
        try:
            return EnrolInput.from_json(read_object(file))
        except MissingFileError:
            return None
        except (InputFileError, KeyError, TypeError, ValueError) as error:
            raise StudioError(
                f"The input of the avatar {self.root.name} is damaged: {problem(error)}.",
                f"Delete the folder {self.root} and start again.",
            ) from error

    def open_input(self, wanted: EnrolInput) -> EnrolInput:
        """Begin an enrolment, or continue one with an equal input.

        Returns:
            The input to use. The consent keeps the date of the first run; the quality is the wanted one.

        Raises:
            StudioError: the folder holds another enrolment, or cannot be written.
        """
        before = self.input()
        if before is None:
            self._write_input(wanted)
            return wanted
        if names := before.differences(wanted):
            raise StudioError(
                f"There is already an enrolment named {self.root.name} with another {' and '.join(names)}.",
                "Use the same options to continue it, or choose another name.",
            )
        current = before.with_quality(wanted.quality)
        if current != before:
            self._write_input(current)
            self.redo("renderer")
        return current

    @property
    def finished(self) -> tuple[str, ...]:
        """The finished steps, in order."""
        return tuple(self._finished())

    def is_finished(self, step: str) -> bool:
        """Whether a step is finished."""
        return _known(step) in self._finished()

    def facts(self, step: str) -> dict[str, Any]:
        """The facts that `finish` kept of a step; empty if it is not finished."""
        return self._finished().get(_known(step), {})

    def finish(self, step: str, facts: Mapping[str, Any] | None = None) -> None:
        """Note that the results of a step are complete.

        Args:
            step: one of `STEPS`.
            facts: in JSON types, for later steps and the report.

        Raises:
            StudioError: it cannot be written.
        """
        self._write_finished({**self._finished(), _known(step): dict(facts or {})})

    def redo(self, step: str) -> None:
        """Forget that a step and those after it are finished; their results stay until they are replaced.

        Raises:
            StudioError: it cannot be written.
        """
        kept = STEPS[: STEPS.index(_known(step))]
        self._write_finished({name: facts for name, facts in self._finished().items() if name in kept})

    def check_space(self, n_bytes: int) -> None:
        """Check before a step that there is room for what it writes.

        Args:
            n_bytes: that the step writes, see `import_bytes`.

        Raises:
            StudioError: there is not.
        """
        nearest = next(folder for folder in (self.root, *self.root.parents) if folder.exists())
        with self._writing():
            free = shutil.disk_usage(nearest).free
        needed = n_bytes + SPARE_BYTES
        if free < needed:
            raise StudioError(
                f"The avatar needs {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free in {nearest}.",
                "Free some space, then start again: it continues.",
            )

    def delete_recording(self) -> None:
        """Delete the recording, and all that was made from it: nothing of the person stays in this folder.

        The enrolment cannot be continued or improved afterwards. Video files elsewhere stay.

        Raises:
            StudioError: something cannot be deleted; the message names it.
        """
        # First what makes a later run continue from here.
        names = sorted((path.name for path in self._content()), key=lambda name: name not in (FINISHED, INPUT))
        for name in names:
            _delete(self.root / name)
        if left := next(self._content(), None):
            raise StudioError(
                f"The recording cannot be deleted completely: {left} is left.",
                "Close programs that use it, then delete the avatar's recording again.",
            )

    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.root.rglob("*") if path.is_file() and not path.is_symlink())

    def _content(self) -> Iterator[Path]:
        """What the folder holds besides the lock."""
        return (path for path in self.root.glob("*") if path.name != ENROLMENT_LOCK)

    def _finished(self) -> dict[str, dict[str, Any]]:
        """Facts of the finished steps; a damaged list means that all of them are done again."""
        try:
            data = read_object(self.root / FINISHED)
            if data["schema"] != STEPS_SCHEMA:
                return {}
            return {step: dict(data["steps"][step]) for step in STEPS if step in data["steps"]}
        except (InputFileError, KeyError, TypeError, ValueError):
            return {}

    def _write_input(self, made: EnrolInput) -> None:
        with self._writing():
            atomic_file.write_text(self.root / INPUT, json.dumps(made.to_json(), indent=1) + "\n")

    def _write_finished(self, steps: Mapping[str, Mapping[str, Any]]) -> None:
        text = json.dumps({"schema": STEPS_SCHEMA, "steps": steps}, indent=1)
        with self._writing():
            atomic_file.write_text(self.root / FINISHED, text + "\n")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StudioError(
                f"The folder {self.root} cannot be written to ({reason(error)}).",
                "Free some space or choose another --profile-dir, then start again: it continues.",
            ) from error


def import_bytes(n_frames: int, size: tuple[int, int]) -> int:
    """Bytes that the enrolment of a video needs on disk until it is finished.

    Args:
        n_frames: pictures at 25 fps.
        size: width and height of the imported pictures.
    """
    width, height = size
    seconds = n_frames / FPS
    return round(n_frames * 3 * (width * height + CROP_PX * CROP_PX) + seconds * 16000 * 4 + OTHER_BYTES)


def _known(step: str) -> str:
    if step not in STEPS:
        raise KeyError(step)
    return step


def _delete(path: Path) -> None:
    """Delete a file or a folder; what cannot be deleted stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
