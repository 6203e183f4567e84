"""One recording on its thread: from the empty file to its final name, whatever happens in between."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.handoff import Ring
from avatar_app.contracts.notices import Level, Notice, NoticeBoard
from avatar_app.contracts.packets import Picture, VoiceBlock
from avatar_app.contracts.units import NS_PER_S, ms_to_ns, s_to_ns
from avatar_app.live.record.canvas import Canvas, film_size
from avatar_app.live.record.disk_file import DiskFile
from avatar_app.live.record.disk_watch import DiskWatch
from avatar_app.live.record.encoders import Encoder, pick_encoder
from avatar_app.live.record.folder import next_part
from avatar_app.live.record.formats import FilmSize, RecordOptions
from avatar_app.live.record.growing_file import Film
from avatar_app.live.record.muxer import FilmLike, Take
from avatar_app.live.record.parts import Part, make_folder, pieces_note, save
from avatar_app.live.record.status import RecordState, RecordStatus

log = logging.getLogger(__name__)

NOTICE_KEY = "record"
# Of its own: what went wrong in between stays up beside it.
SAVED_KEY = "recorded"
# What went missing is told beside what was kept.
LOST_KEY = "record-lost"
# Pictures of so long may wait for the encoder: a crash would cost them. 36 MB at 512 x 512 and 30 a second.
WAITING_S = 1.2
STEP_S = 0.05
# A film begins with a new mouth, whose time is known best, unless none comes for so long.
NO_MOUTH_NS = ms_to_ns(300)
# A film that failed sooner than this would fail again and again.
MIN_PART_S = 2.0
# Steps without anything new after which the end no longer waits for the last pictures.
N_QUIET_STEPS = 20
# Whether the file is still there is looked at as often.
LOOK_NS = NS_PER_S
# What is not written so long after the end was asked for is left out, ...
CUT_NS = s_to_ns(5)
# ... and a disk or an encoder that does not answer for so long is no longer waited for.
LET_GO_NS = s_to_ns(8)


class WholeFilm(FilmLike, Protocol):
    """A film that can be closed."""

    def finish(self) -> None:
        """Write what is pending."""
        ...

    def abandon(self) -> None:
        """Let go after a failure."""
        ...


OpenFilm = Callable[[DiskFile, RecordOptions, Encoder, FilmSize, bool], WholeFilm]


def open_film(
    file: DiskFile,
    options: RecordOptions,
    encoder: Encoder,
    size: FilmSize,
    has_sound: bool,
) -> WholeFilm:
    """The film that is really written."""
    return Film(file, options.format, encoder, size, has_sound=has_sound, title=options.title)


class Session:
    """Thread: `step` and `give_up` on the recorder's thread, the rest any."""

    def __init__(
        self,
        options: RecordOptions,
        file: DiskFile,
        disk: DiskWatch,
        voice: Ring[VoiceBlock] | None,
        clock: Clock,
        notices: NoticeBoard,
        open_film: OpenFilm,
    ) -> None:
        self.ended = threading.Event()
        self._options = options
        self._file = file
        self._disk = disk
        self._voice = voice
        self._clock = clock
        self._notices = notices
        self._open_film = open_film
        self._waiting: Ring[Picture] = Ring(round(WAITING_S * options.fps))
        self._n_missed = 0
        self._t_begin_ns = self._t_look_ns = clock.now_ns()
        self._t_end_ns: int | None = None
        self._is_ending = False
        self._is_let_go = False
        self._n_quiet = 0
        self._film: WholeFilm | None = None
        self._take: Take | None = None
        self._parts: list[Part] = []
        self._status = RecordStatus(RecordState.STARTING, file.path)

    def put(self, picture: Picture, n_missed: int = 0) -> None:
        """Leave a picture for the encoder; never blocks."""
        self._n_missed += n_missed
        if picture.is_repeat:
            has_begun = picture.t_ready_ns >= self._t_begin_ns + NO_MOUTH_NS
        else:
            has_begun = picture.t_capture_ns >= self._t_begin_ns
        if has_begun:
            self._waiting.put(picture)

    def finish(self) -> None:
        """End with what is spoken until now."""
        if self._t_end_ns is None:
            self._t_end_ns = self._clock.now_ns()

    def status(self) -> RecordStatus:
        """How it goes."""
        status = self._status
        return replace(status, state=RecordState.SAVING) if self._is_let_go and status.is_active else status

    def watch(self) -> None:
        """Let go of a recording that does not close, and say so; on another thread than `step`, which may hang."""
        if self._is_let_go or not self._is_late(LET_GO_NS) or not self._status.is_active:
            return
        self._is_let_go = True
        text = "The recording is not closed yet, because the disk or the video encoder does not answer."
        what_to_do = f"What was written is kept in {self._file.path}, and a new recording can be started."
        self._notices.post(Notice(NOTICE_KEY, Level.WARNING, text, what_to_do))

    def step(self, stop: threading.Event) -> None:
        """Write what has come; the worker's step."""
        if self.ended.is_set():
            stop.wait(STEP_S)
            return
        try:
            self._work()
            if self._is_over():
                self._close()
        except OutputError as error:
            self._fail(error)

    def give_up(self) -> None:
        """After a failure that nobody foresaw: keep the whole pieces, and ask nothing more of what failed."""
        if self.ended.is_set():
            return
        if self._film is not None:
            self._film.abandon()
            self._film = None
        self._fail(OutputError("The video encoder failed.", "Start a new recording."))

    def _work(self) -> None:
        now_ns = self._clock.now_ns()
        self._look(now_ns)
        picture = self._waiting.take(STEP_S)
        self._n_quiet = 0 if picture is not None else self._n_quiet + 1
        if picture is not None and self._take is None:
            self._take = self._begin(picture)
        take = self._take
        if take is None:
            return
        # Counted before the end is looked at: what comes later may lie behind it.
        n_blocks = take.n_heard
        if self._t_end_ns is not None and not self._is_ending:
            self._is_ending = True
            take.end_at(self._t_end_ns)
        take.hear(n_blocks)
        if picture is not None:
            take.see(picture, is_behind=len(self._waiting) > WAITING_S * self._options.fps / 2)
        elif not self._is_ending:
            take.catch_up(now_ns)
        self._file.sync(now_ns)
        self._tell(take)
        if not self._disk.has_room(now_ns):
            raise OutputError(f"The disk of {self._file.path.parent} is nearly full.", "Free some space.")

    def _look(self, now_ns: int) -> None:
        """Make sure, once a second, that what is written can be found again."""
        if now_ns < self._t_look_ns:
            return
        self._t_look_ns = now_ns + LOOK_NS
        if not self._file.is_at_its_place:
            raise OutputError(f"The folder {self._file.path.parent} was deleted or moved.", "Choose another folder.")

    def _begin(self, picture: Picture) -> Take:
        """Open the film with its first picture, which says how large it is."""
        options = self._options
        size = film_size(options, picture.pixels)
        encoder = pick_encoder(options.format, options.encoder, size)
        self._film = self._open_film(self._file, options, encoder, size, self._voice is not None)
        self._status = replace(self._status, encoder=encoder.name, is_hardware=encoder.is_hardware)
        t_zero_ns = picture.t_ready_ns if picture.is_repeat else picture.t_capture_ns
        return Take(self._film, Canvas(options, size), options.fps, t_zero_ns, self._voice)

    def _is_over(self) -> bool:
        if self._t_end_ns is None:
            return False
        has_all = self._n_quiet >= N_QUIET_STEPS or (self._take is not None and self._take.is_complete)
        return has_all or self._is_late(CUT_NS)

    def _is_late(self, limit_ns: int) -> bool:
        """Whether the end was asked for so long ago."""
        return self._t_end_ns is not None and self._clock.now_ns() - self._t_end_ns > limit_ns

    def _tell(self, take: Take) -> None:
        counts = take.counts
        self._status = replace(
            self._status,
            state=RecordState.RECORDING if self._t_end_ns is None else RecordState.FINISHING,
            seconds=take.seconds,
            n_bytes=self._file.n_bytes,
            n_pictures=counts.n_pictures,
            n_repeated=counts.n_repeated,
            n_dropped=counts.n_late + self._n_missed + self._waiting.n_lost,
            n_sound_lost=self._voice.n_lost if self._voice is not None else 0,
            free_s=self._disk.lasts_s(self._file.n_bytes, take.seconds),
        )

    def _close(self) -> None:
        """The end that was asked for."""
        take = self._take
        if take is None or self._film is None:
            raise OutputError("Nothing was recorded, because no picture came.", "Check that the avatar is shown.")
        is_cut = not take.is_complete and self._is_late(CUT_NS)
        take.finish(is_cut=is_cut)
        self._film.finish()
        self._film = None
        self._tell(take)
        if is_cut:
            text = "The last seconds of the recording are missing, because the encoder or the disk was too slow."
            self._notices.post(Notice(NOTICE_KEY, Level.WARNING, text, "Close other heavy programs."))
        self._end()

    def _fail(self, error: OutputError) -> None:
        """Go on in a new file where that can help; where not, end with what was recorded."""
        is_gone = not self._file.is_at_its_place
        if self._t_end_ns is None and (is_gone or self._may_go_on()):
            try:
                self._go_on(error, is_gone=is_gone)
                return
            except OutputError as another:
                error = another
        log.warning("recording ends early: %s", error.what)
        self._try_to_finish()
        self._end(error)

    def _may_go_on(self) -> bool:
        """After a failure of the encoder, or of FAT32's four gigabytes."""
        is_disk = not self._file.is_at_limit and getattr(self._file.error, "errno", None) is not None
        is_long_enough = self._take is not None and self._take.seconds >= MIN_PART_S
        return not is_disk and is_long_enough and self._disk.has_room(self._clock.now_ns())

    def _go_on(self, error: OutputError, *, is_gone: bool) -> None:
        folder = self._options.other_folder if is_gone else self._file.path.parent
        make_folder(folder)
        file = DiskFile(next_part(folder / self._file.path.name))
        if is_gone:
            self._try_to_finish()
            self._disk.move_to(folder)
        elif not self._file.is_at_limit:
            self._options = replace(self._options, encoder="software")
        self._leave_file()
        self._file, self._film, self._take = file, None, None
        self._status = replace(self._status, state=RecordState.STARTING, path=file.path)
        where = f"in {folder}." if is_gone else "in a new file; what was recorded until then is kept."
        self._notices.post(Notice(NOTICE_KEY, Level.WARNING, f"{error.what} The recording goes on {where}"))

    def _try_to_finish(self) -> None:
        film, take = self._film, self._take
        if film is None or take is None or self._file.error is not None:
            return
        try:
            take.finish()
            film.finish()
        except OutputError as error:
            log.warning("the end of the recording was not written: %s", error.what)
            film.abandon()
        self._film = None

    def _leave_file(self) -> None:
        """Write nothing more to this file; it is saved when the recording has ended, which can take a while."""
        if self._film is not None:
            self._film.abandon()
            self._film = None
        has_pictures = self._take is not None and self._take.counts.n_pictures > 0 and self._file.has_content
        self._parts.append(Part(self._file, has_pictures))

    def _end(self, problem: OutputError | None = None) -> None:
        """Save all files, look what is there, and say it."""
        self._leave_file()
        self._status = replace(self._status, state=RecordState.SAVING)
        if self._is_let_go:
            self._notices.clear(NOTICE_KEY)
        try:
            saved = [save(part, self._options.other_folder, self._tell_saved) for part in self._parts]
            kept = [path for path in saved if path is not None]
            state = RecordState.SAVED if kept else RecordState.FAILED
            path = kept[-1] if kept else None
            self._status = replace(self._status, state=state, path=path, n_bytes=_length(path))
            self._tell_end(kept, problem)
            self._tell_lost(saved)
        finally:
            self.ended.set()

    def _tell_end(self, kept: list[Path], problem: OutputError | None) -> None:
        if kept and problem is None:
            text = f"The recording is kept as {' and '.join(path.name for path in kept)}."
            what_to_do = f"It is in {kept[-1].parent}.{pieces_note(kept)}"
            self._notices.post(Notice(SAVED_KEY, Level.INFO, text, what_to_do))
        elif kept and problem is not None:
            files = " and ".join(map(str, kept))
            text = f"{problem.what} The recording was ended; what was recorded until then is kept in {files}."
            self._notices.post(Notice(NOTICE_KEY, Level.ERROR, text, f"{problem.what_to_do}{pieces_note(kept)}"))
        elif problem is not None:
            self._notices.post(Notice.from_error(NOTICE_KEY, problem))

    def _tell_lost(self, saved: list[Path | None]) -> None:
        lost = [part.file.path for part, path in zip(self._parts, saved, strict=True) if part.has_pictures and not path]
        if lost:
            text = f"{' and '.join(path.name for path in lost)} is not in {lost[0].parent} any more."
            what_to_do = "If you moved the folder, look there; what was deleted is lost."
            self._notices.post(Notice(LOST_KEY, Level.ERROR, text, what_to_do))

    def _tell_saved(self, share: float) -> None:
        self._status = replace(self._status, saved_share=share)


def _length(path: Path | None) -> int:
    try:
        return path.stat().st_size if path is not None else 0
    except OSError:
        return 0
