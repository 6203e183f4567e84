"""The browser source: its switch, and its URL for OBS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPushButton

from avatar_app.gui.panel.sink_section import SinkSection, SinkServices, opaque_warning, show_opacity
from avatar_app.gui.widgets.rows import Section, hint
from avatar_app.gui.widgets.segments import Choice, Segments
from avatar_app.settings.schema import Settings

if TYPE_CHECKING:
    from avatar_app.live.browser import BrowserStatus
    from avatar_app.live.sinks import SinksStatus

CHOICES = (
    Choice(False, "Off", "No browser source"),
    Choice(True, "On", "A transparent page, on this computer only"),
)
COPY, COPIED = "Copy URL", "Copied"
COPIED_SHOWN_MS = 4_000
IN_OBS = "In OBS, add a Browser source. Paste the URL, and set width and height to 512."
IN_OBS_LINES = 2


class BrowserSection(SinkSection):
    """The switch, and a button that copies the URL. The URL holds a token and is never visible."""

    def __init__(self, services: SinkServices) -> None:
        super().__init__()
        self._page_url = services.page_url
        self.switch = Segments("Browser source", CHOICES)
        self.switch.setToolTip("A page for OBS's browser source (Alt+U)")
        self.warning = opaque_warning()
        self.copy = QPushButton(COPY)
        self.copy.setProperty("role", "swatch")
        self.copy.setToolTip("The URL for a browser source in OBS, 512 x 512; it works on this computer only")
        self.copy.setAccessibleName(COPY)
        self.copy.setEnabled(False)
        self._copied = QTimer(self, singleShot=True, interval=COPIED_SHOWN_MS)
        section = self._add(Section("Browser so&urce", self.switch))
        self.status = section.value_label
        for row in (self.warning, self.copy, hint(IN_OBS, IN_OBS_LINES)):
            section.add(row)
        self.switch.chosen.connect(lambda is_on: self.changed.emit({"is_browser_on": is_on}))
        self.copy.clicked.connect(self._copy)
        self._copied.timeout.connect(lambda: self.copy.setText(COPY))

    def show_settings(self, settings: Settings) -> None:
        """Show settings without emitting `changed`."""
        self.switch.set_value(settings.is_browser_on)
        show_opacity(self.warning, settings, is_wanted=settings.is_browser_on)

    def show_status(self, status: SinksStatus, *, has_mic: bool) -> None:
        """See `SinkSection`."""
        del has_mic
        self.status.set_line(status_text(status.browser))
        self.copy.setEnabled(status.browser is not None)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._page_url())
        self._copied.start()
        self.copy.setText(COPIED)


def status_text(browser: BrowserStatus | None) -> str:
    """The number of viewers; empty while the page is off."""
    if browser is None:
        return ""
    return {0: "No viewers", 1: "1 viewer"}.get(browser.n_viewers, f"{browser.n_viewers} viewers")
