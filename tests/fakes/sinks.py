"""Sinks without devices, for windows under test; they record their calls."""

from avatar_app.contracts.errors import OutputError
from avatar_app.live.record import RecordState, RecordStatus
from avatar_app.live.sinks import SinksStatus

OFF = SinksStatus({})


def changed(status, **by_name):
    """The same status with that of some sinks in place of theirs."""
    return SinksStatus({**status.by_name, **by_name})


class FakeSinks:
    """Same calls as `Sinks`; `is_full` makes recordings and snapshots fail."""

    delay_ms = 138.4
    page_url = "http://127.0.0.1:18750/?token=secret"

    def __init__(self):
        self.calls = []
        self.applied = []
        self.sinks_status = OFF
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
        return self.sinks_status

    @property
    def is_recording(self):
        return self.sinks_status.record.is_active

    def start_recording(self):
        self._need_room()
        self.sinks_status = changed(self.sinks_status, record=RecordStatus(RecordState.RECORDING, seconds=65.0))

    def stop_recording(self):
        self.sinks_status = changed(self.sinks_status, record=RecordStatus(RecordState.SAVED))

    def take_snapshot(self):
        self._need_room()
        self.calls.append("snapshot")

    def _need_room(self):
        if self.is_full:
            raise OutputError("The disk is full.", "Free some space.")
