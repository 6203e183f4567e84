"""The virtual camera: off, or its size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from avatar_app.gui.panel.sink_section import SinkSection, SinkServices
from avatar_app.gui.widgets.rows import Section
from avatar_app.gui.widgets.segments import Choice, Segments
from avatar_app.live.camera import CameraState
from avatar_app.settings.schema import Settings

if TYPE_CHECKING:
    from avatar_app.live.camera import CameraStatus
    from avatar_app.live.sinks import SinksStatus

OFF = "off"
CHOICES = (
    Choice(OFF, "Off", "No virtual camera"),
    Choice("meeting", "Meeting", "1280 x 720, for meetings"),
    Choice("square-720", "Square", "720 x 720, for OBS"),
)


class CameraSection(SinkSection):
    """The switch of the virtual camera."""

    def __init__(self, services: SinkServices) -> None:
        del services
        super().__init__()
        self.switch = Segments("Virtual camera", CHOICES)
        self.switch.setToolTip("The avatar as a webcam (Alt+V)")
        self.status = self._add(Section("&Virtual camera", self.switch)).value_label
        self.switch.chosen.connect(self._choose)

    def show_settings(self, settings: Settings) -> None:
        """Show settings without emitting `changed`."""
        self.switch.set_value(settings.camera_size if settings.is_camera_on else OFF)

    def show_status(self, status: SinksStatus, *, has_mic: bool) -> None:
        """See `SinkSection`."""
        del has_mic
        self.status.set_line(status_text(status.camera))

    def _choose(self, value: str) -> None:
        is_on = value != OFF
        self.changed.emit({"is_camera_on": is_on, **({"camera_size": value} if is_on else {})})


def status_text(camera: CameraStatus | None) -> str:
    """Device and frame rate; empty while the camera is off."""
    if camera is None:
        return ""
    if camera.state is not CameraState.RUNNING:
        return "Waiting for a camera"
    return f"{camera.device}, {camera.fps_achieved:.0f} fps"
