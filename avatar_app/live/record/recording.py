"""One recording on its thread: from the empty file to its final name, through failures of disk and encoder."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.handoff import Ring
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import Picture, VoiceBlock
from avatar_app.contracts.units import NS_PER_S, ms_to_ns, s_to_ns
from avatar_app.live.record.disk_file import DiskFile
from avatar_app.live.record.disk_watch import DiskWatch
from avatar_app.live.record.encoders import Encoder, pick_encoder
from avatar_app.live.record.folder import next_part
from avatar_app.live.record.formats import RecordOptions, VideoSize
from avatar_app.live.record.fragmented_file import FragmentedFile
from avatar_app.live.record.frame_converter import FrameConverter, video_size
from avatar_app.live.record.muxer import Container, Muxer
from avatar_app.live.record.notices import RecordNotices
from avatar_app.live.record.parts import Part, make_folder, save
from avatar_app.live.record.status import RecordState, RecordStatus

log = logging.getLogger(__name__)

# Pictures of this duration may wait for the encoder; a crash loses them. 36 MB at 512 x 512 and 30 fps.
WAITING_S = 1.2
STEP_S = 0.05
# A recording begins with a new mouth, whose time is exact, unless none arrives within this time.
NO_MOUTH_NS = ms_to_ns(300)
# A part that failed sooner than this would fail repeatedly.
MIN_PART_S = 2.0
# Steps without a new picture after which the end no longer waits for one.
N_QUIET_STEPS = 20
CHECK_FILE_NS = NS_PER_S
# Pictures and sound not written this long after the request to end are left out, ...
CUT_NS = s_to_ns(5)
# ... and after this long the recording no longer waits for a disk or an encoder that does not respond.
RELEASE_NS = s_to_ns(8)

OpenContainer = Callable[[DiskFile, RecordOptions, Encoder, VideoSize, bool], Container]


def open_container(
    file: DiskFile,
    options: RecordOptions,
    encoder: Encoder,
    size: VideoSize,
    has_sound: bool,
) -> Container:
    """Open the container file of a recording."""
    return FragmentedFile(file, options.format, encoder, size, has_sound=has_sound, title=options.title)


class Recording:
    """Writes pictures and voice into one file, or into several when the encoder or the folder fails.

    Thread: `step` and `give_up` on the recorder's thread, the rest any.
    """

    def __init__(
        self,
        options: RecordOptions,
        file: DiskFile,
        disk: DiskWatch,
        voice: Ring[VoiceBlock] | None,
        clock: Clock,
        notices: NoticeBoard,
        open_container: OpenContainer,
    ) -> None:
        self.ended = threading.Event()
        self._options = options
        self._file = file
        self._disk = disk
        self._voice = voice
        self._clock = clock
        self._notices = RecordNotices(notices)
        self._open_container = open_container
        self._waiting: Ring[Picture] = Ring(round(WAITING_S * options.fps))
        self._n_missed = 0
        self._t_begin_ns = self._t_check_ns = clock.now_ns()
        self._t_end_ns: int | None = None
        self._is_ending = False
        self._is_released = False
        self._n_quiet = 0
        self._container: Container | None = None
        self._muxer: Muxer | None = None
        self._parts: list[Part] = []
        self._status = RecordStatus(RecordState.STARTING, file.path)

    def put(self, picture: Picture, n_missed: int = 0) -> None:
        """Queue a picture for the encoder; never blocks."""
        self._n_missed += n_missed
        if picture.is_repeat:
            has_begun = picture.t_ready_ns >= self._t_begin_ns + NO_MOUTH_NS
        else:
            has_begun = picture.t_capture_ns >= self._t_begin_ns
        if has_begun:
            self._waiting.put(picture)

    def finish(self) -> None:
        """End with the sound captured until now."""
        if self._t_end_ns is None:
            self._t_end_ns = self._clock.now_ns()

    def status(self) -> RecordStatus:
        """The current status."""
        status = self._status
        return replace(status, state=RecordState.SAVING) if self._is_released and status.is_active else status

    def watch(self) -> None:
        """Report a recording that does not close, and allow the next one; the thread of `step` may hang then."""
        if self._is_released or not self._is_late(RELEASE_NS) or not self._status.is_active:
            return
        self._is_released = True
        self._notices.not_closed(self._file.path)

    def step(self, stop: threading.Event) -> None:
        """Write the queued pictures and sound; the worker's step."""
        if self.ended.is_set():
            stop.wait(STEP_S)
            return
        try:
            self._write()
            if self._is_over():
                self._close()
        except OutputError as error:
            self._fail(error)

    def give_up(self) -> None:
        """Save the complete fragments after an unexpected error, without using what failed again."""
        if self.ended.is_set():
            return
        if self._container is not None:
            self._container.abandon()
            self._container = None
        self._fail(OutputError("The video encoder failed.", "Start a new recording."))

    def _write(self) -> None:
        now_ns = self._clock.now_ns()
        self._check_file(now_ns)
        picture = self._waiting.take(STEP_S)
        self._n_quiet = 0 if picture is not None else self._n_quiet + 1
        if picture is not None and self._muxer is None:
            self._muxer = self._begin(picture)
        muxer = self._muxer
        if muxer is None:
            return
        # Counted before the end is checked, because later blocks may lie behind it.
        n_blocks = muxer.n_waiting_blocks
        if self._t_end_ns is not None and not self._is_ending:
            self._is_ending = True
            muxer.end_at(self._t_end_ns)
        muxer.add_sound(n_blocks)
        if picture is not None:
            muxer.add_picture(picture, is_behind=len(self._waiting) > WAITING_S * self._options.fps / 2)
        elif not self._is_ending:
            muxer.fill_gaps(now_ns)
        self._file.sync(now_ns)
        self._update_status(muxer)
        if not self._disk.has_room(now_ns):
            raise OutputError(f"The disk of {self._file.path.parent} is nearly full.", "Free some space.")

    def _check_file(self, now_ns: int) -> None:
        """Check once a second that the file still exists at its path."""
        if now_ns < self._t_check_ns:
            return
        self._t_check_ns = now_ns + CHECK_FILE_NS
        if not self._file.is_at_its_path:
            raise OutputError(f"The folder {self._file.path.parent} was deleted or moved.", "Choose another folder.")

    def _begin(self, picture: Picture) -> Muxer:
        """Open the container with the first picture, which sets the size."""
        options = self._options
        size = video_size(options, picture.pixels)
        encoder = pick_encoder(options.format, options.encoder, size)
        self._container = self._open_container(self._file, options, encoder, size, self._voice is not None)
        self._status = replace(self._status, encoder=encoder.name, is_hardware=encoder.is_hardware)
        t_zero_ns = picture.t_ready_ns if picture.is_repeat else picture.t_capture_ns
        return Muxer(self._container, FrameConverter(options, size), options.fps, t_zero_ns, self._voice)

    def _is_over(self) -> bool:
        if self._t_end_ns is None:
            return False
        has_all = self._n_quiet >= N_QUIET_STEPS or (self._muxer is not None and self._muxer.is_complete)
        return has_all or self._is_late(CUT_NS)

    def _is_late(self, limit_ns: int) -> bool:
        """Whether the end was requested longer ago than this."""
        return self._t_end_ns is not None and self._clock.now_ns() - self._t_end_ns > limit_ns

    def _update_status(self, muxer: Muxer) -> None:
        counts = muxer.counts
        self._status = replace(
            self._status,
            state=RecordState.RECORDING if self._t_end_ns is None else RecordState.FINISHING,
            seconds=muxer.seconds,
            n_bytes=self._file.n_bytes,
            n_pictures=counts.n_pictures,
            n_repeated=counts.n_repeated,
            n_dropped=counts.n_late + self._n_missed + self._waiting.n_lost,
            n_sound_lost=self._voice.n_lost if self._voice is not None else 0,
            free_s=self._disk.remaining_s(self._file.n_bytes, muxer.seconds),
        )

    def _close(self) -> None:
        """End as requested."""
        muxer = self._muxer
        if muxer is None or self._container is None:
            raise OutputError("Nothing was recorded, because there was no picture.", "Start the avatar first.")
        is_cut = not muxer.is_complete and self._is_late(CUT_NS)
        muxer.finish(is_cut=is_cut)
        self._container.finish()
        self._container = None
        self._update_status(muxer)
        if is_cut:
            self._notices.cut_short()
        self._end()

    def _fail(self, error: OutputError) -> None:
        """Continue in a new file when that can help; otherwise end and save what was recorded."""
        is_gone = not self._file.is_at_its_path
        if self._t_end_ns is None and (is_gone or self._can_continue()):
            try:
                self._continue(error, is_gone=is_gone)
                return
            except OutputError as another:
                error = another
        log.warning("the recording ends early: %s", error.what)
        self._try_to_finish()
        self._end(error)

    def _can_continue(self) -> bool:
        """Whether the encoder failed, or the file reached the 4 GB limit of FAT32."""
        is_disk = not self._file.is_at_limit and getattr(self._file.error, "errno", None) is not None
        is_long_enough = self._muxer is not None and self._muxer.seconds >= MIN_PART_S
        return not is_disk and is_long_enough and self._disk.has_room(self._clock.now_ns())

    def _continue(self, error: OutputError, *, is_gone: bool) -> None:
        folder = self._options.other_folder if is_gone else self._file.path.parent
        make_folder(folder)
        file = DiskFile(next_part(folder / self._file.path.name))
        if is_gone:
            self._try_to_finish()
            self._disk.move_to(folder)
        elif not self._file.is_at_limit:
            self._options = replace(self._options, encoder="software")
        self._end_part()
        self._file, self._container, self._muxer = file, None, None
        self._status = replace(self._status, state=RecordState.STARTING, path=file.path)
        self._notices.continued(error, folder if is_gone else None)

    def _try_to_finish(self) -> None:
        container, muxer = self._container, self._muxer
        if container is None or muxer is None or self._file.error is not None:
            return
        try:
            muxer.finish()
            container.finish()
        except OutputError as error:
            log.warning("the end of the recording was not written: %s", error.what)
            container.abandon()
        self._container = None

    def _end_part(self) -> None:
        """Write nothing more to this file; it is saved at the end of the recording, because that can take a while."""
        if self._container is not None:
            self._container.abandon()
            self._container = None
        has_pictures = self._muxer is not None and self._muxer.counts.n_pictures > 0 and self._file.has_content
        self._parts.append(Part(self._file, has_pictures))

    def _end(self, problem: OutputError | None = None) -> None:
        """Save all files and report the result."""
        self._end_part()
        self._status = replace(self._status, state=RecordState.SAVING)
        if self._is_released:
            self._notices.clear()
        try:
            saved = [save(part, self._options.other_folder, self._set_progress) for part in self._parts]
            kept = [path for path in saved if path is not None]
            state = RecordState.SAVED if kept else RecordState.FAILED
            path = kept[-1] if kept else None
            self._status = replace(self._status, state=state, path=path, n_bytes=_length(path))
            self._report(saved, kept, problem)
        finally:
            self.ended.set()

    def _report(self, saved: list[Path | None], kept: list[Path], problem: OutputError | None) -> None:
        if kept or problem is not None:
            self._notices.ended(kept, problem)
        pairs = zip(self._parts, saved, strict=True)
        lost = [part.file.path for part, path in pairs if part.has_pictures and path is None]
        if lost:
            self._notices.lost(lost)

    def _set_progress(self, share: float) -> None:
        self._status = replace(self._status, saved_share=share)


def _length(path: Path | None) -> int:
    try:
        return path.stat().st_size if path is not None else 0
    except OSError:
        return 0
