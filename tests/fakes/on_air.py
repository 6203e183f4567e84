"""What leaves the program, for windows under test: remembers what it was asked for."""

from dataclasses import replace

from avatar_app.contracts.errors import OutputError
from avatar_app.live.record import RecordState, RecordStatus
from avatar_app.live.sinks import OnAirStatus
from avatar_app.live.voice import NO_VOICE

OFF = OnAirStatus(camera=None, browser=None, voice=NO_VOICE, record=RecordStatus())


class FakeOnAir:
    """Same calls as `OnAir`; `is_full` makes recordings and snapshots fail."""

    delay_ms = 138.4
    page_url = "http://127.0.0.1:18750/?token=secret"

    def __init__(self):
        self.calls = []
        self.applied = []
        self.figures = OFF
        self.is_full = False

    def start(self):
        self.calls.append("start")

    def stop(self):
        self.calls.append("stop")

    def close(self):
        self.calls.append("close")

    def apply(self, settings):
        self.applied.append(settings)

    def status(self):
        return self.figures

    @property
    def is_recording(self):
        return self.figures.record.is_active

    def start_recording(self):
        self._need_room()
        self.figures = replace(self.figures, record=RecordStatus(RecordState.RECORDING, seconds=65.0))

    def stop_recording(self):
        self.figures = replace(self.figures, record=RecordStatus(RecordState.SAVED))

    def take_snapshot(self):
        self._need_room()
        self.calls.append("snapshot")

    def _need_room(self):
        if self.is_full:
            raise OutputError("The disk is full.", "Free some space.")
