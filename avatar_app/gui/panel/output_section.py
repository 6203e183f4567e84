"""What leaves the program: recordings, the virtual camera, the browser source, the voice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPushButton

from avatar_app.gui.panel.picture_sections import Group
from avatar_app.gui.ports import Dialogs, OnAirFigures, Option
from avatar_app.gui.widgets.rows import Chooser, Section, hint, set_state
from avatar_app.gui.widgets.segments import Choice, Segments
from avatar_app.settings.schema import Settings

OFF, ON = "off", "on"
CAMERA_CHOICES = (
    Choice(OFF, "Off", "No virtual camera"),
    Choice("meeting", "Meeting", "1280 x 720, as meetings expect"),
    Choice("square-720", "Square", "720 x 720, for OBS"),
)
BROWSER_CHOICES = (Choice(OFF, "Off", "No page"), Choice(ON, "On", "A page on this machine alone, with transparency"))
FORMAT_CHOICES = (
    Choice("mp4", "MP4", "H.264: plays everywhere"),
    Choice("prores", "ProRes", "ProRes 4444 with transparency, large files"),
    Choice("webm", "WebM", "VP9 with transparency"),
)
TRANSPARENT_FORMATS = ("prores", "webm")
BADGE_CHOICES = (
    Choice(False, "In the data", "Recordings and snapshots say in their data that they are AI-generated"),
    Choice(True, "In the picture too", "A small mark in the corner of every picture: AI avatar"),
)
NOISE_CHOICES = (
    Choice("off", "Off", "The microphone as it is"),
    Choice("mild", "Mild", "Fans and rooms"),
    Choice("strong", "Strong", "Halls and keyboards"),
)
GAIN_CHOICES = (
    Choice(False, "Off", "The microphone as loud as it is"),
    Choice(True, "On", "A quiet voice is raised by itself, a loud one lowered"),
)
COPY, COPIED = "Copy the address", "Copied"
COPIED_SHOWN_MS = 4_000
IN_OBS = "In OBS: Sources, +, Browser; paste it as URL, width 512 and height 512, or any square."
IN_OBS_LINES = 2
BEHIND = {"colour": "a colour", "picture": "a picture"}
OPAQUE = "Not transparent: {} is behind the avatar. Set Background to Transparent on the page Avatar."
NO_VOICE = Option("", "Off", "The voice goes its own way")
LOUD = "The face hears this sound; what is played and recorded stays as it is."


class OnAirGroup(Group):
    """Switches of everything that others see and hear.

    Args:
        outputs: lists the devices that can play the voice.
        dialogs: asks for the folder of recordings.
        page_url: the browser source's address with its token, empty while it is off.
    """

    def __init__(
        self, outputs: Callable[[], tuple[Option, ...]], dialogs: Dialogs, page_url: Callable[[], str]
    ) -> None:
        super().__init__()
        self._outputs, self._dialogs, self._page_url = outputs, dialogs, page_url
        self._settings = Settings()
        self.camera = Segments("Virtual camera", CAMERA_CHOICES)
        self.browser = Segments("Browser source", BROWSER_CHOICES)
        self.copy = QPushButton(COPY)
        self._copied = QTimer(self)
        self._copied.setSingleShot(True)
        self._copied.setInterval(COPIED_SHOWN_MS)
        self._copied.timeout.connect(lambda: self.copy.setText(COPY))
        self.voice = Chooser("Voice in sync", "Plays your voice when its picture is shown (Alt+C)")
        self.obs = QPushButton("Or let OBS delay it …")
        self.format = Segments("Recordings", FORMAT_CHOICES)
        self.folder = QPushButton()
        self.opaque_film, self.opaque_page = hint(), hint()
        self.badge = Segments("Mark as AI", BADGE_CHOICES)
        self.noise = Segments("Noise suppression", NOISE_CHOICES)
        self.auto_gain = Segments("Automatic gain", GAIN_CHOICES)
        self._lay_out()
        self._connect()
        self.refresh()

    def refresh(self) -> None:
        """Read the list of outputs anew."""
        self.voice.set_options((NO_VOICE, *self._outputs()))
        self._show_voice()

    def show_settings(self, settings: Settings) -> None:
        """Show settings without telling of a change."""
        self._settings = settings
        self.camera.set_value(settings.camera_size if settings.is_camera_on else OFF)
        self.browser.set_value(ON if settings.is_browser_on else OFF)
        self.format.set_value(settings.record_format)
        self.noise.set_value(settings.noise_suppression)
        self.auto_gain.set_value(settings.is_auto_gain_on)
        self.badge.set_value(settings.has_badge)
        folder = PurePath(settings.record_folder).name if settings.record_folder else "Your videos"
        self.folder.setText(
            self.folder.fontMetrics().elidedText(f"Folder: {folder}", Qt.TextElideMode.ElideMiddle, 240)
        )
        self.folder.setAccessibleDescription(folder)
        self._show_opacity(settings)
        self._show_voice()

    def _show_opacity(self, settings: Settings) -> None:
        """Whoever wants transparency is told where it is lost."""
        behind = BEHIND.get(settings.background, "")
        has_alpha = settings.record_format in TRANSPARENT_FORMATS
        for words, is_wanted in ((self.opaque_film, has_alpha), (self.opaque_page, settings.is_browser_on)):
            words.setText(OPAQUE.format(behind))
            words.setVisible(bool(behind) and is_wanted)

    def show_figures(self, figures: OnAirFigures, *, has_mic: bool) -> None:
        """Say what really goes out, beside the headings: there it moves nothing when it comes and goes."""
        self.camera_state.say(camera_words(figures))
        self.browser_state.say(browser_words(figures))
        is_heard = figures.voice.state.value == "running" and has_mic
        clocks = f"clocks {figures.voice.drift_ppm:+.0f} ppm apart" if is_heard else ""
        self.voice_state.say(voice_words(figures, has_mic=has_mic), clocks)
        self.copy.setEnabled(figures.browser is not None)

    def _lay_out(self) -> None:
        for button, tip in (
            (self.folder, "Choose the folder of recordings and snapshots"),
            (self.obs, "Delays your microphone in OBS until its picture is there"),
            (self.copy, "Paste it into OBS as the URL of a browser source, 512 x 512; it works on this machine alone"),
        ):
            button.setProperty("role", "swatch")
            button.setToolTip(tip)
        self.folder.setAccessibleName("Folder of recordings")
        self.copy.setAccessibleName(COPY)
        self.copy.setEnabled(False)
        self.camera.setToolTip("The avatar as a webcam (Alt+V)")
        self.browser.setToolTip("A page for OBS's browser source (Alt+U)")
        self.noise.setToolTip(f"Noise is taken out before the lips hear (Alt+N). {LOUD}")
        self.auto_gain.setToolTip(f"Speech is brought to one level (Alt+I). {LOUD}")
        recordings = self._add(Section("Recor&dings", self.format))
        for words in (self.opaque_film, self.opaque_page):
            set_state(words, "warning")
            words.hide()
        recordings.add(self.opaque_film)
        recordings.add(self.folder)
        self._add(Section("Mar&k as AI", self.badge))
        self.camera_state = self._add(Section("&Virtual camera", self.camera)).value_label
        browser = self._add(Section("Browser so&urce", self.browser))
        self.browser_state = browser.value_label
        browser.add(self.opaque_page)
        browser.add(self.copy)
        browser.add(hint(IN_OBS, IN_OBS_LINES))
        voice = self._add(Section("Voi&ce in sync", self.voice))
        self.voice_state = voice.value_label
        voice.add(self.obs)
        self._add(Section("&Noise suppression", self.noise))
        self._add(Section("Automat&ic gain", self.auto_gain))

    def _connect(self) -> None:
        self.camera.chosen.connect(self._choose_camera)
        self.browser.chosen.connect(lambda value: self.changed.emit({"is_browser_on": value == ON}))
        self.voice.chosen.connect(lambda value: self.changed.emit({"voice_output": value}))
        self.format.chosen.connect(lambda value: self.changed.emit({"record_format": value}))
        self.noise.chosen.connect(lambda value: self.changed.emit({"noise_suppression": value}))
        self.auto_gain.chosen.connect(lambda is_on: self.changed.emit({"is_auto_gain_on": is_on}))
        self.badge.chosen.connect(lambda is_on: self.changed.emit({"has_badge": is_on}))
        self.folder.clicked.connect(self._ask_folder)
        self.copy.clicked.connect(self._copy)

    def _choose_camera(self, value: str) -> None:
        is_on = value != OFF
        self.changed.emit({"is_camera_on": is_on, **({"camera_size": value} if is_on else {})})

    def _ask_folder(self) -> None:
        folder = self._dialogs.ask_folder(self._settings.record_folder)
        if folder is not None:
            self.changed.emit({"record_folder": folder})

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._page_url())
        self._copied.start()
        self.copy.setText(COPIED)

    def _show_voice(self) -> None:
        name = self._settings.voice_output
        self.voice.set_value(name, f"{name} (not connected)")


def camera_words(figures: OnAirFigures) -> str:
    """What viewers of the camera get."""
    camera = figures.camera
    if camera is None:
        return ""
    if camera.state.value != "running":
        return "Waiting for a camera"
    return f"{camera.device}, {camera.fps_achieved:.0f} a second"


def browser_words(figures: OnAirFigures) -> str:
    """Who looks at the page."""
    browser = figures.browser
    if browser is None:
        return ""
    return {0: "Nobody looks", 1: "1 viewer"}.get(browser.n_viewers, f"{browser.n_viewers} viewers")


def voice_words(figures: OnAirFigures, *, has_mic: bool) -> str:
    """How the voice meets its picture."""
    voice = figures.voice
    if voice.state.value == "stopped":
        return ""
    if voice.is_feedback:
        return "Not played: it would howl"
    if voice.state.value == "lost":
        return "Waiting for this output"
    return f"{voice.delay_ms:.0f} ms behind you" if has_mic else "Waiting for the microphone"
