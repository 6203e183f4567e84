"""`avatar-app render`: runs the live path on a manual clock, and writes a video file.

Picture k shows the mouth for the sound at k / fps. Three threads overlap in native code: this one generates mouths, one
renders pictures, one encodes.
"""

from __future__ import annotations

import itertools
import logging
import math
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from avatar_app.contracts.clock import ManualClock
from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.handoff import Latest, Ring
from avatar_app.contracts.mouth import Mouth, MouthDriver
from avatar_app.contracts.packets import BLOCK_SAMPLES, LIVE_RATE_HZ, AudioBlock, Float32, UInt8
from avatar_app.contracts.renderer import Renderer
from avatar_app.contracts.units import samples_to_ns
from avatar_app.live.avatar_models import choose_model
from avatar_app.live.frame import Background, load_avatar
from avatar_app.live.media_file import shown
from avatar_app.live.mic.audio_file import SoundFile, missing_text, resampled
from avatar_app.live.mouth_drivers import DriverOptions, open_driver
from avatar_app.live.record import RecordFormat, VideoFile, VideoFormat
from avatar_app.live.record.encoders import WORST_CRF
from avatar_app.live.record.video_file import AAC_RATE_HZ, ALPHA_SUFFIXES, format_of, to_i420
from avatar_app.live.runtime.meters import StageMeters
from avatar_app.live.speech_thread import SpeechLoop
from avatar_app.live.student.processor import n_cores
from avatar_app.logs import print_message
from avatar_app.progress import ProgressBar
from avatar_app.settings.paths import ProfilePaths, user_path
from avatar_app.settings.schema import BackgroundKind, Settings

log = logging.getLogger(__name__)

# Pictures in progress: enough that no thread waits for another, few enough to use little memory.
N_IN_PROGRESS = 12
# More threads gain little, because a mouth takes a few milliseconds.
MAX_STUDENT_THREADS = 4
NEVER = threading.Event()
TRANSPARENT = "transparent"


@dataclass(frozen=True, slots=True)
class RenderJob:
    """What to render.

    Attributes:
        background: `#rrggbb`, a picture file, or `transparent`; None means the saved background.
        crf: quality of H.264, 0 (lossless) to 51, or of VP9, 0 to 63; ProRes has none.
        lookahead_ms: None means the best of the model, because delay does not matter in a video.
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
    """The result; `missing_s` seconds of the sound could not be read."""

    n_pictures: int
    video_s: float
    took_s: float
    codec: str
    missing_s: float

    @property
    def real_time_ratio(self) -> float:
        """Seconds of video rendered per second."""
        return self.video_s / self.took_s


def run(job: RenderJob) -> int:
    """Render with a progress bar; returns the exit code.

    Raises:
        UserError: sound, avatar, model or output cannot be used; no output file is left then.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    result = render(job, ProgressBar())
    if result.missing_s:
        name = shown(job.audio.name)
        print_message(
            f"{missing_text(result.missing_s)} of the sound of {name} cannot be read, and is silent in the video."
        )
    print(  # noqa: T201
        f"{shown(job.out)}: {result.video_s:.1f} s of video in {result.took_s:.1f} s"
        f" ({result.real_time_ratio:.1f} x real time, {result.codec})"
    )
    return 0


def render(job: RenderJob, progress: ProgressBar) -> Rendered:
    """Render a job.

    Raises:
        UserError: see `run`.
    """
    cv2.setNumThreads(1)
    out, has_alpha = user_path(job.out), keeps_alpha(job)
    check_quality(job.crf, format_of(out, has_alpha=has_alpha))
    with SoundFile(job.audio, AAC_RATE_HZ) as sound:
        if os.path.exists(out) and out.samefile(sound.path):
            raise OutputError("The video would overwrite its own sound file.", "Choose another --out.")
        renderer = load_avatar(job.settings.avatar, user_dir=job.profile.avatars_dir).renderer()
        background = Background.transparent() if has_alpha else choose_background(job.background, job.settings)
        renderer.set_background(background)
        driver = open_mouth_driver(job.settings, job.profile)
        try:
            return _write(job, out, sound, driver, FrameRenderer(renderer, has_alpha=has_alpha), progress)
        finally:
            driver.close()


def keeps_alpha(job: RenderJob) -> bool:
    """Whether the video keeps the avatar's transparency: its format supports it, and no background is set.

    Raises:
        OutputError: the format has no transparency, and the job asks for it.
    """
    can_keep = job.out.suffix.lower() in ALPHA_SUFFIXES
    if job.background == TRANSPARENT and not can_keep:
        raise OutputError("This video format does not support transparency.", "End the name with .mov or .webm.")
    is_unset = job.background is None and job.settings.background == BackgroundKind.CHECKER
    return can_keep and (is_unset or job.background == TRANSPARENT)


def check_quality(crf: int, kind: RecordFormat) -> None:
    """Check that the encoder supports a quality.

    Raises:
        OutputError: it is out of range.
    """
    worst = WORST_CRF.get(kind)
    if worst is not None and not 0 <= crf <= worst:
        raise OutputError(f"There is no quality --crf {crf}.", f"Choose a number from 0 (best) to {worst}.")


def open_mouth_driver(settings: Settings, profile: ProfilePaths) -> MouthDriver:
    """Open the mouth driver of the settings.

    Raises:
        UserError: it cannot be used.
    """
    options = DriverOptions(
        lambda avatar_id, size_px: load_avatar(avatar_id, user_dir=profile.avatars_dir).face_input(size_px),
        settings.precision,
        settings.engine,
        n_threads=student_threads(n_cores()),
        cache_dir=profile.cache_dir,
    )
    model_id = choose_model(settings.avatar, settings.model, profile)
    return open_driver(model_id, options, user_dir=profile.models_dir)


def student_threads(cores: int) -> int:
    """Threads that generate one mouth: all cores but the two of rendering and encoding."""
    return min(MAX_STUDENT_THREADS, max(1, cores - 2))


def choose_lookahead_ms(job: RenderJob, driver: MouthDriver) -> int:
    """The look-ahead of the model nearest to the job's, or its best one."""
    spec, wanted = driver.spec, job.lookahead_ms
    return spec.best_lookahead_ms if wanted is None else spec.nearest_lookahead_ms(wanted)


def choose_background(text: str | None, settings: Settings) -> Background:
    """The background of a video without transparency; never the checkerboard, which stands for transparency.

    Raises:
        UserError: the picture cannot be used.
    """
    if text is None and settings.background == BackgroundKind.PICTURE:
        return Background.picture(settings.background_picture)
    if text is None or text.startswith("#"):
        return Background.colour(
            settings.replace(background_colour=text or settings.background_colour).background_colour
        )
    return Background.picture(text)


def drive_mouths(sound: Iterable[Float32], driver: MouthDriver, fps: int, lookahead_ms: int) -> Iterator[Mouth]:
    """Generate the mouth of every instant k / fps of a recording, in order.

    Args:
        sound: pieces (n,) float32 at 16 kHz, read as they are needed.
        driver: generates them.
        fps: pictures per second.
        lookahead_ms: how much later sound a mouth may use.
    """
    clock, mouth, ring = ManualClock(), Latest[Mouth](), Ring[AudioBlock](1)
    speech = SpeechLoop(clock, StageMeters(), mouth)
    speech.configure(fps, lookahead_ms)
    speech.set_driver(driver)
    step = speech.run(lambda: ring)
    n_samples, n_made = 0, 0
    for start, samples, n_read in _blocks(sound):
        clock.advance(samples_to_ns(BLOCK_SAMPLES, LIVE_RATE_HZ))
        ring.put(AudioBlock(samples_to_ns(start, LIVE_RATE_HZ), start, samples))
        step(NEVER)
        n_samples += n_read
        made = mouth.take()
        if made is not None:
            n_made += 1
            yield made
        if n_read < BLOCK_SAMPLES and n_made >= count_pictures(n_samples, fps):
            return


def count_pictures(n_samples: int, fps: int) -> int:
    """Pictures that cover a recording of `n_samples` at 16 kHz."""
    return math.ceil(n_samples * fps / LIVE_RATE_HZ)


class FrameRenderer:
    """Renders the pictures of a video. Thread: the one that renders.

    Args:
        renderer: of the avatar.
        has_alpha: whether pictures keep their transparency.
    """

    def __init__(self, renderer: Renderer, *, has_alpha: bool) -> None:
        self._renderer = renderer
        self._has_alpha = has_alpha

    @property
    def size_px(self) -> int:
        """Side of a picture."""
        return self._renderer.size_px

    @property
    def has_alpha(self) -> bool:
        """Whether pictures keep their transparency."""
        return self._has_alpha

    def render(self, mouth: Mouth, fps: int) -> UInt8:
        """The picture of a mouth's instant: planes for the encoder, or BGRA with transparency."""
        idle = mouth.index * self._renderer.idle_fps // fps % self._renderer.n_idle
        picture = self._renderer.render(idle, mouth)
        return picture if self._has_alpha else to_i420(picture)


def _blocks(sound: Iterable[Float32]) -> Iterator[tuple[int, Float32, int]]:
    """The recording in blocks of 10 ms, then endless silence.

    Yields:
        The number of the first sample, the block, and how many samples of it are from the recording.
    """
    start = 0
    for block in _cut(sound, itertools.repeat(BLOCK_SAMPLES)):
        yield start, np.pad(block, (0, BLOCK_SAMPLES - len(block))), len(block)
        start += BLOCK_SAMPLES
    silence = np.zeros(BLOCK_SAMPLES, dtype=np.float32)
    while True:
        yield start, silence, 0
        start += BLOCK_SAMPLES


def _cut(sound: Iterable[Float32], sizes: Iterable[int]) -> Iterator[Float32]:
    """Cut sound into pieces of given sizes; the last one may be smaller."""
    rest: Float32 = np.zeros(0, np.float32)
    wanted = iter(sizes)
    size = next(wanted)
    for piece in sound:
        rest = np.concatenate((rest, piece))
        while len(rest) >= size:
            yield rest[:size]
            rest, size = rest[size:], next(wanted)
    if len(rest):
        yield rest


def _sound_of_pictures(sound: Iterable[Float32], fps: int) -> Iterator[Float32]:
    """The sound of each picture at 48 kHz; silence pads the last one."""
    sizes = [(k + 1) * AAC_RATE_HZ // fps - k * AAC_RATE_HZ // fps for k in range(fps)]
    for piece, size in zip(_cut(sound, itertools.cycle(sizes)), itertools.cycle(sizes), strict=False):
        yield np.pad(piece, (0, size - len(piece)))


def _write(
    job: RenderJob, out: Path, sound: SoundFile, driver: MouthDriver, frames: FrameRenderer, progress: ProgressBar
) -> Rendered:
    fps, n_pictures = job.settings.fps, 0
    progress.start(math.ceil(sound.duration_s * fps), fps)
    layout = VideoFormat(fps, frames.size_px, frames.size_px, 1, job.crf, shown(sound.path.stem), frames.has_alpha)
    with VideoFile(out, layout) as video:
        if format_of(out, has_alpha=frames.has_alpha) is RecordFormat.MP4 and "264" not in video.codec:
            log.warning("no H.264 encoder in this build of PyAV, so the video is %s", video.codec)

        def encode(picture: Future[UInt8], samples: Float32) -> None:
            nonlocal n_pictures
            video.add_picture(picture.result())
            video.add_sound(samples[None, :])
            n_pictures += 1

        # Mouths and video use the same mix. The buffer between them holds a second or less.
        for_mouths, for_video = itertools.tee(sound.pieces())
        speech = resampled(for_mouths, AAC_RATE_HZ, LIVE_RATE_HZ)
        mouths = drive_mouths(speech, driver, fps, choose_lookahead_ms(job, driver))
        sounds = _sound_of_pictures(for_video, fps)
        _overlap(zip(mouths, sounds, strict=False), lambda mouth: frames.render(mouth, fps), encode, progress)
        video.finish()
        codec = video.codec
    return Rendered(n_pictures, n_pictures / fps, progress.end(), codec, sound.missing_s)


def _overlap(
    mouths_and_sounds: Iterable[tuple[Mouth, Float32]],
    render_frame: Callable[[Mouth], UInt8],
    encode: Callable[[Future[UInt8], Float32], None],
    progress: ProgressBar,
) -> None:
    """Generate, render and encode in parallel and in order, with a bounded number in progress."""
    in_progress: deque[Future[None]] = deque()
    renderer, encoder = ThreadPoolExecutor(1, "render"), ThreadPoolExecutor(1, "encode")
    try:
        for mouth, samples in mouths_and_sounds:
            picture = renderer.submit(render_frame, mouth)
            in_progress.append(encoder.submit(encode, picture, samples))
            if len(in_progress) > N_IN_PROGRESS:
                in_progress.popleft().result()
                progress.advance()
        while in_progress:
            in_progress.popleft().result()
            progress.advance()
    finally:
        for pool in (encoder, renderer):
            pool.shutdown(wait=True, cancel_futures=True)
