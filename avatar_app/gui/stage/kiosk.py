"""Kiosk mode, for event booths: the face alone on the whole screen, with an invitation after a silence.

Visitors may reach the keyboard, so every shortcut except the one that leaves kiosk mode is off. The control API works.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QWidget

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.units import s_to_ns
from avatar_app.gui import keys
from avatar_app.gui.stage.avatar_view import AvatarView, Sign
from avatar_app.live.webcam import WebcamState
from avatar_app.settings.schema import BackgroundKind, Settings

if TYPE_CHECKING:
    from avatar_app.live.pipeline import LiveStatus
    from avatar_app.live.webcam import WebcamStatus

INVITATION = "Speak to me"
INVITE_AFTER_NS = s_to_ns(20)
HINT_SHOWN_NS = s_to_ns(5)
NO_MICROPHONE = "The microphone is not connected"
NO_CAMERA = "The camera is not connected"
# A device that reopens is missing for a moment, which needs no message.
LOST_AFTER_NS = s_to_ns(2)
RECORDING = Sign("Recording", "danger")
WEBCAM_ON = Sign("Camera on", "good")


class Invitation:
    """Invites visitors after a silence. Thread: main.

    Args:
        t_now_ns: an instant of the program's clock.
    """

    def __init__(self, t_now_ns: int) -> None:
        self._t_speech_ns = t_now_ns

    def caption(self, *, is_speaking: bool, t_now_ns: int) -> str:
        """The text over the picture; empty while a visitor speaks, and at the start of a silence."""
        if is_speaking:
            self._t_speech_ns = t_now_ns
        return INVITATION if t_now_ns - self._t_speech_ns > INVITE_AFTER_NS else ""


class Kiosk:
    """Switches a window to kiosk mode and back. Thread: main.

    Args:
        window: fills the screen.
        view: shows the face in that window.
        clock: the program's.
    """

    def __init__(self, window: QWidget, view: AvatarView, clock: Clock) -> None:
        self._window, self._view, self._clock = window, view, clock
        self._is_on = False
        self._t_begin_ns = clock.now_ns()
        self._invitation = Invitation(self._t_begin_ns)
        self._t_complete_ns = self._t_begin_ns
        self._caption = ""

    @property
    def is_on(self) -> bool:
        """Whether kiosk mode is on."""
        return self._is_on

    def show_settings(self, settings: Settings) -> None:
        """Enter or leave kiosk mode."""
        ground = settings.background_colour if settings.background == BackgroundKind.COLOUR else ""
        self._view.set_bare(is_bare=settings.is_kiosk, ground=ground)
        if settings.is_kiosk == self._is_on:
            return
        self._is_on = settings.is_kiosk
        self._t_begin_ns = self._clock.now_ns()
        self._invitation = Invitation(self._t_begin_ns)
        self._t_complete_ns, self._caption = self._t_begin_ns, ""
        self._lock()
        self._window.setCursor(Qt.CursorShape.BlankCursor if self._is_on else Qt.CursorShape.ArrowCursor)
        self._set_full_screen(is_full=self._is_on)

    def toggle_full_screen(self) -> None:
        """Toggle full screen; does nothing in kiosk mode."""
        if not self._is_on:
            self._set_full_screen(is_full=not self._window.isFullScreen())

    def keep_full_screen(self) -> None:
        """Fill the screen again after the window system shrank kiosk mode."""
        if self._is_on and (self._window.isMinimized() or not self._window.isFullScreen()):
            self._window.setWindowState(Qt.WindowState.WindowFullScreen)

    def hint(self) -> str:
        """How to leave kiosk mode, during its first seconds."""
        if not self._is_on or self._clock.now_ns() - self._t_begin_ns > HINT_SHOWN_NS:
            return ""
        return f"{keys.native(keys.KIOSK)}: back to the window"

    @property
    def caption(self) -> str:
        """The text while the avatar runs: a missing device, or the invitation."""
        return self._caption

    def show_status(self, status: LiveStatus, webcam: WebcamStatus | None, *, is_recording: bool) -> None:
        """Show visitors a missing device, and signs while a recording runs or the webcam is on."""
        t_now_ns = self._clock.now_ns()
        missing = missing_device(status, webcam)
        if not missing:
            self._t_complete_ns = t_now_ns
        invitation = self._invitation.caption(is_speaking=status.is_speaking, t_now_ns=t_now_ns)
        is_lost = t_now_ns - self._t_complete_ns > LOST_AFTER_NS
        self._caption = (missing if is_lost else "") if missing else invitation
        is_webcam_on = webcam is not None and webcam.camera is WebcamState.RUNNING
        signs = ((RECORDING, is_recording), (WEBCAM_ON, is_webcam_on))
        self._view.set_signs(tuple(sign for sign, is_on in signs if is_on))

    def _lock(self) -> None:
        """Disable every shortcut except the one that leaves kiosk mode."""
        own = QKeySequence(keys.KIOSK)
        for shortcut in self._window.findChildren(QShortcut):
            shortcut.setEnabled(not self._is_on or shortcut.key() == own)
        if not self._is_on:
            self._view.set_signs(())

    def _set_full_screen(self, *, is_full: bool) -> None:
        state, full = self._window.windowState(), Qt.WindowState.WindowFullScreen
        self._window.setWindowState(state | full if is_full else state & ~full)


def missing_device(status: LiveStatus, webcam: WebcamStatus | None) -> str:
    """Which device is missing; empty when none is."""
    if status.is_running and not status.mic.rate_hz:
        return NO_MICROPHONE
    return NO_CAMERA if webcam is not None and webcam.camera is WebcamState.LOST else ""
