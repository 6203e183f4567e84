"""Opens the wizard, and knows what is being made while its window is closed."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from avatar_app.contracts.enrol_progress import EnrolFailure, EnrolFinished, EnrolProgress
from avatar_app.contracts.notices import Level, Notice, NoticeBoard
from avatar_app.gui.enrol.job import COMMAND, EnrolJob
from avatar_app.gui.enrol.services import Services
from avatar_app.gui.enrol.wizard import EnrolWizard
from avatar_app.gui.enrol.workspaces import Enrolment, kept, unfinished
from avatar_app.gui.ports import Option
from avatar_app.gui.widgets.theme import DARK, Tokens

KEY = "enrol"


class Enrolments(QObject):
    """The wizard and its job; one avatar is made at a time. Thread: main.

    Args:
        services: of the program.
        notices: report a result while the wizard is closed.
        parent: the main window.
        command: starts `avatar-app`; tests pass their own.

    Signals:
        kept(str, str): the user keeps the avatar of this id, with the model of this id.
        list_changed(): the avatars, or what `options` returns, have changed.
    """

    kept = Signal(str, str)
    list_changed = Signal()

    def __init__(
        self, services: Services, notices: NoticeBoard, parent: QWidget, command: Sequence[str] = COMMAND
    ) -> None:
        super().__init__(parent)
        self._services, self._notices, self._window = services, notices, parent
        self._tokens = DARK
        self._running_id = ""
        self._percent = -1
        self._result: EnrolFinished | None = None
        self.job = EnrolJob(command, self)
        self.wizard: EnrolWizard | None = None
        self.job.progressed.connect(self._note_progress)
        self.job.finished.connect(self._note_result)
        self.job.failed.connect(self._note_failure)
        self.job.changed.connect(self.list_changed)

    def options(self) -> tuple[Option, ...]:
        """The enrolments that can be continued: id, text, tooltip."""
        return tuple(Option(one.id, self._text(one), "Open the window in which it is made") for one in self._open())

    def improvable(self) -> frozenset[str]:
        """Ids of kept avatars whose recording is still there."""
        return frozenset(one.id for one in kept(self._services.paths))

    def make(self) -> None:
        """Begin a new avatar; while one is being made, show that one."""
        running = next((one for one in self._open() if one.id == self._running_id), None)
        self._show(running if self.job.is_running else None)

    def open(self, avatar_id: str) -> None:
        """Continue an enrolment, or improve a kept one."""
        if self.job.is_running and avatar_id != self._running_id:
            self.make()
            return
        found = (*self._open(), *kept(self._services.paths))
        self._show(next((one for one in found if one.id == avatar_id), None))

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self._tokens = tokens
        if self.wizard is not None:
            self.wizard.set_tokens(tokens)

    def close(self) -> None:
        """Close the wizard and end the job, which a later start continues; a second call does nothing."""
        if self.wizard is not None:
            self.wizard.close()
        self.job.stop()

    def _open(self) -> tuple[Enrolment, ...]:
        return unfinished(self._services.paths)

    def _text(self, enrolment: Enrolment) -> str:
        name = enrolment.request.name
        if self.job.is_running and enrolment.id == self._running_id:
            return f"Making {name}: {max(0, self._percent)} % …"
        return f"Continue making {name} …"

    def _show(self, enrolment: Enrolment | None) -> None:
        """Open the wizard, or bring it to the front when it is open."""
        self._notices.clear(KEY)
        if self.wizard is None:
            self.wizard = EnrolWizard(self._services, self.job, enrolment, self._result_of(enrolment), self._window)
            self.wizard.kept.connect(self.kept)
            self.wizard.list_changed.connect(self.list_changed)
            self.wizard.started.connect(self._note_start)
            self.wizard.finished.connect(self._forget)
            self.wizard.set_tokens(self._tokens)
        self.wizard.show()
        self.wizard.raise_()
        self.wizard.activateWindow()

    def _result_of(self, enrolment: Enrolment | None) -> EnrolFinished | None:
        """What was made while the wizard was closed; after a restart, the command reports it again at once."""
        is_made = enrolment is not None and enrolment.id == self._running_id
        return self._result if is_made and not self.job.is_running else None

    def _forget(self) -> None:
        wizard, self.wizard = self.wizard, None
        if wizard is not None:
            wizard.deleteLater()
        self.list_changed.emit()

    def _note_start(self, avatar_id: str) -> None:
        self._running_id, self._percent, self._result = avatar_id, 0, None
        self.list_changed.emit()

    def _note_progress(self, progress: EnrolProgress) -> None:
        percent = int(progress.done * 100)
        if percent != self._percent:
            self._percent = percent
            self.list_changed.emit()

    def _note_result(self, result: EnrolFinished) -> None:
        self._result = result
        if self.wizard is None:
            self._notices.info(KEY, "Your avatar is finished.", "Open it in the list of avatars to look at it.")

    def _note_failure(self, failure: EnrolFailure) -> None:
        if self.wizard is None:
            self._notices.post(Notice(KEY, Level.ERROR, failure.what, failure.what_to_do))
