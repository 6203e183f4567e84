"""The log: on the terminal as text or JSON lines, with the newest lines in memory for a report."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

N_KEPT_LINES = 2000
# What the program retries every few seconds, such as a missing camera, is logged this often.
REPEAT_S = 60.0
N_REMEMBERED = 200


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `t_s` (seconds since 1970), `level`, `logger`, `thread`, `message`, and `error`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        line = {
            "t_s": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "thread": record.threadName,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class RepeatFilter(logging.Filter):
    """Passes the same line once a minute, and every error. Thread: any, one at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: OrderedDict[tuple[str, str], float] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write a record."""
        if record.levelno >= logging.ERROR:
            return True
        key = (record.name, record.getMessage())
        if record.created - self._seen.get(key, -REPEAT_S) < REPEAT_S:
            return False
        self._seen[key] = record.created
        self._seen.move_to_end(key)
        if len(self._seen) > N_REMEMBERED:
            self._seen.popitem(last=False)
        return True


class MemoryLog(logging.Handler):
    """Keeps the newest lines, for the report that a user sends. Thread: any."""

    def __init__(self, n_kept: int = N_KEPT_LINES) -> None:
        super().__init__()
        self._lines: deque[str] = deque(maxlen=n_kept)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record's line."""
        self._lines.append(self.format(record))

    def lines(self) -> tuple[str, ...]:
        """All kept lines, oldest first."""
        return tuple(self._lines)


def start_logging(is_json: bool, stream: TextIO | None = None) -> MemoryLog:
    """Write log lines to the terminal, and keep the newest in memory.

    Args:
        is_json: write every line from INFO on as JSON; otherwise warnings and errors as text.
        stream: of the terminal; None means stderr.
    """
    memory = MemoryLog()
    shown = logging.StreamHandler(stream or sys.stderr)
    shown.setFormatter(JsonFormatter() if is_json else logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    shown.setLevel(logging.INFO if is_json else logging.WARNING)
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.handlers[:] = [shown, memory]
    for handler in root.handlers:
        handler.addFilter(RepeatFilter())
    return memory


def print_message(sentence: str, level: int = logging.WARNING) -> None:
    """Print a sentence on stderr, or write it as a line of the log where that is JSON."""
    if any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger().handlers):
        logging.getLogger("avatar_app").log(level, "%s", sentence)
    else:
        sys.stderr.write(f"{sentence}\n")


def install_excepthooks(on_failure: Callable[[], None] = lambda: None) -> Callable[[], None]:
    """Log every uncaught exception of every thread.

    Args:
        on_failure: called after one was logged, on the thread of the exception.

    Returns:
        A function that restores the previous hooks.
    """
    old_sys, old_threading = sys.excepthook, threading.excepthook

    def report(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None, where: str) -> None:
        if error is None or issubclass(kind, KeyboardInterrupt):
            return
        logging.getLogger("avatar_app").critical("unexpected error in %s", where, exc_info=(kind, error, trace))
        on_failure()

    def report_thread(args: threading.ExceptHookArgs) -> None:
        name = args.thread.name if args.thread is not None else "a thread"
        report(args.exc_type, args.exc_value, args.exc_traceback, name)

    def restore() -> None:
        sys.excepthook, threading.excepthook = old_sys, old_threading

    sys.excepthook = lambda kind, error, trace: report(kind, error, trace, "the main thread")
    threading.excepthook = report_thread
    return restore
