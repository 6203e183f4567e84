"""The panel's sections of the sinks. A new sink adds one line to `SECTIONS`."""

from __future__ import annotations

from collections.abc import Callable

from avatar_app.gui.panel.browser_section import BrowserSection
from avatar_app.gui.panel.camera_section import CameraSection
from avatar_app.gui.panel.recording_section import RecordingSection
from avatar_app.gui.panel.sink_section import SinkSection, SinkServices
from avatar_app.gui.panel.voice_section import VoiceSection

# In the order of the page.
SECTIONS: tuple[Callable[[SinkServices], SinkSection], ...] = (
    RecordingSection,
    CameraSection,
    BrowserSection,
    VoiceSection,
)
