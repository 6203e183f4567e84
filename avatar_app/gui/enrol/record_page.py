"""Step 2: record with the webcam, or use a video file."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QLocale
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget

from avatar_app.contracts.enrol_request import RECORDING_SUFFIX
from avatar_app.gui.enrol.camera_pane import CameraPane
from avatar_app.gui.enrol.file_pane import FilePane
from avatar_app.gui.enrol.page import Page
from avatar_app.gui.enrol.sentences import LANGUAGES, language_of, sentences_of
from avatar_app.gui.enrol.services import Services
from avatar_app.gui.enrol.teleprompter import prompts_of
from avatar_app.gui.ports import Option
from avatar_app.gui.widgets.rows import Chooser, labelled
from avatar_app.gui.widgets.segments import Choice, Segments
from avatar_app.gui.widgets.theme import Tokens

CAMERA, FILE = "camera", "file"
SOURCES = (
    Choice(CAMERA, "Record now", "With the webcam and the microphone of the settings"),
    Choice(FILE, "Use a video file", "A video from a phone or a camera"),
)


class RecordPage(Page):
    """Recording or file. Thread: main."""

    title = "Record"
    lead = "Ten seconds of silence and eleven or twelve sentences: about a minute. The live avatar pauses meanwhile."

    def __init__(self, services: Services) -> None:
        super().__init__()
        self._services = services
        self._folder: Path | None = None
        self.source = Segments("Source", SOURCES)
        self.language = Chooser("Language", "The language of the sentences that you read")
        self.language.set_options([Option(code, name) for code, name in LANGUAGES.items()])
        self.language.set_value(language_of(QLocale.system().name()), "")
        self._language_row = labelled("Language", self.language)
        self.camera, self.file = CameraPane(services), FilePane(services.ask_video)
        self._panes = QStackedWidget()
        self._lay_out()
        self.source.chosen.connect(self._show_source)
        self.language.chosen.connect(lambda _: self._show_language())
        self.camera.changed.connect(self._show_busy)
        self.file.changed.connect(self.changed)

    @property
    def can_go_on(self) -> bool:
        """Whether there is a complete recording, or a file."""
        return bool(self.videos)

    @property
    def can_go_back(self) -> bool:
        """Not while it records."""
        return not self.camera.is_busy

    @property
    def videos(self) -> tuple[Path, ...]:
        """The recorded files in order, or the chosen file; empty while incomplete."""
        if self.source.value() == FILE:
            return self.file.files
        if self._folder is None or self.camera.is_busy:
            return ()
        files = tuple(prompt.file for prompt in prompts_of(self.language.value(), self._folder, RECORDING_SUFFIX))
        return files if all(file.is_file() for file in files) else ()

    @property
    def text(self) -> str:
        """What is spoken, a sentence a line; empty for a file, whose text is unknown."""
        return "" if self.source.value() == FILE else "\n".join(sentences_of(self.language.value()))

    def show_recording(self, folder: Path) -> None:
        """Record into a folder; what is there already is kept, in its language."""
        self._folder = folder
        language = recorded_language(folder)
        if language:
            self.language.set_value(language, "")

    def show_files(self, files: tuple[Path, ...]) -> None:
        """Show files that an earlier start has chosen."""
        self.source.set_value(FILE)
        self._panes.setCurrentWidget(self.file)
        self._language_row.setVisible(False)
        self.file.set_files(files)

    def enter(self) -> None:
        """Open camera and microphone, which the live avatar gives up."""
        self._services.set_live(False)
        self._show_source(self.source.value())

    def leave(self) -> None:
        """Close camera and microphone."""
        self.camera.close_devices()
        self._services.set_live(True)

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self.camera.set_tokens(tokens)

    def _show_source(self, source: object) -> None:
        is_camera = source == CAMERA
        self._panes.setCurrentWidget(self.camera if is_camera else self.file)
        self._language_row.setVisible(is_camera)
        self._show_language()

    def _show_language(self) -> None:
        if self._folder is not None and self.source.value() == CAMERA:
            self.camera.show_recording(self._folder, self.language.value())
        self.changed.emit()

    def _show_busy(self) -> None:
        for control in (self.source, self.language):
            control.setEnabled(not self.camera.is_busy)
        self.changed.emit()

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(24)
        self.source.setFixedWidth(280)
        self._language_row.setFixedWidth(260)
        head.addWidget(self.source)
        head.addStretch(1)
        head.addWidget(self._language_row)
        self._panes.addWidget(self.camera)
        self._panes.addWidget(self.file)
        self.column.addLayout(head)
        self.column.addWidget(self._panes, 1)


def recorded_language(folder: Path) -> str:
    """The language in which most sentences of a folder are recorded; empty without a recording."""
    counts = {code: len(list(folder.glob(f"*-{code}{RECORDING_SUFFIX}"))) for code in LANGUAGES}
    best = max(counts, key=lambda code: counts[code])
    return best if counts[best] else ""
