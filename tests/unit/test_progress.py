"""The progress bar."""

import io

from avatar_app.progress import ProgressBar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_line_when_half_done_then_shows_the_time_left():
    bar = ProgressBar(io.StringIO())
    bar.start(100, 25)
    for _ in range(50):
        bar.advance()
    assert bar.line(4.0).split() == ["█" * 15 + "░" * 15, "50", "%", "0.5", "x", "real", "time", "4", "s", "left"]


def test_line_when_nothing_is_done_then_no_time_left():
    bar = ProgressBar(io.StringIO())
    bar.start(100, 25)
    assert "left" not in bar.line(1.0)


def test_bar_when_stderr_is_no_terminal_then_prints_nothing():
    stream = io.StringIO()
    bar = ProgressBar(stream)
    bar.start(1, 25)
    bar.advance()
    bar.end()
    assert stream.getvalue() == ""


def test_bar_when_done_on_a_terminal_then_is_removed():
    stream = Terminal()
    bar = ProgressBar(stream)
    bar.start(1, 25)
    bar.end()
    assert stream.getvalue().endswith("\x1b[2K")
