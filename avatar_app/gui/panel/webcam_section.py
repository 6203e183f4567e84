"""Her head follows the user's: the switch, the camera, its picture, and how strongly what follows."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from avatar_app.contracts.errors import MissingExtraError
from avatar_app.contracts.notices import Notice, NoticeBoard
from avatar_app.gui.control.device_watcher import CameraList
from avatar_app.gui.panel import webcam_texts as webcam_words
from avatar_app.gui.panel.head_sliders import FollowSliders
from avatar_app.gui.panel.picture_sections import SECTION_GAP_PX, Group
from avatar_app.gui.panel.webcam_preview import WebcamPreview
from avatar_app.gui.ports import Catalogue, Dialogs, LiveFigures, Option, Pipeline
from avatar_app.gui.widgets.fetch_button import FetchButton
from avatar_app.gui.widgets.progress_button import ProgressButton
from avatar_app.gui.widgets.rows import SECTION_SPACING_PX, Chooser, Section, hint, labelled, set_state
from avatar_app.gui.widgets.segments import Choice, Segments
from avatar_app.gui.widgets.theme import Tokens
from avatar_app.settings.schema import FILE_PREFIX, Settings

# At most 15 pictures a second; the status after every fifth look, and at each while the user holds still.
BEAT_MS = 70
N_BEATS_PER_STATUS = 5
CALIBRATION_S = 3.0
LEARNED_SHOWN_MS = 2500
N_STATUS_LINES = 2
NOTICE_KEY = "follow"
ELIDE = Qt.TextElideMode.ElideRight
FIRST = Option("", "First camera", "The first one that the system names")
ASK_FILE = Option("ask-file", "Video file …", "A recording in the camera's place, again and again")
LEARNED = "Straight ahead is learned"
SWITCH_CHOICES = (
    Choice(False, "Off", "She moves on her own, and the camera is off"),
    Choice(True, "On", "Her head, eyes and lids follow yours; no picture of you is stored or sent"),
)
MIRROR_CHOICES = (
    Choice(True, "Mirrored", "Lean to your left, and she leans to the left of her picture"),
    Choice(False, "Not mirrored", "Lean to your left, and she leans to her own left"),
)


class CameraChooser(Chooser):
    """The cameras.

    Signals:
        opened(): the list is about to be seen.
    """

    opened = Signal()

    def showPopup(self) -> None:  # noqa: N802 - Qt's name
        """Show the list, and have it made anew."""
        self.opened.emit()
        super().showPopup()


class WebcamGroup(Group):
    """All of the webcam. Thread: main.

    Args:
        pipeline: follows the settings by itself, and tells how it goes.
        catalogue: names the cameras.
        dialogs: asks for a video file.
        notices: where it is told that the face tracker is missing.
        require: raises `MissingExtraError` when faces cannot be tracked here.
        fetch: gets what is missing, may block for minutes, raises `UserError`; None where it cannot be had.
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
        self._is_running = False
        self._options: tuple[Option, ...] | None = None
        self._n_beats = 0
        self._has_picture = False
        self.switch = Segments("Follow my head", SWITCH_CHOICES)
        self.chooser = CameraChooser("Camera", "The camera that looks at you")
        self.status = hint()
        self.fetch = FetchButton(webcam_words.FETCH, webcam_words.FETCHING, fetch) if fetch is not None else None
        self.preview = WebcamPreview()
        self.calibrate = ProgressButton(webcam_words.STRAIGHT)
        self.sliders = FollowSliders()
        self.mirror = Segments("Mirror", MIRROR_CHOICES)
        self.details = QWidget()
        self._learned = QTimer(self)
        self._learned.setSingleShot(True)
        self._learned.setInterval(LEARNED_SHOWN_MS)
        self._beats = QTimer(self)
        self._beats.setInterval(BEAT_MS)
        self._lay_out()
        self._connect()
        self._show_cameras(())
        self.show_settings(self._settings)

    @property
    def is_following(self) -> bool:
        """Whether the camera is wanted, and can be."""
        return self._settings.is_following and self._missing is None

    def turn(self, is_on: bool) -> None:
        """Have her head follow, or cut the camera; what is missing for it is told."""
        self._missing = self._find_missing()
        if is_on and self._missing is not None:
            self._notices.post(Notice.from_error(NOTICE_KEY, self._missing))
            self.show_settings(self._settings)
            return
        self.changed.emit({"is_following": is_on})

    def toggle(self) -> None:
        """Cut the camera, or turn it on again."""
        self.turn(not self._settings.is_following)

    def show_settings(self, settings: Settings) -> None:
        """Show settings without telling of a change."""
        self._settings = settings
        self.switch.set_value(self.is_following)
        self.details.setVisible(self.is_following)
        self._show_camera()
        self.sliders.show_settings(settings)
        self.mirror.set_value(settings.is_mirrored)
        self.preview.set_mirrored(is_mirrored=settings.is_mirrored)
        self._show_status()

    def show_figures(self, figures: LiveFigures) -> None:
        """Hear whether the avatar runs."""
        if figures.is_running != self._is_running:
            self._is_running = figures.is_running
            self._show_status()

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self.preview.set_tokens(tokens)
        self.calibrate.set_tokens(tokens)

    def look(self) -> None:
        """Take what is new: cameras that were found, how it goes, the newest picture."""
        cameras = self._cameras.take()
        if cameras is not None and cameras != self._options:
            self._options = cameras
            self._show_cameras(cameras)
        if not self.is_following:
            return
        self._n_beats += 1
        if self._n_beats % N_BEATS_PER_STATUS == 0 or self.calibrate.ratio is not None:
            self._show_status()
        # Scrolled out of sight, it is not even asked for.
        picture = None if self.preview.visibleRegion().isEmpty() else self._pipeline.webcam_preview()
        if picture is not None and self._has_picture:
            self.preview.show_picture(picture)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """In sight: look again, also whether the face tracker has come meanwhile."""
        super().showEvent(event)
        # The style sheet gives the font, and only now.
        self.status.ensurePolished()
        self.status.setMinimumHeight(N_STATUS_LINES * self.status.fontMetrics().lineSpacing())
        self._cameras.look()
        self._missing = self._find_missing()
        self.show_settings(self._settings)
        self._beats.start()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 - Qt's name
        """Out of sight: no picture is asked for or kept."""
        super().hideEvent(event)
        self._beats.stop()
        self.preview.show_caption("")

    def _lay_out(self) -> None:
        self.switch.setToolTip("Whether her head follows yours (Alt+H)")
        self.mirror.setToolTip("To which side she moves (Alt+I)")
        self.calibrate.setToolTip(
            "Sit as you speak, look at the screen, press: three seconds later that is straight ahead"
        )
        self.status.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        section = self._add(Section("Follow my &head", self.switch))
        self.face = section.value_label
        for row in (labelled("Camera", self.chooser), self.status, self.fetch, self.details):
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
        column.addWidget(Section("How strongl&y", self.sliders))
        column.addWidget(Section("M&irror", self.mirror))

    def _connect(self) -> None:
        self.switch.chosen.connect(self.turn)
        self.chooser.chosen.connect(self._choose)
        self.chooser.opened.connect(self._cameras.look)
        self.calibrate.clicked.connect(self._calibrate)
        self.mirror.chosen.connect(lambda is_on: self.changed.emit({"is_mirrored": is_on}))
        self._learned.timeout.connect(self._show_status)
        self._beats.timeout.connect(self.look)
        self.sliders.changed.connect(self.changed)
        if self.fetch is not None:
            self.fetch.fetched.connect(self._show_fetched)

    def _show_fetched(self, problem: str) -> None:
        self._missing = self._find_missing()
        if self._missing is None:
            self._notices.clear(NOTICE_KEY)
        self.show_settings(self._settings)
        _say(self.status, problem or webcam_words.FETCHED, "bad" if problem else "")

    def _calibrate(self) -> None:
        self._learned.stop()
        self._pipeline.calibrate_webcam()
        self._show_status()

    def _choose(self, value: str) -> None:
        if value == ASK_FILE.value:
            path = self._dialogs.ask_video()
            if path is None:
                self._show_camera()
                return
            value = f"file:{path}"
        self.changed.emit({"webcam": value})

    def _show_cameras(self, cameras: tuple[Option, ...]) -> None:
        self.chooser.set_options((FIRST, *cameras, ASK_FILE))
        self._show_camera()

    def _show_camera(self) -> None:
        name = self._settings.webcam
        is_file = name.startswith(FILE_PREFIX)
        text = name.replace("\\", "/").rsplit("/", 1)[-1].removeprefix(FILE_PREFIX) if is_file else name
        # Before the list is there, nobody knows.
        self.chooser.set_value(name, text if is_file or self._options is None else f"{text} (not connected)")

    def _show_status(self) -> None:
        if self.fetch is not None:
            self.fetch.setVisible(self._missing is not None)
        if not self.is_following:
            # Nothing is wrong as long as nobody wants to be followed; whoever does gets a notice.
            _say(self.status, self._off_words(), "")
            self.status.setToolTip("")
            _say(self.face, "", "")
            self.preview.show_caption("")
            self._show_calibration(None, webcam_words.STRAIGHT)
            return
        figures = self._pipeline.webcam()
        self._show_camera_words(*webcam_words.status_words(figures, self._is_running))
        _say(self.face, *webcam_words.face_words(figures))
        caption = webcam_words.preview_words(figures, self._is_running)
        self._has_picture = not caption
        if caption:
            self.preview.show_caption(caption)
        self.calibrate.setEnabled(not caption)
        if figures is None:
            self._show_calibration(None, webcam_words.STRAIGHT)
        else:
            words = webcam_words.calibration_words(figures, CALIBRATION_S)
            self._show_calibration(figures.calibration_ratio, words)

    def _off_words(self) -> str:
        if self._missing is None:
            return webcam_words.OFF
        return str(self._missing) if self.fetch is None else webcam_words.TRACKER_MISSING

    def _show_camera_words(self, text: str, state: str) -> None:
        """Two lines at most, so that nothing below moves; the whole text is the tool tip."""
        metrics, width_px = self.status.fontMetrics(), self.status.width()
        lines = text.split("\n")
        # One that may go on in the second line breaks between words, so it has a little less than two.
        room_px = width_px if len(lines) > 1 else round(1.75 * width_px)
        _say(self.status, "\n".join(metrics.elidedText(line, ELIDE, room_px) for line in lines), state)
        self.status.setToolTip(text if self.status.text() != text else "")

    def _show_calibration(self, ratio: float | None, words: str) -> None:
        if self.calibrate.ratio is not None and ratio is None and self.calibrate.isEnabled() and self.is_following:
            self._learned.start()
        if self._learned.isActive() and ratio is None:
            words = LEARNED
        self.calibrate.show_ratio(ratio)
        if self.calibrate.text() != words:
            self.calibrate.setText(words)

    def _find_missing(self) -> MissingExtraError | None:
        try:
            self._require()
        except MissingExtraError as error:
            return error
        return None


def _say(label: QLabel, text: str, state: str) -> None:
    if label.text() != text:
        label.setText(text)
    set_state(label, state)
