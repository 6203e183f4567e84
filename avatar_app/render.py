"""`avatar-app render`: the live path on a clock turned by hand, into a video file.

Picture k shows the mouth for the sound at k / fps. Three threads overlap in native code: this one hears and
draws mouths, one composes pictures, one encodes.
"""

from __future__ import annotations

import logging
import math
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from avatar_app.contracts.clock import ManualClock
from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.handoff import Latest, Ring
from avatar_app.contracts.packets import LIVE_RATE_HZ, AudioBlock, Float32, MouthPatch, UInt8
from avatar_app.contracts.student_spec import PatchBox
from avatar_app.contracts.units import samples_to_ns
from avatar_app.live.frame import Avatar, Background, Compositor
from avatar_app.live.latency import StageMeters
from avatar_app.live.mic.audio_file import read_audio
from avatar_app.live.record import VideoFile, VideoFormat
from avatar_app.live.record.sound_track import SoundTrack
from avatar_app.live.record.video_file import to_i420
from avatar_app.live.speech import SpeechPart
from avatar_app.live.student import Student, load
from avatar_app.progress import ProgressBar
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings

log = logging.getLogger(__name__)

BLOCK_SAMPLES = 160
# Pictures under way at once: enough that no thread waits for another, few enough to stay small.
N_UNDER_WAY = 12
NEVER = threading.Event()


@dataclass(frozen=True, slots=True)
class RenderJob:
    """What to render.

    Attributes:
        background: `#rrggbb` or a picture file; None means the saved background.
        crf: quality of H.264, 0 (lossless) to 51.
        lookahead_ms: None means the model's best, for nothing waits for a video.
    """

    audio: Path
    out: Path
    settings: Settings
    profile: ProfilePaths
    background: str | None = None
    crf: int = 18
    lookahead_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """What came of it."""

    n_pictures: int
    video_s: float
    took_s: float
    codec: str

    @property
    def real_time_ratio(self) -> float:
        """Seconds of video made in one second."""
        return self.video_s / self.took_s


def run(job: RenderJob) -> int:
    """Render with a progress bar; the exit code.

    Raises:
        UserError: sound, avatar, model or output cannot be used; nothing is left under the output's name then.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    result = render(job, ProgressBar())
    print(  # noqa: T201
        f"{job.out}: {result.video_s:.1f} s of video in {result.took_s:.1f} s"
        f" ({result.real_time_ratio:.1f} x real time, {result.codec})"
    )
    return 0


def render(job: RenderJob, progress: ProgressBar) -> Rendered:
    """Render a job.

    Raises:
        UserError: see `run`.
    """
    cv2.setNumThreads(1)
    if job.out.exists() and job.out.samefile(job.audio):
        raise OutputError("The video would replace the sound it is made from.", "Choose another --out.")
    samples = read_audio(job.audio)
    avatar = Avatar.load(job.settings.avatar)
    background = choose_background(job.background, job.settings)
    student = open_student(job.settings, job.profile)
    try:
        painter = Painter(avatar, background)
        mouths = draw_mouths(samples, student, job.settings.fps, choose_lookahead_ms(job, student))
        return _write(job, samples, mouths, painter, progress)
    finally:
        student.close()


def open_student(settings: Settings, profile: ProfilePaths) -> Student:
    """The student that the settings name, shown its avatar's face.

    Raises:
        ModelError: it cannot be used.
    """
    student = load(
        settings.model,
        settings.precision,
        settings.engine,
        user_dir=profile.models_dir,
        cache_dir=profile.cache_dir,
    )
    student.set_face(Avatar.load(student.spec.avatar_id).face_input(student.spec.size_px))
    return student


def choose_lookahead_ms(job: RenderJob, student: Student) -> int:
    """The model's look-ahead nearest to the wanted one, or its best."""
    spec, wanted = student.spec, job.lookahead_ms
    return spec.best_lookahead_ms if wanted is None else spec.nearest_lookahead_ms(wanted)


def choose_background(text: str | None, settings: Settings) -> Background:
    """What stands behind the avatar; a checkerboard means transparency, which a video has not, so never that.

    Raises:
        UserError: the picture cannot be used.
    """
    if text is None and settings.background == "picture":
        return Background.picture(settings.background_picture)
    if text is None or text.startswith("#"):
        return Background.colour(
            settings.replace(background_colour=text or settings.background_colour).background_colour
        )
    return Background.picture(text)


def draw_mouths(samples: Float32, student: Student, fps: int, lookahead_ms: int) -> Iterator[MouthPatch]:
    """The mouth of every instant k / fps of a recording, (n,) float32 at 16 kHz, in order."""
    clock, mouth, ring = ManualClock(), Latest[MouthPatch](), Ring[AudioBlock](1)
    speech = SpeechPart(clock, StageMeters(), mouth)
    speech.configure(fps, lookahead_ms)
    speech.set_student(student)
    step = speech.run(lambda: ring)
    n_pictures = count_pictures(len(samples), fps)
    n_drawn = 0
    for block in _blocks(samples):
        clock.advance(samples_to_ns(BLOCK_SAMPLES, LIVE_RATE_HZ))
        ring.put(block)
        step(NEVER)
        patch = mouth.take()
        if patch is not None:
            n_drawn += 1
            yield patch
        if n_drawn == n_pictures:
            return


def count_pictures(n_samples: int, fps: int) -> int:
    """Pictures that cover a recording of `n_samples` at 16 kHz."""
    return math.ceil(n_samples * fps / LIVE_RATE_HZ)


class Painter:
    """Puts mouths on the idle loop. Thread: the one that composes."""

    def __init__(self, avatar: Avatar, background: Background) -> None:
        self._avatar = avatar
        self._background = background
        self._compositors: dict[tuple[PatchBox, int], Compositor] = {}

    @property
    def size_px(self) -> int:
        """Side of a picture."""
        return self._avatar.spec.size_px

    def paint(self, mouth: MouthPatch, fps: int) -> UInt8:
        """The finished picture of a mouth's instant, as planes for the encoder."""
        spec = self._avatar.spec
        idle = mouth.index * spec.idle_fps // fps % self._avatar.n_idle
        key = (mouth.spec.box, mouth.spec.size_px)
        if key not in self._compositors:
            self._compositors[key] = Compositor(self._avatar, *key)
            self._compositors[key].set_background(self._background)
        return to_i420(self._compositors[key].compose(idle, mouth.pixels, mouth.weight))


def _blocks(samples: Float32) -> Iterator[AudioBlock]:
    """The recording in blocks of 10 ms, then silence without end."""
    silence = np.zeros(BLOCK_SAMPLES, dtype=np.float32)
    start = 0
    while True:
        piece = samples[start : start + BLOCK_SAMPLES]
        if len(piece) < BLOCK_SAMPLES:
            piece = np.concatenate((piece, silence))[:BLOCK_SAMPLES]
        yield AudioBlock(samples_to_ns(start, LIVE_RATE_HZ), start, piece)
        start += BLOCK_SAMPLES


def _write(
    job: RenderJob, samples: Float32, mouths: Iterator[MouthPatch], painter: Painter, progress: ProgressBar
) -> Rendered:
    fps, n_pictures = job.settings.fps, count_pictures(len(samples), job.settings.fps)
    progress.start(n_pictures, fps)
    with SoundTrack(job.audio) as sound:
        layout = VideoFormat(fps, painter.size_px, painter.size_px, sound.n_channels, job.crf, job.audio.stem)
        with VideoFile(job.out, layout) as video:
            if not video.codec.startswith(("libx264", "h264", "libopenh264")):
                log.warning("no H.264 encoder in this build of PyAV, so the video is %s", video.codec)

            def encode(picture: Future[UInt8], index: int) -> None:
                video.add_picture(picture.result())
                for piece in sound.until((index + 1) / fps):
                    video.add_sound(piece)

            _overlap(mouths, lambda mouth: painter.paint(mouth, fps), encode, progress)
            video.finish()
            codec = video.codec
    return Rendered(n_pictures, n_pictures / fps, progress.end(), codec)


def _overlap(
    mouths: Iterator[MouthPatch],
    paint: Callable[[MouthPatch], UInt8],
    encode: Callable[[Future[UInt8], int], None],
    progress: ProgressBar,
) -> None:
    """Draw, compose and encode at the same time, in order, with a bounded number under way."""
    under_way: deque[Future[None]] = deque()
    composer, encoder = ThreadPoolExecutor(1, "compose"), ThreadPoolExecutor(1, "encode")
    try:
        for mouth in mouths:
            picture = composer.submit(paint, mouth)
            under_way.append(encoder.submit(encode, picture, mouth.index))
            if len(under_way) > N_UNDER_WAY:
                under_way.popleft().result()
                progress.advance()
        while under_way:
            under_way.popleft().result()
            progress.advance()
    finally:
        for pool in (encoder, composer):
            pool.shutdown(wait=True, cancel_futures=True)
