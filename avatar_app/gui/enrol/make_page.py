"""Step 3: the avatar is made, with progress, preview, pause and cancel."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QProgressBar, QVBoxLayout

from avatar_app.contracts.enrol_progress import EnrolFailure, EnrolFinished, EnrolProgress
from avatar_app.contracts.enrol_request import EnrolRequest
from avatar_app.gui.enrol.examples import Examples
from avatar_app.gui.enrol.job import EnrolJob
from avatar_app.gui.enrol.page import Page, button, text
from avatar_app.gui.enrol.power_pictures import MAKE
from avatar_app.gui.enrol.preview_picture import PicturePanel
from avatar_app.gui.enrol.services import Services
from avatar_app.gui.widgets.rows import Section, show_text
from avatar_app.gui.widgets.segments import Choice, Segments
from avatar_app.gui.widgets.theme import Tokens

PREVIEW_PX = (224, 224)
# QProgressBar counts in whole numbers.
BAR_STEPS = 1000
QUALITIES = (
    Choice("quick", "Quick", "About 12 minutes on two processor cores"),
    Choice("good", "Good", "About 45 minutes on two processor cores"),
    Choice("best", "Best", "Several hours on two processor cores"),
)
NO_PREVIEW = "A preview appears here while it learns."
READY = "Ready to start."
STARTING = "Starting …"
CANCELLED = "Cancelled. What was made so far is kept; Continue resumes it."


class MakePage(Page):
    """Runs the job. Thread: main.

    Args:
        services: of the program.
        job: the process; it goes on while the window is closed.
        begin: starts the job with a quality and whether the background is kept; returns why it cannot, or "".
    """

    title = "Make the avatar"
    lead = "It learns from the recording on this computer. You can close this window and use the program meanwhile."

    def __init__(self, services: Services, job: EnrolJob, begin: Callable[[str, bool], str]) -> None:
        super().__init__()
        self._services, self._job, self._begin = services, job, begin
        self.result: EnrolFinished | None = None
        self._was_started = False
        self.quality = Segments("Quality", QUALITIES)
        self._quality = Section("&Quality", self.quality)
        self.show_quality("good")
        self.background = QCheckBox("Keep the room behind me")
        self.background.setToolTip("Without it, the person is cut out, and any background can be used")
        self.preview = PicturePanel("Preview", PREVIEW_PX)
        self.preview.show_caption(NO_PREVIEW)
        self.bar = QProgressBar()
        self.bar.setRange(0, BAR_STEPS)
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress")
        self.step, self.left, self.problem = text("section", READY), text("value"), text("hint")
        self.pause, self.cancel = button("Pause"), button("Cancel")
        self.examples = Examples(MAKE, services.assets)
        self._lay_out()
        self._connect()
        self._show_state()

    @property
    def next_text(self) -> str:  # type: ignore[override]
        """The button starts the job, or closes the window while it runs."""
        if self.result is not None:
            return "Next"
        if self._job.is_running:
            return "Close"
        return "Continue" if self._was_started else "Make the avatar"

    @property
    def can_go_on(self) -> bool:
        """Whether the job can be started, or runs."""
        return self._job.is_running or self.result is not None or not self._services.missing()

    @property
    def can_go_back(self) -> bool:
        """Not while it runs: the recording is in use."""
        return not self._job.is_running

    def enter(self) -> None:
        """Show what is missing."""
        show_text(self.problem, self._services.missing(), "warning")
        self._show_state()

    def show_request(self, request: EnrolRequest) -> None:
        """Show what an enrolment that is continued was asked for."""
        self.show_quality(request.quality)
        self.background.setChecked(request.keep_background)
        self._was_started = bool(request.videos)

    def go_on(self) -> bool:
        """Start the job; True once there is a result."""
        if self.result is not None:
            return True
        if not self._job.is_running:
            self.start(str(self.quality.value()))
        return False

    def start(self, quality: str) -> None:
        """Start or continue the job."""
        self.result, self._was_started = None, True
        self.show_quality(quality)
        problem = self._begin(quality, self.background.isChecked())
        show_text(self.problem, problem, "bad")
        if not problem:
            self.step.setText(STARTING)
        self._show_state()

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self.preview.set_tokens(tokens)
        self.examples.set_tokens(tokens)

    def show_quality(self, quality: str) -> None:
        """Show a quality, and how long it takes."""
        self.quality.set_value(quality)
        self._quality.value_label.setText(next(one.tip for one in QUALITIES if one.value == quality))

    def _show_progress(self, progress: EnrolProgress) -> None:
        self.step.setText(progress.title)
        self.bar.setValue(round(progress.done * BAR_STEPS))
        self.left.setText(f"{progress.done * 100:.0f} %, {time_left(progress.eta_s)}")
        self.preview.show_file(progress.preview)

    def _show_failure(self, failure: EnrolFailure) -> None:
        show_text(self.problem, f"{failure.what} {failure.what_to_do}", "bad")
        self.step.setText("Not finished")
        self.left.setText("")
        self._show_state()

    def _show_result(self, result: EnrolFinished) -> None:
        self.result = result
        self.bar.setValue(BAR_STEPS)
        self.step.setText("Finished")
        self.left.setText("100 %")
        self._show_state()
        self.done.emit()

    def _toggle_pause(self) -> None:
        self._job.set_paused(is_paused=not self._job.is_paused)

    def _cancel(self) -> None:
        self._job.stop()
        self.step.setText(CANCELLED)
        self.left.setText("")
        self._show_state()

    def _show_state(self) -> None:
        is_running = self._job.is_running
        self.quality.setEnabled(not is_running)
        self.background.setEnabled(not is_running)
        self.pause.setEnabled(is_running)
        self.cancel.setEnabled(is_running)
        self.pause.setText("Continue" if self._job.is_paused else "Pause")
        self.pause.setAccessibleName("Pause")
        self.changed.emit()

    def _connect(self) -> None:
        self._job.progressed.connect(self._show_progress)
        self._job.failed.connect(self._show_failure)
        self._job.finished.connect(self._show_result)
        self._job.changed.connect(self._show_state)
        self.quality.chosen.connect(self.show_quality)
        self.pause.clicked.connect(self._toggle_pause)
        self.cancel.clicked.connect(self._cancel)
        if self._job.newest is not None:
            self._show_progress(self._job.newest)

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.setSpacing(12)
        buttons.addWidget(self.pause)
        buttons.addWidget(self.cancel)
        buttons.addStretch(1)
        right = QVBoxLayout()
        right.setSpacing(10)
        right.addWidget(self._quality)
        right.addWidget(self.background)
        right.addStretch(1)
        for widget in (self.step, self.bar, self.left):
            right.addWidget(widget)
        right.addLayout(buttons)
        top = QHBoxLayout()
        top.setSpacing(24)
        top.addWidget(self.preview)
        top.addLayout(right, 1)
        self.column.addLayout(top)
        self.column.addWidget(self.problem)
        self.column.addStretch(1)
        self.column.addWidget(self.examples)


def time_left(seconds: float) -> str:
    """The remaining time in words."""
    if seconds < 0:
        return "measuring the time left"
    if seconds < 60:
        return "less than a minute left"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"about {minutes} {'minute' if minutes == 1 else 'minutes'} left"
    return f"about {seconds / 3600:.1f} hours left"
