"""The live path as one object: microphone in, pictures out, every setting changeable while it runs."""

from __future__ import annotations

import logging
import os
import subprocess
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import psutil

from avatar_app.contracts.clock import Clock, MonotonicClock
from avatar_app.contracts.errors import AudioInputError, MissingExtraError, UserError
from avatar_app.contracts.handoff import Fan, Latest, Ring
from avatar_app.contracts.head_pose import AvatarPose
from avatar_app.contracts.notices import Level, Notice, NoticeBoard
from avatar_app.contracts.packets import AudioBlock, Float32, MouthPatch, Picture, VoiceBlock
from avatar_app.contracts.student_spec import StudentSpec
from avatar_app.contracts.units import ns_to_ms
from avatar_app.live.following import Following
from avatar_app.live.frame import Avatar, Background
from avatar_app.live.latency import StageMeters
from avatar_app.live.mic import Cleaning, Mic, MicState, MicStatus, open_mic
from avatar_app.live.picture import FramePart
from avatar_app.live.speech import SpeechPart
from avatar_app.live.status import LiveStatus
from avatar_app.live.student import Student, load, ranking
from avatar_app.live.webcam import Preview, WebcamStatus
from avatar_app.live.worker import Watchdog, Worker
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings

log = logging.getLogger(__name__)

RING_BLOCKS = 200
SHOWN_STAGES = ("capture", "mel", "student", "compose", "handover")
STUDENT_FIELDS = ("model", "precision", "engine", "avatar")
FOLLOW_FIELDS = ("is_following", "webcam", "avatar")
CLEANING_FIELDS = ("noise_suppression", "is_auto_gain_on")
BACKGROUND_FIELDS = ("background", "background_colour", "background_picture")
NO_MIC = MicStatus(MicState.STOPPED, "", 0, 0, -120.0, -120.0, 0, 0)


class LivePipeline:
    """Owns the parts and threads of the live path.

    Thread: `start`, `stop`, `apply` and `status` by one owner (the main thread); models and microphones are
    opened on a loader thread, so that none of these calls blocks for long.
    """

    def __init__(self, settings: Settings, profile: ProfilePaths, clock: Clock, notices: NoticeBoard) -> None:
        self._clock = clock
        self._notices = notices
        self._profile = profile
        self._wanted = settings
        self._in_use = settings
        self._meters = StageMeters()
        self._mouth: Latest[MouthPatch] = Latest()
        self._ring: Ring[AudioBlock] = Ring(RING_BLOCKS)
        self._voice: Fan[VoiceBlock] = Fan()
        self._speech = SpeechPart(clock, self._meters, self._mouth)
        self._following = Following(clock, notices, profile.state_dir)
        self._frame = FramePart(clock, self._meters, self._mouth, settings.fps, self._following.pose)
        self._mic: Mic | None = None
        self._student: Student | None = None
        self._avatar: Avatar | None = None
        self._measuring: subprocess.Popen[str] | None = None
        self._jobs: Ring[Callable[[], None]] = Ring(64)
        self._process = psutil.Process(os.getpid())
        self._process.cpu_percent()
        self._workers = (
            Worker("frame", self._frame.step, clock, notices),
            Worker("speech", self._speech.run(lambda: self._ring), clock, notices, self._speech.reset),
        )
        # Opening a model takes seconds: the loader is not watched for stalls.
        self._loader = Worker("loader", self._run_job, MonotonicClock(), notices)
        self._watchdog = Watchdog(self._workers, clock, notices)
        self._running: ExitStack | None = None

    @property
    def settings(self) -> Settings:
        """The settings really in use, which can differ from the wanted ones when something failed."""
        return self._in_use

    def add_sink(self, name: str) -> Latest[Picture]:
        """A mailbox that gets every finished picture."""
        log.info("sink %s added", name)
        return self._frame.add_sink()

    def remove_sink(self, sink: Latest[Picture]) -> None:
        """Leave nothing more in a mailbox; an unknown one is fine."""
        self._frame.remove_sink(sink)

    @property
    def voice(self) -> Fan[VoiceBlock]:
        """What the microphone hears, at its own rate, for whoever plays or records it beside the pictures."""
        return self._voice

    def note_shown(self, picture: Picture, t_ns: int) -> None:
        """A sink says when it showed a picture."""
        self._meters.note("handover", ns_to_ms(t_ns - picture.t_ready_ns))

    def shown_ms(self) -> tuple[float, float]:
        """Medians in ms: from a sound's capture to its finished picture, and from there to the screen; NaN at first."""
        return self._meters.p50_p95("latency")[0], self._meters.p50_p95("handover")[0]

    def heard_from(self) -> str:
        """The source of the sound server that the microphone listens to; "" while it is not known."""
        mic = self._mic
        return mic.status().source if mic is not None else ""

    def set_hidden(self, *, is_hidden: bool) -> None:
        """Show only what stands behind the avatar, everywhere, or the avatar again."""
        self._frame.set_hidden(is_hidden=is_hidden)

    def start(self) -> None:
        """Start from the sinks to the source; all or nothing. A second call is fine."""
        if self._running is not None:
            return
        with ExitStack() as stack:
            # Undone last: the loader may begin to measure until it has ended.
            stack.callback(self._stop_measuring)
            for worker in (*self._workers, self._loader):
                worker.start()
                stack.callback(worker.stop)
            self._watchdog.start()
            stack.callback(self._watchdog.stop)
            stack.callback(self._close_mic)
            stack.callback(self._following.stop)
            self._apply_light(self._wanted)
            self._jobs.put(self._load_avatar)
            self._jobs.put(self._open_mic)
            self._jobs.put(self._load_student)
            self._jobs.put(self._follow)
            self._running = stack.pop_all()

    def stop(self) -> None:
        """Stop from the source to the sinks; twice is fine."""
        running, self._running = self._running, None
        if running is not None:
            self._jobs.clear()
            running.close()

    def apply(self, settings: Settings) -> None:
        """Use other settings from now on. What fails is told in a notice, and the old part stays."""
        old, self._wanted = self._wanted, settings
        if self._running is None:
            self._in_use = settings
            return
        self._apply_light(settings)
        for fields, job in (
            (("avatar",), self._load_avatar),
            (STUDENT_FIELDS, self._load_student),
            (("mic",), self._open_mic),
            (CLEANING_FIELDS, self._clean),
            (FOLLOW_FIELDS, self._follow),
        ):
            if any(getattr(old, name) != getattr(settings, name) for name in fields):
                self._jobs.put(job)

    def refresh_mic(self) -> None:
        """Open the microphone anew, as after a change of devices."""
        if self._running is not None:
            self._jobs.put(self._open_mic)

    def status(self) -> LiveStatus:
        """Figures for the HUD; cheap enough for a few calls a second."""
        counts, speech, student = self._frame.counts, self._speech.state, self._student
        p50_ms, p95_ms = self._meters.p50_p95("latency")
        mic = self._mic
        return LiveStatus(
            is_running=self._running is not None,
            fps_out=self._frame.rate.per_s(self._clock.now_ns()),
            stage_ms={stage: self._meters.p50_p95(stage) for stage in SHOWN_STAGES},
            latency_p50_ms=p50_ms,
            latency_p95_ms=p95_ms,
            engine=student.engine.engine if student else "",
            precision=student.engine.label if student else "",
            model=student.spec.id if student else "",
            lookahead_ms=self._used_lookahead_ms(self._in_use.lookahead_ms),
            n_dropped=speech.n_dropped + self._ring.n_lost,
            n_repeated=counts.n_repeated,
            n_missed=counts.n_missed,
            rss_mb=self._process.memory_info().rss / 1e6,
            cpu_percent=self._process.cpu_percent(),
            head_ms=self._meters.p50_p95("head"),
            mic=mic.status() if mic is not None else NO_MIC,
            is_speaking=speech.is_speaking,
            t_first_mouth_ns=counts.t_first_mouth_ns,
        )

    def webcam(self) -> WebcamStatus | None:
        """How the webcam goes; None while the head does not follow."""
        return self._following.status()

    def webcam_preview(self) -> Preview | None:
        """The newest picture of the user with the points that were found in it, for a window alone."""
        return self._following.preview()

    def calibrate_webcam(self) -> None:
        """Take the next three seconds as the user's neutral pose; nothing while the head does not follow."""
        self._following.calibrate()

    def head_pose(self) -> AvatarPose | None:
        """What the head was last drawn as; None while it is idle."""
        return self._following.newest

    def level_db(self) -> tuple[float, float]:
        """RMS and peak level of the microphone in dBFS, for the meter."""
        status = self._mic.status() if self._mic is not None else NO_MIC
        return status.level_db, status.peak_db

    def _apply_light(self, new: Settings) -> None:
        """Everything that takes effect at once."""
        old = self._in_use
        self._speech.configure(new.fps, new.lookahead_ms)
        self._tell_lookahead(new.lookahead_ms)
        self._frame.set_fps(new.fps)
        self._frame.set_marked(is_marked=new.has_badge)
        if (old.fps, old.lookahead_ms) != (new.fps, new.lookahead_ms):
            self._meters.clear()
        if self._mic is not None:
            self._mic.set_gain_db(new.mic_gain_db)
            self._mic.set_muted(new.is_muted)
        self._following.configure(new)
        slow = (*STUDENT_FIELDS, *BACKGROUND_FIELDS, *CLEANING_FIELDS, *FOLLOW_FIELDS, "mic")
        self._in_use = replace(new, **{name: getattr(old, name) for name in slow})
        self._set_background(new)

    def _used_lookahead_ms(self, wanted_ms: int) -> int:
        """The model's look-ahead nearest to the wanted one."""
        student = self._student
        return wanted_ms if student is None else student.spec.nearest_lookahead_ms(wanted_ms)

    def _tell_lookahead(self, wanted_ms: int) -> None:
        """Say so when the model does not know the look-ahead that was asked for, or gains nothing by it."""
        student, used_ms = self._student, self._used_lookahead_ms(wanted_ms)
        if student is None:
            self._notices.clear("lookahead")
            return
        title, best_ms = student.spec.title, student.spec.best_lookahead_ms
        if used_ms != wanted_ms:
            known = " and ".join(str(ms) for ms in student.spec.lookahead_ms)
            text = f"The model {title} listens {used_ms} ms ahead, not {wanted_ms} ms: it learned {known} ms."
            self._notices.post(Notice("lookahead", Level.INFO, text, "Choose another model for the other look-aheads."))
        elif used_ms > best_ms:
            text = f"The model {title} speaks best at a look-ahead of {best_ms} ms; {used_ms} ms only adds delay."
            self._notices.post(Notice("lookahead", Level.INFO, text, f"Set the look-ahead to {best_ms} ms."))
        else:
            self._notices.clear("lookahead")

    def _set_background(self, new: Settings) -> None:
        try:
            background = _background(new)
        except UserError as error:
            self._notices.post(Notice.from_error("background", error))
            return
        self._notices.clear("background")
        self._frame.set_background(background)
        self._in_use = replace(self._in_use, **{name: getattr(new, name) for name in BACKGROUND_FIELDS})

    def _run_job(self, stop: threading.Event) -> None:
        del stop
        job = self._jobs.take(timeout_s=0.1)
        if job is not None:
            job()
        self._following.keep()
        if self._measuring is not None and self._measuring.poll() is not None:
            self._use_measured(self._measuring)

    def _load_avatar(self) -> None:
        wanted = self._wanted
        try:
            avatar = Avatar.load(wanted.avatar)
        except UserError as error:
            self._notices.post(Notice.from_error("avatar", error))
            return
        self._notices.clear("avatar")
        self._avatar = avatar
        self._frame.set_avatar(avatar)
        self._in_use = replace(self._in_use, avatar=wanted.avatar)

    def _follow(self) -> None:
        """Let the head follow the webcam, or no longer; an avatar whose head cannot be turned stays as she is."""
        wanted, avatar = self._wanted, self._avatar
        try:
            if wanted.is_following and avatar is not None:
                self._frame.set_poses(avatar.poses())
        except UserError as error:
            self._notices.post(Notice.from_error("follow", error))
            wanted = replace(wanted, is_following=False)
        if self._following.turn(wanted):
            self._in_use = replace(self._in_use, is_following=wanted.is_following, webcam=wanted.webcam)

    def _load_student(self) -> None:
        """Load the wanted model; the one in use goes on drawing meanwhile, and stays when loading fails."""
        wanted = self._wanted
        try:
            student = load(
                wanted.model,
                wanted.precision,
                wanted.engine,
                user_dir=self._profile.models_dir,
                cache_dir=self._profile.cache_dir,
            )
            student.set_face(self._face_for(student.spec))
        except UserError as error:
            self._notices.post(Notice.from_error("model", error))
            return
        self._notices.clear("model")
        self._student = student
        self._tell_lookahead(wanted.lookahead_ms)
        self._speech.set_student(student)
        self._in_use = replace(self._in_use, **{name: getattr(wanted, name) for name in STUDENT_FIELDS})
        if "auto" in (wanted.precision, wanted.engine):
            self._measure_engines(student.spec)

    def _face_for(self, spec: StudentSpec) -> Float32:
        """The face that a student draws, as it reads it."""
        shown = self._avatar
        avatar = shown if shown is not None and shown.spec.id == spec.avatar_id else Avatar.load(spec.avatar_id)
        return avatar.face_input(spec.size_px)

    def _measure_engines(self, spec: StudentSpec) -> None:
        """On the first run, find out in the background what is fastest here; the face talks meanwhile."""
        if self._measuring is not None or ranking.read(spec, self._profile.cache_dir) is not None:
            return
        log.info("measuring engines and precisions for %s", spec.id)
        self._measuring = ranking.start_measuring(spec.id, self._profile.cache_dir, user_dir=self._profile.models_dir)

    def _use_measured(self, done: subprocess.Popen[str]) -> None:
        """The measurement ended: open the model again, now as what is fastest."""
        self._measuring = None
        _, errors = done.communicate()
        if done.returncode:
            log.warning("the engines could not be measured: %s", (errors.strip().splitlines() or ["no reason"])[-1])
        else:
            self._jobs.put(self._load_student)

    def _stop_measuring(self) -> None:
        measuring, self._measuring = self._measuring, None
        if measuring is not None:
            measuring.kill()
            measuring.communicate()

    def _open_mic(self) -> None:
        """Open the wanted microphone. A machine without any plays the built-in sample, and says so."""
        wanted, name = self._wanted, self._wanted.mic
        self._close_mic()
        try:
            try:
                self._start_mic(name, wanted)
                self._notices.clear("mic")
            except AudioInputError as error:
                if name:
                    raise
                name = "demo"
                self._start_mic(name, wanted)
                text = "No microphone was found, so the built-in speech sample is playing."
                self._notices.post(Notice("mic", Level.INFO, text, error.what_to_do))
        except UserError as error:
            self._notices.post(Notice.from_error("mic", error))
            return
        self._in_use = replace(self._in_use, mic=name)

    def _start_mic(self, name: str, wanted: Settings) -> None:
        mic = open_mic(name, self._clock, self._notices, gain_db=wanted.mic_gain_db)
        ring: Ring[AudioBlock] = Ring(RING_BLOCKS)
        mic.set_muted(wanted.is_muted)
        mic.start(ring, self._voice)
        self._ring, self._mic = ring, mic
        # Not before: a microphone that cannot be cleaned is still a microphone.
        self._clean()

    def _clean(self) -> None:
        """Clean the sound as wanted; without the package it stays as it was."""
        wanted, mic = self._wanted, self._mic
        if mic is None:
            return
        try:
            mic.set_cleaning(_cleaning(wanted))
        except MissingExtraError as error:
            self._notices.post(Notice.from_error("clean", error))
            return
        self._notices.clear("clean")
        self._in_use = replace(self._in_use, **{name: getattr(wanted, name) for name in CLEANING_FIELDS})

    def _close_mic(self) -> None:
        mic, self._mic = self._mic, None
        if mic is not None:
            mic.stop()


def _background(settings: Settings) -> Background:
    """The background that the settings name. "checker" is none: whoever shows pictures decides what is below them."""
    if settings.background == "colour":
        return Background.colour(settings.background_colour)
    if settings.background == "picture":
        return Background.picture(settings.background_picture)
    return Background.transparent()


def _cleaning(settings: Settings) -> Cleaning:
    """How the settings want the sound to be cleaned."""
    return Cleaning(settings.noise_suppression, has_auto_gain=settings.is_auto_gain_on)
