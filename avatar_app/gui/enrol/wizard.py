"""The wizard that makes an avatar of a person, in four steps."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QDialog, QFrame, QHBoxLayout, QScrollArea, QStackedWidget, QVBoxLayout, QWidget

from avatar_app.contracts.atomic_file import write_text
from avatar_app.contracts.enrol_progress import EnrolFinished
from avatar_app.contracts.enrol_request import TEXT_NAME, EnrolRequest, command_arguments, write_request
from avatar_app.contracts.errors import UserError
from avatar_app.contracts.input_file import reason
from avatar_app.gui.enrol.job import EnrolJob
from avatar_app.gui.enrol.look_page import LookPage
from avatar_app.gui.enrol.make_page import MakePage
from avatar_app.gui.enrol.page import Page, button, text
from avatar_app.gui.enrol.record_page import RecordPage
from avatar_app.gui.enrol.services import Services
from avatar_app.gui.enrol.step_bar import StepBar
from avatar_app.gui.enrol.who_page import CONSENT, WhoPage
from avatar_app.gui.enrol.workspaces import KEPT_NAME, Enrolment, clear_results, new_enrolment
from avatar_app.gui.widgets.rows import show_text
from avatar_app.gui.widgets.theme import Tokens
from avatar_app.gui.widgets.wheel import WheelGuard
from avatar_app.live.library import delete_avatar

log = logging.getLogger(__name__)

SIZE_PX, MINIMUM_PX = (860, 720), (780, 380)
STEPS = ("Who", "Record", "Make", "Look")
WHO, RECORD, MAKE, LOOK = range(4)


class EnrolWizard(QDialog):
    """Name and consent, recording, progress, result. Thread: main.

    Args:
        services: of the program.
        job: the process that makes the avatar; it goes on while the window is closed.
        enrolment: one that is continued; None for a new one.
        result: of the enrolment, if it is finished.
        parent: the parent widget.

    Signals:
        kept(str, str): the user keeps the avatar of this id, with the model of this id.
        list_changed(): an enrolment or an avatar was made or deleted.
        started(str): the job makes the avatar of this id now.
    """

    started = Signal(str)
    kept = Signal(str, str)
    list_changed = Signal()

    def __init__(
        self,
        services: Services,
        job: EnrolJob,
        enrolment: Enrolment | None = None,
        result: EnrolFinished | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Make an avatar of yourself")
        # It stays open beside the main window, which can be used meanwhile.
        self.setModal(False)
        self._services, self._job = services, job
        self.enrolment = enrolment
        self._result: EnrolFinished | None = None
        self._finished = result
        self.who, self.record = WhoPage(services), RecordPage(services)
        self.make, self.look = MakePage(services, job, self._begin), LookPage(services)
        self._pages: tuple[Page, ...] = (self.who, self.record, self.make, self.look)
        self._index = -1
        self.steps = StepBar(STEPS)
        self.title, self.lead, self.problem = text("title"), text("value"), text("hint")
        self.back, self.next = button("Back"), button("Next", "primary")
        self.discard = button("Delete")
        self.discard.setToolTip("Delete the recording and all that was made from it")
        self._stack = QStackedWidget()
        self._lay_out()
        self._connect()
        WheelGuard(self)
        self._show_first()

    @property
    def index(self) -> int:
        """Number of the step that is shown, from 0."""
        return self._index

    @property
    def page(self) -> Page:
        """The step that is shown."""
        return self._pages[self._index]

    def show_step(self, index: int) -> None:
        """Show another step."""
        if index == self._index:
            return
        if self._index >= 0:
            self.page.leave()
        self._index = index
        self.steps.show_step(index)
        self._stack.setCurrentIndex(index)
        self.title.setText(self.page.title)
        self.lead.setText(self.page.lead)
        show_text(self.problem, "")
        self.problem.hide()
        self.page.enter()
        self._show_buttons()

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self.steps.set_tokens(tokens)
        for page in self._pages:
            page.set_tokens(tokens)

    def done(self, result: int) -> None:
        """Close camera and microphone when the window closes, also by Escape; a running job goes on."""
        self.page.leave()
        super().done(result)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Enter presses no button by accident: it would skip a step."""
        if event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            super().keyPressEvent(event)

    def _show_first(self) -> None:
        """The step at which an enrolment continues."""
        if self.enrolment is None:
            self.show_step(WHO)
            return
        request = self.enrolment.request
        self.who.show_name(request.name)
        self.record.show_recording(self.enrolment.recording)
        videos = tuple(Path(video) for video in request.videos)
        if videos and self.enrolment.recording not in videos[0].parents:
            self.record.show_files(videos)
        self.make.show_request(request)
        if (self.enrolment.folder / KEPT_NAME).exists():
            self.make.show_quality("best")
            self.look.keep_recording.setChecked(True)
        if self._finished is not None:
            self._show_result(self._finished)
            self.show_step(LOOK)
            return
        is_ready = bool(videos) and all(video.is_file() for video in videos)
        self.show_step(MAKE if is_ready or self._job.is_running else RECORD)

    def _go_on(self) -> None:
        if self._index == LOOK:
            self._keep()
        elif self._index == MAKE and self._job.is_running:
            self.close()
        elif self.page.go_on() and (self._index != WHO or self._save_who()):
            self.show_step(self._index + 1)
        self._show_buttons()

    def _go_back(self) -> None:
        self.show_step(self._index - 1)

    def _save_who(self) -> bool:
        """Keep name and consent in the folder of the enrolment; returns whether that worked."""
        request = EnrolRequest(self.who.name.text().strip(), CONSENT)
        try:
            if self.enrolment is None:
                self.enrolment = new_enrolment(self._services.paths, request)
            elif self.enrolment.request.name != request.name:
                self._write(replace(self.enrolment.request, name=request.name))
        except OSError as error:
            self._show_problem(_folder_problem(self._services.paths.enrolments_dir, error))
            return False
        self.record.show_recording(self.enrolment.recording)
        self.list_changed.emit()
        return True

    def _begin(self, quality: str, keeps_background: bool) -> str:
        """Start the job; returns why it cannot be started, or ""."""
        if self.enrolment is None:
            raise AssertionError("the steps before have made an enrolment")
        before, folder = self.enrolment.request, self.enrolment.folder
        videos = tuple(str(video) for video in self.record.videos) or before.videos
        spoken = self.record.text
        try:
            if spoken:
                write_text(folder / TEXT_NAME, spoken + "\n")
            text_file = str(folder / TEXT_NAME) if spoken else ""
            language = self.record.language.value() if spoken else ""
            request = EnrolRequest(before.name, before.consent, videos, text_file, language, quality, keeps_background)
            if _is_other(before, request, folder):
                clear_results(folder)
            self._write(request)
        except OSError as error:
            return _folder_problem(folder, error)
        self.started.emit(self.enrolment.id)
        self._job.start(command_arguments(self.enrolment.id, request, self._services.paths.dir))
        return ""

    def _write(self, request: EnrolRequest) -> None:
        if self.enrolment is not None:
            write_request(self.enrolment.folder, request)
            self.enrolment = replace(self.enrolment, request=request)

    def _show_result(self, result: EnrolFinished) -> None:
        self._result = result
        self.look.show_result(result)
        self.list_changed.emit()

    def _keep(self) -> None:
        """Choose the avatar; without the tick, the recording and all that was made from it is deleted."""
        if self._result is None or self.enrolment is None:
            return
        self.look.leave()
        folder = self.enrolment.folder
        try:
            if self.look.keep_recording.isChecked():
                (folder / KEPT_NAME).touch()
            else:
                shutil.rmtree(folder)
        except OSError as error:
            problem = f"The recording in {folder} cannot be deleted ({reason(error)}). Delete it yourself."
            self.look.show_problem(problem)
            return
        self.kept.emit(self._result.avatar_id, self._result.model_id)
        self.list_changed.emit()
        self.close()

    def _improve(self) -> None:
        """Learn longer from the same recording."""
        self.show_step(MAKE)
        self.make.start("best")

    def _delete(self) -> None:
        """Delete recording, results and avatar, after a question."""
        if self.enrolment is None or not self._services.ask_delete(self.enrolment.request.name):
            return
        self.page.leave()
        try:
            delete_avatar(self.enrolment.id, self._services.paths)
        except UserError as error:
            self._show_problem(str(error))
            return
        self.list_changed.emit()
        self.close()

    def _show_buttons(self) -> None:
        self.next.setText(self.page.next_text)
        self.next.setEnabled(self.page.can_go_on)
        for widget in (self.back, self.discard):
            widget.setVisible(self._index in (RECORD, MAKE))
            widget.setEnabled(self.page.can_go_back)

    def _show_problem(self, problem: str) -> None:
        self.problem.show()
        show_text(self.problem, problem, "bad")

    def _connect(self) -> None:
        self.next.clicked.connect(self._go_on)
        self.back.clicked.connect(self._go_back)
        self.discard.clicked.connect(self._delete)
        for page in self._pages:
            page.changed.connect(self._show_buttons)
        self._job.finished.connect(self._show_result)
        self.make.done.connect(lambda: self.show_step(LOOK))
        self.look.improve_asked.connect(self._improve)
        self.look.delete_asked.connect(self._delete)

    def _lay_out(self) -> None:
        self.setMinimumSize(*MINIMUM_PX)
        for page in self._pages:
            self._stack.addWidget(_scrolled(page))
        footer = QHBoxLayout()
        footer.setSpacing(12)
        footer.addWidget(self.back)
        footer.addWidget(self.discard)
        footer.addWidget(self.problem, 1)
        footer.addStretch()
        footer.addWidget(self.next)
        head = QVBoxLayout()
        head.setContentsMargins(28, 24, 28, 0)
        head.setSpacing(6)
        head.addWidget(self.steps)
        head.addSpacing(10)
        head.addWidget(self.title)
        head.addWidget(self.lead)
        bottom = QVBoxLayout()
        bottom.setContentsMargins(28, 0, 28, 24)
        bottom.addLayout(footer)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(16)
        column.addLayout(head)
        column.addWidget(self._stack, 1)
        column.addLayout(bottom)
        room = self.screen().availableSize()
        self.resize(min(SIZE_PX[0], room.width()), min(SIZE_PX[1], room.height() - 40))


def _scrolled(page: Page) -> QScrollArea:
    """A page that scrolls where the screen is low."""
    page.setObjectName("wizardPage")
    page.column.setContentsMargins(28, 4, 28, 4)
    area = QScrollArea()
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidgetResizable(True)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(page)
    return area


def _is_other(before: EnrolRequest, now: EnrolRequest, folder: Path) -> bool:
    """Whether results of an earlier start belong to another recording; another quality alone continues them."""
    if replace(before, quality=now.quality) != now:
        return True
    started = (folder / "input.json").stat().st_mtime if (folder / "input.json").is_file() else float("inf")
    return any(Path(video).is_file() and Path(video).stat().st_mtime > started for video in now.videos)


def _folder_problem(folder: Path, error: OSError) -> str:
    return f"The folder {folder} cannot be written to ({reason(error)}). Free some space, then try again."
