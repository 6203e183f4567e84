"""The only kind of thread in the program: named, watched, and its failures are reported."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.errors import UserError
from avatar_app.contracts.notices import Level, Notice, NoticeBoard
from avatar_app.contracts.units import ms_to_ns, s_to_ns

log = logging.getLogger(__name__)

# Titles of threads that give none.
TITLES: Mapping[str, str] = {
    "frame": "The picture",
    "speech": "The lip movement",
    "mic": "The microphone",
    "snapshots": "The snapshot",
    "recovery": "The repair of a recording",
    "voice": "The voice in sync",
    "camera": "The virtual camera",
    "browser": "The browser source",
    "browser-encode": "The browser source",
    "record": "The recording",
    "record-collect": "The recording",
    "webcam": "The webcam",
    "webcam-tracker": "The face tracker",
    "avatar": "The avatar",
    "background": "The background",
    "clean": "The noise suppression",
    "follow": "The webcam",
    "model": "The model",
}
DEFAULT_TITLE = "A part of the program"

STALL_NS = ms_to_ns(500)
RETRY_S = 1.0
# After this long without another failure the notice is removed.
RECOVERED_NS = s_to_ns(5)


class Worker:
    """Calls `step(stop)` repeatedly on its own thread until it is stopped.

    A step must return within half a second. A step that raises is reported, and called again one second later, after
    `recover`; the rest of the program keeps running. Two threads of one worker never run at the same time: a thread
    that is started while an older one has not ended waits for it.

    Thread: `start`, `stop` by the owner; `step` and `recover` on the worker's own thread.

    Args:
        name: of the thread, in the log.
        step: called repeatedly; its argument is set when it should return early.
        clock: the program's.
        notices: where a failure is posted.
        recover: called after a failed step.
        title: the subject of its notices, such as "The microphone"; "" for the one in `TITLES`.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[threading.Event], None],
        clock: Clock,
        notices: NoticeBoard,
        recover: Callable[[], None] | None = None,
        title: str = "",
    ) -> None:
        self.name = name
        # The thread that opens a part has the part's title.
        self.title = title or TITLES.get(name.removeprefix("open-"), DEFAULT_TITLE)
        self._step = step
        self._recover = recover
        self._clock = clock
        self._notices = notices
        # One event per start, so that a new start does not revive an older thread.
        self._stop = threading.Event()
        # Starts and stops may come from different threads: a thread that is not started yet cannot be joined.
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._left_behind: threading.Thread | None = None
        self._t_beat_ns = 0
        self._t_failed_ns: int | None = None

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: it runs already.
        """
        with self._lock:
            if self._thread is not None:
                raise RuntimeError(f"worker {self.name} runs already")
            self._stop = threading.Event()
            self._t_beat_ns = self._clock.now_ns()
            self._thread = threading.Thread(target=self._run, args=(self._stop, self._left_behind), name=self.name)
            self._thread.daemon = True
            self._thread.start()

    def request_stop(self) -> None:
        """Ask the thread to end, without waiting; a second call does nothing."""
        with self._lock:
            self._stop.set()
            thread, self._thread = self._thread, None
            if thread is not None:
                self._left_behind = thread

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Ask the thread to end and wait for it; a second call does nothing.

        Returns:
            Whether it ended in time. If not, it ends when its step returns.
        """
        self.request_stop()
        return self.join(timeout_s)

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread that was asked to end; returns whether it has."""
        thread = self._left_behind
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout_s)
        if thread.is_alive():
            log.warning("%s did not stop within %.1f s", self.name, timeout_s)
            return False
        self._left_behind = None
        return True

    def stalled_ns(self) -> int:
        """Time since the last step ended; 0 when not running."""
        return self._clock.now_ns() - self._t_beat_ns if self._thread is not None else 0

    def _run(self, stop: threading.Event, before: threading.Thread | None) -> None:
        if before is not None:
            before.join()
        while not stop.is_set():
            try:
                self._step(stop)
            except Exception as error:  # noqa: BLE001 - the only place where any failure is caught and reported
                self._report(error)
                stop.wait(RETRY_S)
                self._try_recover(stop)
            if not stop.is_set():
                self._beat()

    def _beat(self) -> None:
        """Note the end of a step, and remove the notice of a failure that is long ago."""
        self._t_beat_ns = self._clock.now_ns()
        if self._t_failed_ns is not None and self._t_beat_ns - self._t_failed_ns > RECOVERED_NS:
            self._t_failed_ns = None
            self._notices.clear(self._notice_key)

    def _try_recover(self, stop: threading.Event) -> None:
        if self._recover is None or stop.is_set():
            return
        try:
            self._recover()
        except Exception as error:  # noqa: BLE001 - as above
            self._report(error)

    def _report(self, error: Exception) -> None:
        log.error("%s failed", self.name, exc_info=error)
        self._t_failed_ns = self._clock.now_ns()
        if isinstance(error, UserError):
            self._notices.error(self._notice_key, error, is_lasting=True)
        else:
            text = f"{self.title} failed because of a fault in this program. The app starts it again."
            what_to_do = "If it happens again, send us the report of `avatar-app doctor`."
            self._notices.post(Notice(self._notice_key, Level.ERROR, text, what_to_do, is_lasting=True))

    @property
    def _notice_key(self) -> str:
        return f"worker-{self.name}"


class Watchdog:
    """Posts a notice for a worker that has not ended a step for half a second. Thread: its own."""

    def __init__(self, workers: Sequence[Worker], clock: Clock, notices: NoticeBoard) -> None:
        self._workers = workers
        self._notices = notices
        self._late: set[str] = set()
        self._worker = Worker("watchdog", self._step, clock, notices)

    def start(self) -> None:
        """Begin watching."""
        self._worker.start()

    def stop(self) -> None:
        """Stop watching; a second call does nothing."""
        self._worker.stop()

    def check(self) -> None:
        """Post or remove the notice of each worker."""
        for worker in self._workers:
            is_late = worker.stalled_ns() > STALL_NS
            if is_late and worker.name not in self._late:
                self._late.add(worker.name)
                text = f"{worker.title} is too slow: this machine is overloaded."
                what_to_do = "Close other heavy programs or choose a lower frame rate."
                self._notices.warning(f"stall-{worker.name}", text, what_to_do, is_lasting=True)
            elif not is_late and worker.name in self._late:
                self._late.discard(worker.name)
                self._notices.clear(f"stall-{worker.name}")

    def _step(self, stop: threading.Event) -> None:
        stop.wait(0.25)
        self.check()
