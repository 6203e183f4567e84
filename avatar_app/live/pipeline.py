"""The live path: from the microphone to pictures; every setting can change while it runs."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psutil

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.handoff import Fan, Latest, Mailboxes
from avatar_app.contracts.head_pose import AvatarPose
from avatar_app.contracts.mouth import Mouth, MouthDriver
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import Picture, VoiceBlock
from avatar_app.contracts.units import ns_to_ms
from avatar_app.live.frame_thread import FrameLoop
from avatar_app.live.head_tracking import HeadTracking
from avatar_app.live.loader import AvatarSlot, BackgroundSlot, ModelSlot, WebcamSlot
from avatar_app.live.mic import MicControls, MicStatus
from avatar_app.live.mic.slot import CleaningSlot, MicSlot
from avatar_app.live.runtime.meters import StageMeters
from avatar_app.live.runtime.slot import Result, Slot
from avatar_app.live.runtime.worker import Watchdog, Worker
from avatar_app.live.speech_thread import SpeechLoop
from avatar_app.live.webcam import Preview, WebcamStatus
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings

log = logging.getLogger(__name__)

SHOWN_STAGES = ("capture", "mel", "student", "compose", "handover")
# `stop` waits this long for a driver that is opening a device; a device that opens later is closed.
DEVICE_TIMEOUT_S = 0.3
# `close` waits this long for a model that is being opened.
CLOSE_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class OpenDevices:
    """Whether microphone and webcam are open, being opened or being closed."""

    has_mic: bool
    has_webcam: bool


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """Figures of the running pipeline; times in milliseconds, rates in pictures per second.

    Attributes:
        head_ms: from a webcam picture to the first picture of the avatar that follows it, p50 and p95.
    """

    is_running: bool
    fps_out: float
    stage_ms: dict[str, tuple[float, float]]
    latency_p50_ms: float
    latency_p95_ms: float
    engine: str
    precision: str
    model: str
    lookahead_ms: int
    n_dropped: int
    n_repeated: int
    n_missed: int
    rss_mb: float
    cpu_percent: float
    head_ms: tuple[float, float]
    mic: MicStatus
    is_speaking: bool
    t_first_mouth_ns: int | None


class LivePipeline:
    """Owns the parts and threads of the live path.

    Each part that takes time to open has a slot, which opens it on its own thread. No call but `close` waits for
    that. A stop, a mute and turning the webcam off take effect before the call returns.

    Thread: `start`, `stop`, `close` and `apply` by one owner (the main thread), the rest any.
    """

    def __init__(self, settings: Settings, profile: ProfilePaths, clock: Clock, notices: NoticeBoard) -> None:
        self._clock = clock
        self._notices = notices
        self._wanted = settings
        self._meters = StageMeters()
        self._mouth: Latest[Mouth] = Latest()
        self._voice: Fan[VoiceBlock] = Fan()
        self._controls = MicControls(settings.mic_gain_db, is_muted=settings.is_muted)
        self._speech = SpeechLoop(clock, self._meters, self._mouth)
        self._following = HeadTracking(clock, notices, profile.state_dir)
        self._frame = FrameLoop(clock, self._meters, self._mouth, settings.fps, self._following.pose)
        self._avatar = AvatarSlot(settings, notices, profile, self._frame, self._hand_over)
        self._background = BackgroundSlot(settings, notices, self._frame)
        self._mic = MicSlot(settings, notices, clock, self._controls, self._voice)
        self._cleaning = CleaningSlot(settings, notices, self._mic)
        self._model = ModelSlot(settings, notices, profile, self._avatar, self._speech, self._report_lookahead)
        self._webcam = WebcamSlot(settings, notices, self._avatar, self._frame, self._following)
        self._process = psutil.Process(os.getpid())
        self._process.cpu_percent()
        self._workers = (
            Worker("frame", self._frame.step, clock, notices),
            Worker("speech", self._speech.run(lambda: self._mic.ring), clock, notices, self._speech.reset),
        )
        self._watchdog = Watchdog(self._workers, clock, notices)
        self._running: ExitStack | None = None
        self._n_requests = 0

    @property
    def settings(self) -> Settings:
        """The settings in use; they differ from the requested ones if something failed."""
        used = {name: value for slot in self._slots for name, value in slot.values().items()}
        if self._model.in_use.avatar != self._avatar.in_use.avatar:
            # The first avatar was refused, and its model with it.
            used["model"] = ""
        return self._wanted.replace(**used)

    def take_results(self) -> tuple[Result, ...]:
        """Results of the requests of `apply` since the last call; the newest one of each part."""
        return tuple(result for slot in self._slots if (result := slot.take_result()) is not None)

    @property
    def pictures(self) -> Mailboxes[Picture]:
        """Every finished picture, for sinks and the window."""
        return self._frame.pictures

    @property
    def voice(self) -> Fan[VoiceBlock]:
        """The sound of the microphone at its own rate, for sinks."""
        return self._voice

    def note_shown(self, picture: Picture, t_ns: int) -> None:
        """Note when the window showed a picture."""
        self._meters.note("handover", ns_to_ms(t_ns - picture.t_ready_ns))

    def latency_ms(self) -> tuple[float, float]:
        """Median times in ms: from capture to finished picture, and from there to the screen; NaN before the first."""
        return self._meters.p50_p95("latency")[0], self._meters.p50_p95("handover")[0]

    def mic_source(self) -> str:
        """The sound server's source that the microphone records; "" while it is not known."""
        return self._mic.status().source

    def set_hidden(self, *, is_hidden: bool) -> None:
        """Hide the avatar in all outputs, so that only the background is left, or show it again."""
        self._frame.set_hidden(is_hidden=is_hidden)

    def start(self) -> None:
        """Start from the last stage to the first; all or nothing. A second call does nothing."""
        if self._running is not None:
            return
        with ExitStack() as stack:
            for worker in self._workers:
                worker.start()
                stack.callback(worker.stop)
            self._watchdog.start()
            stack.callback(self._watchdog.stop)
            stack.callback(self.close_devices)
            for slot in self._slots:
                slot.start()
            self._apply_now(self._wanted)
            self._request(self._slots, self._wanted)
            self._running = stack.pop_all()

    def close_devices(self) -> None:
        """Close microphone and webcam now, and open none until the next start; pictures continue until `stop`."""
        devices = (self._mic, self._webcam)
        # A device that fails or takes long must not keep the next one open. The microphone is the first.
        with ExitStack() as stack:
            for device in reversed(devices):
                stack.callback(device.join, DEVICE_TIMEOUT_S)
            for slot in self._slots:
                stack.callback(slot.stop)
            for device in reversed(devices):
                stack.callback(device.close)
                stack.callback(device.stop)

    def stop(self) -> None:
        """Stop from the first stage to the last, devices first; a second call does nothing."""
        running, self._running = self._running, None
        if running is not None:
            running.close()

    def close(self) -> None:
        """Stop, and wait for parts that are being opened, so that the process can end."""
        self.stop()
        t_end_s = time.monotonic() + CLOSE_TIMEOUT_S
        for slot in self._slots:
            slot.join(max(0.0, t_end_s - time.monotonic()))

    def apply(self, settings: Settings) -> int:
        """Use other settings from now on. If a model, an avatar or a background fails, the old one stays.

        Returns:
            The number of this request, which its results carry: see `take_results`.
        """
        old, self._wanted = self._wanted, settings
        self._apply_now(settings)
        if _differs(old, settings, ("fps", "lookahead_ms")):
            self._meters.clear()
        if self._running is None:
            for slot in self._slots:
                slot.in_use = settings
            return self._next_number()
        changed = [slot for slot in self._slots if _differs(old, settings, slot.fields)]
        if old.avatar != settings.avatar:
            # A model and the poses belong to an avatar.
            changed = [slot for slot in self._slots if slot in (*changed, self._model, self._webcam)]
            if self._avatar.opens_model(settings):
                # What the model's slot opens now is of the avatar before.
                self._model.cancel()
                changed.remove(self._model)
        return self._request(changed, settings)

    def refresh_mic(self) -> None:
        """Open the microphone again, as after a change of devices."""
        if self._running is not None:
            self._mic.request(self._wanted, self._next_number())

    def refresh_avatar(self) -> None:
        """Open avatar and model again, after they were made again."""
        if self._running is not None:
            self._request((self._avatar, self._model, self._webcam), self._wanted)

    def open_devices(self) -> OpenDevices:
        """Whether microphone and webcam are open now; cheap."""
        return OpenDevices(has_mic=self._mic.is_open, has_webcam=self._webcam.is_open)

    def status(self) -> LiveStatus:
        """Figures for the HUD; cheap enough for a few calls per second."""
        counts, speech, driver = self._frame.counts, self._speech.state, self._model.part
        p50_ms, p95_ms = self._meters.p50_p95("latency")
        return LiveStatus(
            is_running=self._running is not None,
            fps_out=self._frame.rate.per_s(self._clock.now_ns()),
            stage_ms={stage: self._meters.p50_p95(stage) for stage in SHOWN_STAGES},
            latency_p50_ms=p50_ms,
            latency_p95_ms=p95_ms,
            engine=driver.engine_name if driver else "",
            precision=driver.precision_label if driver else "",
            model=driver.spec.id if driver else "",
            lookahead_ms=self._used_lookahead_ms(self._wanted.lookahead_ms),
            n_dropped=speech.n_dropped + self._mic.ring.n_lost,
            n_repeated=counts.n_repeated,
            n_missed=counts.n_missed,
            rss_mb=self._process.memory_info().rss / 1e6,
            cpu_percent=self._process.cpu_percent(),
            head_ms=self._meters.p50_p95("head"),
            mic=self._mic.status(),
            is_speaking=speech.is_speaking,
            t_first_mouth_ns=counts.t_first_mouth_ns,
        )

    def webcam(self) -> WebcamStatus | None:
        """Status of the webcam; None while the head does not follow."""
        return self._following.status()

    def webcam_preview(self) -> Preview | None:
        """The newest webcam picture with its landmarks, for the window alone."""
        return self._following.preview()

    def calibrate_webcam(self) -> None:
        """Use the next three seconds as the neutral pose; no effect while the head does not follow."""
        self._following.calibrate()

    def head_pose(self) -> AvatarPose | None:
        """The last head pose; None while the head does not follow."""
        return self._following.newest

    def level_db(self) -> tuple[float, float]:
        """RMS and peak level of the microphone in dBFS, for the meter."""
        status = self._mic.status()
        return status.level_db, status.peak_db

    @property
    def _slots(self) -> tuple[Slot[Any], ...]:
        """In the order of their requests: the model waits for its avatar."""
        return self._avatar, self._background, self._mic, self._cleaning, self._model, self._webcam

    def _hand_over(self, driver: MouthDriver, settings: Settings, then: Callable[[], None]) -> None:
        self._model.hand_over(driver, settings, then)

    def _request(self, slots: Iterable[Slot[Any]], settings: Settings) -> int:
        number = self._next_number()
        for slot in slots:
            if slot is self._webcam and not settings.is_following:
                slot.close()
                slot.in_use = settings
            else:
                slot.request(settings, number)
        return number

    def _next_number(self) -> int:
        self._n_requests += 1
        return self._n_requests

    def _apply_now(self, new: Settings) -> None:
        """Apply what takes effect now, also for a microphone that is being opened."""
        self._controls.gain_db, self._controls.is_muted = new.mic_gain_db, new.is_muted
        self._speech.configure(new.fps, new.lookahead_ms)
        self._frame.set_fps(new.fps)
        self._frame.set_marked(is_marked=new.has_badge)
        self._following.configure(new)
        self._report_lookahead()

    def _used_lookahead_ms(self, wanted_ms: int) -> int:
        """The look-ahead of the model nearest to the requested one."""
        driver = self._model.part
        return wanted_ms if driver is None else driver.spec.nearest_lookahead_ms(wanted_ms)

    def _report_lookahead(self) -> None:
        """Post a notice if the model does not support the look-ahead, or is not better with it."""
        wanted_ms, driver = self._wanted.lookahead_ms, self._model.part
        used_ms = self._used_lookahead_ms(wanted_ms)
        if driver is None:
            self._notices.clear("lookahead")
            return
        title, best_ms = driver.spec.title, driver.spec.best_lookahead_ms
        if used_ms != wanted_ms:
            known = " and ".join(str(ms) for ms in driver.spec.lookahead_ms)
            text = f"The model {title} supports look-aheads of {known} ms: it uses {used_ms} ms, not {wanted_ms} ms."
            self._notices.info("lookahead", text, "For another look-ahead choose another model.")
        elif used_ms > best_ms:
            text = f"The model {title} is best at a look-ahead of {best_ms} ms; {used_ms} ms only adds delay."
            self._notices.info("lookahead", text, f"Set the look-ahead to {best_ms} ms.")
        else:
            self._notices.clear("lookahead")


def _differs(old: Settings, new: Settings, fields: Iterable[str]) -> bool:
    return any(getattr(old, name) != getattr(new, name) for name in fields)
