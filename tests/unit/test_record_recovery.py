"""Repair of recordings that a crash left, after the start."""

import threading

import pytest

from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.notices import Level, NoticeBoard
from avatar_app.live.record import RecordFormat, Recovery, unfinished
from avatar_app.live.record.repair import is_empty, repair
from tests.fakes.recording import FakeLive, packet_times, wait_until

LEFT = "Avatar 2026-11-25 14.30.05.recording"


@pytest.fixture
def recover(tmp_path):
    """Starts a recovery, and stops it after the test."""
    made = []

    def recover(**more):
        notices = NoticeBoard()
        made.append(Recovery((tmp_path,), MonotonicClock(), notices, **more))
        made[-1].start()
        return made[-1], notices

    yield recover
    for recovery in made:
        recovery.stop()


def cut_off(folder, seconds=2.0, kind=RecordFormat.MP4, name=LEFT):
    """A recording without its end, as a crash leaves it."""
    live = FakeLive(folder, format=kind)
    live.start()
    live.run(seconds)
    content = live.recorder.status().path.read_bytes()
    live.stop().path.unlink()
    path = folder / f"{name}{kind.suffix}"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", list(RecordFormat))
def test_recovery_when_a_recording_was_interrupted_then_it_is_repaired_and_reported(tmp_path, recover, kind):
    path = cut_off(tmp_path, kind=kind)
    _, notices = recover()
    wait_until(lambda: notices.current())
    (notice,) = notices.current()
    assert "was repaired" in notice.text and notice.level is Level.INFO
    (repaired,) = tmp_path.iterdir()
    assert repaired.name == path.name.replace(".recording", "")
    assert len(packet_times(repaired, "v")) > 25


def test_recovery_when_a_recording_continued_in_a_second_folder_then_it_is_repaired_too(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    cut_off(second)
    notices = NoticeBoard()
    recovery = Recovery((first, second, first), MonotonicClock(), notices)
    recovery.start()
    try:
        wait_until(lambda: notices.current())
    finally:
        recovery.stop()
    assert [path.name for path in second.iterdir()] == [LEFT.replace(".recording", "") + ".mp4"]


def headers(folder, kind):
    """The first bytes of a recording, before any picture."""
    content = cut_off(folder, kind=kind, name="whole").read_bytes()
    (folder / f"whole{kind.suffix}").unlink()
    end = content.index(b"\x1f\x43\xb6\x75") if kind is RecordFormat.WEBM else content.index(b"moof") - 4
    return content[:end]


@pytest.mark.parametrize("kind", list(RecordFormat))
@pytest.mark.parametrize("has_header", [False, True])
def test_recovery_when_the_program_ended_before_the_first_picture_then_the_file_is_deleted_without_a_notice(
    tmp_path, recover, kind, has_header
):
    (tmp_path / f"{LEFT}{kind.suffix}").write_bytes(headers(tmp_path, kind) if has_header else b"")
    assert len(unfinished(tmp_path)) == 1
    _, notices = recover()
    wait_until(lambda: list(tmp_path.iterdir()) == [])
    assert notices.current() == ()


@pytest.mark.parametrize("kind", list(RecordFormat))
def test_is_empty_when_there_are_pictures_or_other_content_then_false(tmp_path, kind):
    assert not is_empty(cut_off(tmp_path, kind=kind))
    other = tmp_path / f"other{kind.suffix}"
    other.write_bytes(b"\0" * 5000)
    assert not is_empty(other)


def test_recovery_when_nothing_can_be_read_then_reported_once_and_the_file_is_renamed(tmp_path, recover):
    (tmp_path / f"{LEFT}.mp4").write_bytes(b"\0" * 5000)
    _, notices = recover()
    wait_until(lambda: notices.current())
    (notice,) = notices.current()
    assert "cannot be played" in notice.text and "Errno" not in notice.text
    (kept,) = tmp_path.iterdir()
    assert kept.name in notice.text and kept.read_bytes() == b"\0" * 5000
    assert unfinished(tmp_path) == ()


def test_recovery_when_there_is_no_room_then_reported_and_the_next_start_tries_again(tmp_path, recover):
    path = cut_off(tmp_path)

    def refuse(path, on_progress):
        raise OutputError(f"{path.name} needs room.", "Free some.")

    _, notices = recover(repair=refuse)
    wait_until(lambda: notices.current())
    assert unfinished(tmp_path) == (path,)


def test_stop_when_a_long_recording_is_being_repaired_then_left_for_the_next_start(tmp_path, recover):
    path = cut_off(tmp_path)
    has_begun = threading.Event()

    def slow(path, on_progress):
        has_begun.set()
        while True:
            on_progress(0.5)

    recovery, notices = recover(repair=slow)
    assert has_begun.wait(60)
    recovery.stop()
    assert notices.current() == ()
    assert unfinished(tmp_path) == (path,)
    assert repair(path).exists()
