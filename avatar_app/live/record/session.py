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
from avatar_app.contracts.units import ms_to_ns
from avatar_app.live.record.canvas import Canvas, film_size
from avatar_app.live.record.disk_file import DiskFile
from avatar_app.live.record.disk_watch import DiskWatch
from avatar_app.live.record.encoders import Encoder, pick_encoder
from avatar_app.live.record.film import Film
from avatar_app.live.record.folder import MARK, final_path, next_part
from avatar_app.live.record.formats import FRAGMENTED_SUFFIXES, FilmSize, RecordOptions
from avatar_app.live.record.repair import repair
from avatar_app.live.record.status import RecordState, RecordStatus
from avatar_app.live.record.take import FilmLike, Take

log = logging.getLogger(__name__)

NOTICE_KEY = "record"
# Of its own: what went wrong in between stays up beside it.
SAVED_KEY = "recorded"
# Pictures that may wait for the encoder: at 30 a second, a hiccup of a second and a half. 48 MB at 512 x 512.
N_WAITING = 48
STEP_S = 0.05
# A film begins with a new mouth, whose time is known best, unless none comes for so long.
NO_MOUTH_NS = ms_to_ns(300)
# A film that failed sooner than this would fail again and again.
MIN_PART_S = 2.0
# Steps without anything new after which the end no longer waits for the last pictures.
N_QUIET_STEPS = 20


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
        self._waiting: Ring[Picture] = Ring(N_WAITING)
        self._n_missed = 0
        self._t_begin_ns = clock.now_ns()
        self._t_end_ns: int | None = None
        self._is_ending = False
        self._n_quiet = 0
        self._film: WholeFilm | None = None
        self._take: Take | None = None
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
        return self._status

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
        self._fail(OutputError("The video encoder failed.", "Start a new recording."))

    def _work(self) -> None:
        now_ns = self._clock.now_ns()
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
            take.see(picture, is_behind=len(self._waiting) > N_WAITING // 2)
        elif not self._is_ending:
            take.catch_up(now_ns)
        self._file.sync(now_ns)
        self._tell(take)
        if not self._disk.has_room(now_ns):
            raise OutputError(f"The disk of {self._file.path.parent} is nearly full.", "Free some space.")

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
        return self._n_quiet >= N_QUIET_STEPS or (self._take is not None and self._take.is_complete)

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
        if self._take is None or self._film is None:
            raise OutputError("Nothing was recorded, because no picture came.", "Check that the avatar is shown.")
        self._take.finish()
        self._film.finish()
        self._tell(self._take)
        self._end(RecordState.SAVED)
        path = self._status.path
        if path is not None:
            text = f"The recording is kept as {path.name}."
            self._notices.post(Notice(SAVED_KEY, Level.INFO, text, f"It is in {path.parent}.{_pieces_note(path)}"))
        self.ended.set()

    def _fail(self, error: OutputError) -> None:
        """Go on in a new file where that can help: after a failure of the encoder, or of FAT32's four gigabytes."""
        is_disk = not self._file.is_at_limit and getattr(self._file.error, "errno", None) is not None
        is_long_enough = self._take is not None and self._take.seconds >= MIN_PART_S
        if self._t_end_ns is not None or is_disk or not is_long_enough or not self._disk.has_room(self._clock.now_ns()):
            self._close_early(error)
            return
        try:
            self._go_on(error)
        except OutputError as another:
            self._close_early(another)

    def _go_on(self, error: OutputError) -> None:
        if self._film is not None:
            self._film.abandon()
        file = DiskFile(next_part(self._file.path))
        self._end(RecordState.SAVED)
        old = self._status.path
        if not self._file.is_at_limit:
            self._options = replace(self._options, encoder="software")
        self._file, self._film, self._take = file, None, None
        self._status = replace(self._status, state=RecordState.STARTING, path=file.path)
        text = f"{error.what} The recording goes on in a new file; what was recorded until then is kept in {old}."
        self._notices.post(Notice(NOTICE_KEY, Level.WARNING, text))

    def _close_early(self, error: OutputError) -> None:
        """Keep and name what was recorded, and say why there is no more."""
        log.warning("recording ends early: %s", error.what)
        self._try_to_finish()
        if self._film is not None and self._file.error is not None:
            self._film.abandon()
        has_pictures = self._take is not None and self._take.counts.n_pictures > 0
        state = self._end(RecordState.SAVED if has_pictures else RecordState.FAILED)
        if state is RecordState.SAVED:
            text = f"{error.what} The recording was ended; what was recorded until then is kept in {self._status.path}."
            what_to_do = f"{error.what_to_do}{_pieces_note(self._status.path)}"
            self._notices.post(Notice(NOTICE_KEY, Level.ERROR, text, what_to_do))
        else:
            self._notices.post(Notice.from_error(NOTICE_KEY, error))
        self.ended.set()

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

    def _end(self, state: RecordState) -> RecordState:
        """Close the file and give it its name; one without a picture is removed. How it ended."""
        self._file.close()
        marked = self._file.path
        final: Path | None = marked
        try:
            if state is RecordState.SAVED and marked.stat().st_size > 0:
                final = self._named(marked)
            else:
                marked.unlink(missing_ok=True)
                state, final = RecordState.FAILED, None
        except OSError as error:
            # The mark stays: the file is offered for repair at the next start.
            log.warning("%s keeps its mark: %s", marked, error)
        self._status = replace(self._status, state=state, path=final, n_bytes=_length(final))
        return state

    def _named(self, marked: Path) -> Path:
        """The film under its name; without room for an ordinary file it keeps its mark, and the next start tries again.

        Players read it as it is.
        """
        if marked.suffix not in FRAGMENTED_SUFFIXES and self._file.error is None:
            return marked.rename(final_path(marked))
        try:
            return repair(marked, self._tell_saved)
        except OutputError as error:
            log.warning("%s stays in pieces: %s %s", marked.name, error.what, error.what_to_do)
            return marked

    def _tell_saved(self, share: float) -> None:
        self._status = replace(self._status, state=RecordState.FINISHING, saved_share=share)


def _pieces_note(path: Path | None) -> str:
    """What is to be known of a recording that kept its mark."""
    if path is None or MARK not in path.name:
        return ""
    return " It plays in most programs; when there is room, the next start makes an ordinary file of it."


def _length(path: Path | None) -> int:
    try:
        return path.stat().st_size if path is not None else 0
    except OSError:
        return 0
