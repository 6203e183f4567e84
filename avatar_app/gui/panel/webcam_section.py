"""Head tracking: the switch, the webcam and its preview, calibration and intensity."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from avatar_app.contracts.errors import MissingExtraError
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.gui.panel import webcam_texts as texts
from avatar_app.gui.panel.calibrate_button import CalibrateButton
from avatar_app.gui.panel.camera_list import CameraChooser, CameraList
from avatar_app.gui.panel.group import SECTION_GAP_PX, Group
from avatar_app.gui.panel.head_sliders import TrackingSliders
from avatar_app.gui.panel.webcam_preview import WebcamPreview
from avatar_app.gui.ports import Catalogue, Dialogs, Option, Pipeline
from avatar_app.gui.widgets.fetch_button import FetchButton
from avatar_app.gui.widgets.rows import SECTION_SPACING_PX, Section, hint, labelled, show_text
from avatar_app.gui.widgets.segments import Choice, Segments
from avatar_app.gui.widgets.theme import Tokens
from avatar_app.settings.schema import FILE_PREFIX, Settings

if TYPE_CHECKING:
    from avatar_app.live.pipeline import LiveStatus

# At most 15 pictures per second; the status at every fifth poll, and at each poll during calibration.
POLL_MS = 70
N_POLLS_PER_STATUS = 5
N_STATUS_LINES = 2
# The live path posts its own failure of head tracking with this key, so that one replaces the other.
NOTICE_KEY = "follow"
ELIDE = Qt.TextElideMode.ElideRight
FIRST = Option("", "First webcam", "The first webcam of the system")
ASK_FILE = Option("ask-file", "Video file …", "A recording in place of the webcam, which repeats")
SWITCH_CHOICES = (
    Choice(False, "Off", "The avatar moves on its own; the webcam is off"),
    Choice(True, "On", "Head, eyes, lids and brows follow yours; no picture of you is stored or sent"),
)
MIRROR_CHOICES = (
    Choice(True, "Mirrored", "The avatar moves like your mirror image"),
    Choice(False, "Not mirrored", "When you move left, the avatar moves to its own left"),
)


class WebcamGroup(Group):
    """Everything about the webcam. Thread: main.

    Args:
        pipeline: tracks the head as the settings say, and reports the status.
        catalogue: lists the webcams.
        dialogs: asks for a video file.
        notices: reports a missing face tracker.
        require: raises `MissingExtraError` when the face tracker is not installed.
        fetch: installs it, may block for minutes, raises `UserError`; None where it cannot be installed.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        catalogue: Catalogue,
        dialogs: Dialogs,
        notices: NoticeBoard,
        require: Callable[[], None],
        fetch: Callable[[], None] | None = None,
    ) -> None:
        super().__init__()
        self._pipeline, self._dialogs, self._notices, self._require = pipeline, dialogs, notices, require
        self._settings = Settings()
        self._cameras = CameraList(catalogue.cameras)
        self._missing = self._find_missing()
        self._is_running = self._has_picture = False
        self._options: tuple[Option, ...] | None = None
        self._n_polls = 0
        self.switch = Segments("Head tracking", SWITCH_CHOICES)
        self.chooser = CameraChooser("Webcam", "The webcam that tracks your head")
        self.status = hint()
        self.fetch = FetchButton(texts.FETCH, texts.FETCHING, fetch) if fetch is not None else None
        self.preview = WebcamPreview()
        self.calibrate = CalibrateButton()
        self.sliders = TrackingSliders()
        self.mirror = Segments("Mirror", MIRROR_CHOICES)
        self.details = QWidget()
        self._poll = QTimer(self)
        self._poll.setInterval(POLL_MS)
        self._lay_out()
        self._connect()
        self._show_cameras(())
        self.show_settings(self._settings)

    @property
    def is_following(self) -> bool:
        """Whether head tracking is on, and installed."""
        return self._settings.is_following and self._missing is None

    def turn(self, is_on: bool) -> None:
        """Turn head tracking on or off; a notice reports a missing face tracker."""
        self._missing = self._find_missing()
        if self._missing is None or not is_on:
            self._notices.clear(NOTICE_KEY)
            self.changed.emit({"is_following": is_on})
        else:
            self._notices.error(NOTICE_KEY, self._missing)
            self.show_settings(self._settings)

    def show_settings(self, settings: Settings) -> None:
        """Show settings without emitting `changed`."""
        self._settings = settings
        self.switch.set_value(self.is_following)
        self.details.setVisible(self.is_following)
        self._show_camera()
        self.sliders.show_settings(settings)
        self.mirror.set_value(settings.is_mirrored)
        self.preview.set_mirrored(is_mirrored=settings.is_mirrored)
        self._show_status()

    def show_status(self, status: LiveStatus) -> None:
        """Show whether the avatar runs."""
        if status.is_running != self._is_running:
            self._is_running = status.is_running
            self._show_status()

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self.preview.set_tokens(tokens)
        self.calibrate.set_tokens(tokens)

    def poll(self) -> None:
        """Show new webcams, the status, and the newest picture."""
        cameras = self._cameras.take()
        if cameras is not None and cameras != self._options:
            self._options = cameras
            self._show_cameras(cameras)
        if not self.is_following:
            return
        self._n_polls += 1
        if self._n_polls % N_POLLS_PER_STATUS == 0 or self.calibrate.ratio is not None:
            self._show_status()
        # No picture is requested for a preview that is scrolled out of sight.
        picture = None if self.preview.visibleRegion().isEmpty() else self._pipeline.webcam_preview()
        if picture is not None and self._has_picture:
            self.preview.show_picture(picture)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Start polling, and check again whether the face tracker is installed."""
        super().showEvent(event)
        # The font of the style sheet is known only now.
        self.status.ensurePolished()
        self.status.setMinimumHeight(N_STATUS_LINES * self.status.fontMetrics().lineSpacing())
        self._cameras.refresh()
        self._missing = self._find_missing()
        self.show_settings(self._settings)
        self._poll.start()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 - Qt's name
        """Stop polling, and discard the picture."""
        super().hideEvent(event)
        self._poll.stop()
        self.preview.show_caption("")

    def _lay_out(self) -> None:
        self.switch.setToolTip("The avatar's head follows yours (Alt+H)")
        self.mirror.setToolTip("Direction of the avatar's movement (Alt+I)")
        section = self._add(Section("&Head tracking", self.switch))
        self.face = section.value_label
        for row in (labelled("Webcam", self.chooser), self.status, self.fetch, self.details):
            if row is not None:
                section.add(row)
        column = QVBoxLayout(self.details)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SECTION_GAP_PX)
        picture = QVBoxLayout()
        picture.setSpacing(SECTION_SPACING_PX)
        picture.addWidget(self.preview)
        picture.addWidget(self.calibrate)
        column.addLayout(picture)
        column.addWidget(Section("Intensit&y", self.sliders))
        column.addWidget(Section("M&irror", self.mirror))

    def _connect(self) -> None:
        self.switch.chosen.connect(self.turn)
        self.chooser.chosen.connect(self._choose)
        self.chooser.opened.connect(self._cameras.refresh)
        self.calibrate.clicked.connect(self._calibrate)
        self.mirror.chosen.connect(lambda is_on: self.changed.emit({"is_mirrored": is_on}))
        self._poll.timeout.connect(self.poll)
        self.sliders.changed.connect(self.changed)
        if self.fetch is not None:
            self.fetch.fetched.connect(self._show_fetched)

    def _show_fetched(self, problem: str) -> None:
        self._missing = self._find_missing()
        if self._missing is None:
            self._notices.clear(NOTICE_KEY)
        self.show_settings(self._settings)
        show_text(self.status, problem or texts.FETCHED, "bad" if problem else "")

    def _calibrate(self) -> None:
        self._pipeline.calibrate_webcam()
        self._show_status()

    def _choose(self, value: str) -> None:
        if value == ASK_FILE.value:
            path = self._dialogs.ask_video()
            if path is None:
                self._show_camera()
                return
            value = f"{FILE_PREFIX}{path}"
        self.changed.emit({"webcam": value})

    def _show_cameras(self, cameras: tuple[Option, ...]) -> None:
        self.chooser.set_options((FIRST, *cameras, ASK_FILE))
        self._show_camera()

    def _show_camera(self) -> None:
        name = self._settings.webcam
        is_file = name.startswith(FILE_PREFIX)
        text = name.replace("\\", "/").rsplit("/", 1)[-1].removeprefix(FILE_PREFIX) if is_file else name
        # Whether it is connected is unknown until the list has loaded.
        self.chooser.set_value(name, text if is_file or self._options is None else f"{text} (not connected)")

    def _show_status(self) -> None:
        if self.fetch is not None:
            self.fetch.setVisible(self._missing is not None)
        if self.is_following:
            self._show_on()
        else:
            self._show_off()

    def _show_on(self) -> None:
        status = self._pipeline.webcam()
        self._show_camera_status(*texts.status_text(status, self._is_running))
        show_text(self.face, *texts.face_text(status))
        caption = texts.preview_text(status, self._is_running)
        self._has_picture = not caption
        if caption:
            self.preview.show_caption(caption)
        self.calibrate.setEnabled(not caption)
        self.calibrate.show_status(status)

    def _show_off(self) -> None:
        # A missing face tracker is no error while head tracking is off.
        show_text(self.status, self._off_text())
        self.status.setToolTip("")
        show_text(self.face, "")
        self.preview.show_caption("")
        self.calibrate.show_off()

    def _off_text(self) -> str:
        if self._missing is None:
            return texts.OFF
        return str(self._missing) if self.fetch is None else texts.TRACKER_MISSING

    def _show_camera_status(self, text: str, state: str) -> None:
        """At most two lines, so that nothing below moves; the tooltip has the whole text."""
        metrics, width_px = self.status.fontMetrics(), self.status.width()
        lines = text.split("\n")
        # A single line may wrap between words, so it gets a little less than two lines.
        room_px = width_px if len(lines) > 1 else round(1.75 * width_px)
        show_text(self.status, "\n".join(metrics.elidedText(line, ELIDE, room_px) for line in lines), state)
        self.status.setToolTip(text if self.status.text() != text else "")

    def _find_missing(self) -> MissingExtraError | None:
        try:
            self._require()
        except MissingExtraError as error:
            return error
        return None
