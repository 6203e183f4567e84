"""The event booth: the face alone on the whole screen, which invites when nobody has spoken for a while.

Visitors stand before it, perhaps with its keyboard: it obeys its own key alone, and the control API, which a visitor
cannot reach.
"""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QWidget

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.units import s_to_ns
from avatar_app.gui.ports import LiveFigures, WebcamFigures
from avatar_app.gui.stage.avatar_view import Sign, Stage
from avatar_app.settings.schema import Settings

LEAVE_KEY = "Ctrl+Shift+K"
INVITATION = "Speak to me"
INVITE_AFTER_NS = s_to_ns(20)
HINT_SHOWN_NS = s_to_ns(5)
NO_MICROPHONE = "The microphone is not connected"
NO_CAMERA = "The camera is not connected"
# A device that is opened anew is away for a moment; nobody needs to read of that.
LOST_AFTER_NS = s_to_ns(2)
RECORDING = Sign("Recording", "danger")
WATCHING = Sign("Camera on", "good")


class Attract:
    """Decides when to invite. Thread: main.

    Args:
        t_now_ns: an instant of the program's clock.
    """

    def __init__(self, t_now_ns: int) -> None:
        self._t_spoken_ns = t_now_ns

    def caption(self, *, is_speaking: bool, t_now_ns: int) -> str:
        """What is written over the picture now; empty while somebody speaks, and for a while after."""
        if is_speaking:
            self._t_spoken_ns = t_now_ns
        return INVITATION if t_now_ns - self._t_spoken_ns > INVITE_AFTER_NS else ""


class Booth:
    """Makes the window a booth, and a window again; whoever stands before it can do neither by accident. Thread: main.

    Args:
        window: what fills the screen.
        stage: where the face is, in that window.
        clock: the program's.
    """

    def __init__(self, window: QWidget, stage: Stage, clock: Clock) -> None:
        self._window, self._stage, self._clock = window, stage, clock
        self._is_on = False
        self._t_begin_ns = clock.now_ns()
        self._attract = Attract(self._t_begin_ns)
        self._t_well_ns = self._t_begin_ns
        self._words = ""

    @property
    def is_on(self) -> bool:
        """Whether the window is a booth now."""
        return self._is_on

    def show_settings(self, settings: Settings) -> None:
        """Fill the screen with the face alone, or come back."""
        ground = settings.background_colour if settings.background == "colour" else ""
        self._stage.set_bare(is_bare=settings.is_kiosk, ground=ground)
        if settings.is_kiosk == self._is_on:
            return
        self._is_on = settings.is_kiosk
        self._t_begin_ns = self._clock.now_ns()
        self._attract = Attract(self._t_begin_ns)
        self._t_well_ns, self._words = self._t_begin_ns, ""
        self._lock()
        self._window.setCursor(Qt.CursorShape.BlankCursor if self._is_on else Qt.CursorShape.ArrowCursor)
        self._set_full_screen(is_full=self._is_on)

    def toggle_full_screen(self) -> None:
        """Fill the screen, or come back; a booth stays as it is."""
        if not self._is_on:
            self._set_full_screen(is_full=not self._window.isFullScreen())

    def keep_full_screen(self) -> None:
        """Fill the screen again, if the window system made a booth smaller."""
        if self._is_on and (self._window.isMinimized() or not self._window.isFullScreen()):
            self._window.setWindowState(Qt.WindowState.WindowFullScreen)

    def hint(self) -> str:
        """How to come back, for the first seconds."""
        if not self._is_on or self._clock.now_ns() - self._t_begin_ns > HINT_SHOWN_NS:
            return ""
        return f"{QKeySequence(LEAVE_KEY).toString(QKeySequence.SequenceFormat.NativeText)}: back to the window"

    @property
    def words(self) -> str:
        """What a booth says while it runs: what is missing, or an invitation when nobody has spoken for a while."""
        return self._words

    def show_figures(self, figures: LiveFigures, webcam: WebcamFigures | None, *, is_recording: bool) -> None:
        """Say what visitors must know: what is missing, and that they are recorded, or looked at by a camera."""
        t_now_ns = self._clock.now_ns()
        missing = missing_words(figures, webcam)
        if not missing:
            self._t_well_ns = t_now_ns
        invitation = self._attract.caption(is_speaking=figures.is_speaking, t_now_ns=t_now_ns)
        is_lost = t_now_ns - self._t_well_ns > LOST_AFTER_NS
        self._words = (missing if is_lost else "") if missing else invitation
        is_watching = webcam is not None and webcam.camera.value == "running"
        signs = ((RECORDING, is_recording), (WATCHING, is_watching))
        self._stage.set_signs(tuple(sign for sign, is_on in signs if is_on))

    def _lock(self) -> None:
        """No key but its own does anything in a booth."""
        own = QKeySequence(LEAVE_KEY)
        for shortcut in self._window.findChildren(QShortcut):
            shortcut.setEnabled(not self._is_on or shortcut.key() == own)
        if not self._is_on:
            self._stage.set_signs(())

    def _set_full_screen(self, *, is_full: bool) -> None:
        state, full = self._window.windowState(), Qt.WindowState.WindowFullScreen
        self._window.setWindowState(state | full if is_full else state & ~full)


def missing_words(figures: LiveFigures, webcam: WebcamFigures | None) -> str:
    """What a booth lacks to hear and see its visitors; empty when all is there."""
    if figures.is_running and not figures.mic.rate_hz:
        return NO_MICROPHONE
    return NO_CAMERA if webcam is not None and webcam.camera.value == "lost" else ""
