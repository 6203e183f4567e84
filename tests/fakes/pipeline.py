"""A pipeline without a model: it shows given pictures and records its calls."""

import math
import time
from dataclasses import dataclass, field, replace

import numpy as np

from avatar_app.contracts.errors import UserError
from avatar_app.contracts.handoff import Mailboxes
from avatar_app.contracts.packets import Picture
from avatar_app.live.pipeline import OpenDevices
from avatar_app.live.runtime.slot import Refused

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class FakeMicStatus:
    device: str = ""
    rate_hz: int = 0
    n_channels: int = 0


@dataclass(frozen=True, slots=True)
class FakeStatus:
    is_running: bool = False
    fps_out: float = 0.0
    stage_ms: dict = field(default_factory=dict)
    latency_p50_ms: float = NAN
    latency_p95_ms: float = NAN
    engine: str = ""
    precision: str = ""
    model: str = ""
    lookahead_ms: int = 80
    n_dropped: int = 0
    n_repeated: int = 0
    n_missed: int = 0
    rss_mb: float = 0.0
    cpu_percent: float = 0.0
    mic: FakeMicStatus = FakeMicStatus()
    is_speaking: bool = False
    t_first_mouth_ns: int | None = None


def running_status(**changes):
    """Figures as on an ordinary day."""
    stages = {"capture": (12.1, 14.9), "mel": (0.2, 0.4), "student": (3.4, 5.1), "compose": (1.6, 2.4)}
    status = FakeStatus(
        is_running=True,
        fps_out=25.0,
        stage_ms={**stages, "handover": (8.2, 16.1)},
        latency_p50_ms=104.0,
        latency_p95_ms=121.0,
        engine="openvino",
        precision="FP16, run as BF16",
        model="nova-hd",
        n_repeated=2,
        rss_mb=291.0,
        cpu_percent=34.0,
        mic=FakeMicStatus("Built-in Audio Analog Stereo", 48_000, 2),
    )
    return replace(status, **changes)


def make_picture(index=0, colour=(90, 60, 40), size_px=512, alpha=255):
    """One flat picture, BGRA."""
    pixels = np.empty((size_px, size_px, 4), dtype=np.uint8)
    pixels[:] = (*colour, alpha)
    now_ns = time.monotonic_ns()
    return Picture(now_ns - 90_000_000, now_ns, index, pixels)


class FakePipeline:
    """Same calls as `LivePipeline`. `refuse` names settings that fail, as `{"model": "nova-x"}`."""

    def __init__(self, settings, notices=None, refuse=None):
        self.in_use = settings
        self.refused = []
        self.devices = OpenDevices(has_mic=False, has_webcam=settings.is_following)
        self.applied = []
        self.calls = []
        self.shown = []
        self.refuse = refuse or {}
        self.notices = notices
        self.live_status = FakeStatus()
        self.webcam_status, self.preview, self.n_previews = None, None, 0
        self.pictures = Mailboxes()

    @property
    def settings(self):
        return self.in_use

    def put(self, picture):
        self.pictures.put(picture)

    def note_shown(self, picture, t_ns):
        self.shown.append((picture.index, t_ns))

    def start(self):
        self.calls.append("start")
        self.live_status = running_status()

    def stop(self):
        self.calls.append("stop")
        self.live_status = FakeStatus()

    def close_devices(self):
        self.calls.append("close_devices")

    def close(self):
        self.stop()

    def apply(self, settings):
        self.applied.append(settings)
        for name, value in self.refuse.items():
            if getattr(settings, name) == value:
                error = UserError(f"The {name} {value} cannot be used.", "Choose another one.")
                key = name if name != "precision" else "model"
                self.notices.error(key, error)
                self.refused.append(Refused(len(self.applied), settings, (name,), key, error))
                settings = settings.replace(**{name: getattr(self.in_use, name)})
        self.in_use = settings
        is_on = settings.is_following and "webcam" not in self.refuse
        self.devices = OpenDevices(has_mic=self.live_status.is_running, has_webcam=is_on)
        return len(self.applied)

    def take_results(self):
        taken, self.refused = tuple(self.refused), []
        return taken

    def open_devices(self):
        return self.devices

    def refresh_mic(self):
        self.calls.append("refresh_mic")

    def refresh_avatar(self):
        self.calls.append("refresh_avatar")

    def webcam(self):
        return self.webcam_status if self.in_use.is_following else None

    def webcam_preview(self):
        self.n_previews += 1
        return self.preview if self.in_use.is_following else None

    def calibrate_webcam(self):
        self.calls.append("calibrate_webcam")

    def set_hidden(self, *, is_hidden):
        self.calls.append("hide" if is_hidden else "show")

    def status(self):
        return self.live_status

    def level_db(self):
        if not self.live_status.is_running:
            return -120.0, -120.0
        t_s = time.monotonic()
        level_db = -24 + 10 * math.sin(2.1 * t_s) + 6 * math.sin(13 * t_s)
        return level_db, level_db + 9
