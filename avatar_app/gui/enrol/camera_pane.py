"""Recording with the webcam and the microphone: teleprompter, preview, live checks."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from avatar_app.contracts.enrol_request import RECORDING_SUFFIX
from avatar_app.gui.enrol.camera_view import CameraView
from avatar_app.gui.enrol.examples import RECORD, SMALL_PX, Examples
from avatar_app.gui.enrol.page import GAP_PX, button, card, set_role, text
from avatar_app.gui.enrol.prompt_dots import PromptDots
from avatar_app.gui.enrol.prompt_texts import Shown, advice_of, shown_of
from avatar_app.gui.enrol.services import Services, Session
from avatar_app.gui.enrol.teleprompter import Phase, Teleprompter, prompts_of
from avatar_app.gui.widgets.meter import LevelMeter
from avatar_app.gui.widgets.rows import set_state, show_text
from avatar_app.gui.widgets.theme import Tokens

POLL_MS = 66
OPENING = "Opening the camera …"
CLOSED = "The camera is off."


class CameraPane(QWidget):
    """Camera, microphone and teleprompter. They are open while the pane is visible. Thread: main.

    Signals:
        changed(): `is_complete` or `is_busy` may have changed.
    """

    changed = Signal()

    def __init__(self, services: Services) -> None:
        super().__init__()
        self._services = services
        self._session: Session | None = None
        self._folder: Path | None = None
        self._language = ""
        self._state: tuple[bool, bool] = (False, False)
        self.prompter: Teleprompter | None = None
        self.examples = Examples(RECORD, services.assets, SMALL_PX)
        self.view, self.dots, self.meter = CameraView(), PromptDots(), LevelMeter()
        self.words, self.status = text("prompt"), text("hint")
        self.advice = text("value")
        self.go = button("Start recording", "primary")
        self.repeat, self.next = button("Repeat"), button("Next sentence")
        self._top = QStackedWidget()
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self.poll)
        self._lay_out()
        self.go.clicked.connect(self._go)
        self.repeat.clicked.connect(self._repeat)
        self.next.clicked.connect(self._next)
        self.dots.chosen.connect(self._select)

    @property
    def is_complete(self) -> bool:
        """Whether everything is recorded, and nothing is being recorded again."""
        return self.prompter is not None and self.prompter.is_complete and not self.prompter.is_busy

    @property
    def is_busy(self) -> bool:
        """Whether it records."""
        return self.prompter is not None and self.prompter.is_busy

    def show_recording(self, folder: Path, language: str) -> None:
        """Record into a folder, in a language; what is there already is kept."""
        if (folder, language) != (self._folder, self._language) or self.prompter is None:
            self._folder, self._language = folder, language
            self.prompter = None
            self._begin()

    def poll(self) -> None:
        """Show the newest picture, level and advice, and advance the teleprompter."""
        session, prompter = self._session, self.prompter
        if session is None or prompter is None:
            return
        status = session.status()
        now_ns = self._services.clock.now_ns()
        has_devices = status.has_camera and status.has_mic
        if prompter.is_busy and not has_devices:
            prompter.pause(status.problem or "Camera or microphone was disconnected. Plug it in again.")
        prompter.tick(now_ns, status.level_db)
        frame = session.preview()
        if frame is not None:
            self.view.show_picture(frame.pixels, frame.t_capture_ns)
        else:
            self.view.show_caption(status.problem or OPENING)
        self.meter.show_level(status.level_db, status.peak_db, now_ns, status.has_mic)
        show_text(self.advice, *advice_of(status))
        self._show(shown_of(prompter, has_devices=has_devices))

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        for part in (self.examples, self.view, self.dots, self.meter):
            part.set_tokens(tokens)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Open camera and microphone."""
        super().showEvent(event)
        self._begin()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 - Qt's name
        """Close camera and microphone; an unfinished sentence is dropped."""
        super().hideEvent(event)
        self.close_devices()

    def close_devices(self) -> None:
        """Close camera and microphone; a second call does nothing."""
        self._timer.stop()
        if self.prompter is not None:
            self.prompter.pause()
        session, self._session, self.prompter = self._session, None, None
        if session is not None:
            session.stop()
        self.view.show_caption(CLOSED)

    def _begin(self) -> None:
        """Open the devices when the pane is visible and knows what to record."""
        if self._folder is None or not self.isVisible():
            return
        if self._session is None:
            self._session = self._services.make_session(self._services.settings())
            self._session.start()
        self.prompter = Teleprompter(prompts_of(self._language, self._folder, RECORDING_SUFFIX), self._session)
        self._timer.start()
        self.poll()

    def _show(self, shown: Shown) -> None:
        prompter = self.prompter
        if prompter is None:
            return
        self._top.setCurrentIndex(0 if prompter.phase is Phase.READY else 1)
        self.words.setText(prompter.prompt.text)
        show_text(self.status, shown.status, shown.state)
        self.dots.show_marks(prompter.marks, prompter.index)
        self.view.set_recording(is_recording=prompter.phase is Phase.RECORDING)
        self.go.setText(shown.go_text)
        self.go.setEnabled(shown.can_go)
        self.repeat.setEnabled(shown.can_repeat)
        self.next.setEnabled(shown.can_end)
        set_state(self.go, "running" if prompter.is_busy or shown.is_repeat_better else "")
        set_role(self.repeat, "primary" if shown.is_repeat_better else "plain")
        state = (self.is_complete, self.is_busy)
        if state != self._state:
            self._state = state
            self.changed.emit()

    def _go(self) -> None:
        if self.prompter is None:
            return
        if self.prompter.is_busy:
            self.prompter.pause()
        else:
            self.prompter.go(self._services.clock.now_ns())
        self.poll()

    def _repeat(self) -> None:
        if self.prompter is not None:
            self.prompter.repeat(self._services.clock.now_ns())
            self.poll()

    def _next(self) -> None:
        if self.prompter is not None:
            self.prompter.next()
            self.poll()

    def _select(self, index: int) -> None:
        if self.prompter is not None:
            self.prompter.select(index)
            self.poll()

    def _lay_out(self) -> None:
        prompt, column = card()
        for label in (self.words, self.status):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.addWidget(self.words, 1)
        column.addWidget(self.status)
        self._top.addWidget(self.examples)
        self._top.addWidget(prompt)
        beside = QVBoxLayout()
        beside.setSpacing(10)
        beside.addWidget(self.advice)
        beside.addStretch(1)
        beside.addWidget(text("section", "Microphone"))
        beside.addWidget(self.meter)
        middle = QHBoxLayout()
        middle.setSpacing(24)
        middle.addWidget(self.view)
        middle.addLayout(beside, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(12)
        for widget in (self.go, self.repeat, self.next):
            buttons.addWidget(widget)
        buttons.addStretch(1)
        buttons.addWidget(self.dots)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP_PX)
        layout.addWidget(self._top)
        # Above the picture, so that they can be reached on a low screen without scrolling.
        layout.addLayout(buttons)
        layout.addLayout(middle)
        layout.addStretch(1)
