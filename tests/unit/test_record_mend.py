"""What a start does about recordings that a crash left, beside everything else."""

import threading

import pytest

from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.notices import Level, NoticeBoard
from avatar_app.live.record import Mender, RecordFormat, unfinished
from avatar_app.live.record.repair import is_empty, repair
from tests.fakes.recording import FakeLive, packet_times, wait_until

LEFT = "Avatar 2026-11-25 14.30.05.recording"


@pytest.fixture
def mend(tmp_path):
    """Starts a mender, which is stopped after the test."""
    made = []

    def mend(**more):
        notices = NoticeBoard()
        made.append(Mender((tmp_path,), MonotonicClock(), notices, **more))
        made[-1].start()
        return made[-1], notices

    yield mend
    for mender in made:
        mender.stop()


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
def test_mender_when_a_recording_was_cut_off_then_it_is_made_whole_and_told(tmp_path, mend, kind):
    path = cut_off(tmp_path, kind=kind)
    _, notices = mend()
    wait_until(lambda: notices.current())
    (notice,) = notices.current()
    assert "is whole again" in notice.text and notice.level is Level.INFO
    (mended,) = tmp_path.iterdir()
    assert mended.name == path.name.replace(".recording", "")
    assert len(packet_times(mended, "v")) > 25


def test_mender_when_a_recording_went_on_in_a_second_folder_then_that_is_looked_into_too(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    cut_off(second)
    notices = NoticeBoard()
    mender = Mender((first, second, first), MonotonicClock(), notices)
    mender.start()
    try:
        wait_until(lambda: notices.current())
    finally:
        mender.stop()
    assert [path.name for path in second.iterdir()] == [LEFT.replace(".recording", "") + ".mp4"]


def headers(folder, kind):
    """The first bytes of a recording, before any picture."""
    content = cut_off(folder, kind=kind, name="whole").read_bytes()
    (folder / f"whole{kind.suffix}").unlink()
    end = content.index(b"\x1f\x43\xb6\x75") if kind is RecordFormat.WEBM else content.index(b"moof") - 4
    return content[:end]


@pytest.mark.parametrize("kind", list(RecordFormat))
@pytest.mark.parametrize("has_header", [False, True])
def test_mender_when_the_program_ended_before_the_first_picture_then_the_file_is_removed_without_a_word(
    tmp_path, mend, kind, has_header
):
    (tmp_path / f"{LEFT}{kind.suffix}").write_bytes(headers(tmp_path, kind) if has_header else b"")
    assert len(unfinished(tmp_path)) == 1
    _, notices = mend()
    wait_until(lambda: list(tmp_path.iterdir()) == [])
    assert notices.current() == ()


@pytest.mark.parametrize("kind", list(RecordFormat))
def test_is_empty_when_there_are_pictures_or_another_thing_then_not(tmp_path, kind):
    assert not is_empty(cut_off(tmp_path, kind=kind))
    other = tmp_path / f"other{kind.suffix}"
    other.write_bytes(b"\0" * 5000)
    assert not is_empty(other)


def test_mender_when_nothing_can_be_read_then_said_once_and_the_file_is_kept_under_another_name(tmp_path, mend):
    (tmp_path / f"{LEFT}.mp4").write_bytes(b"\0" * 5000)
    _, notices = mend()
    wait_until(lambda: notices.current())
    (notice,) = notices.current()
    assert "Nothing of" in notice.text and "Errno" not in notice.text
    (kept,) = tmp_path.iterdir()
    assert kept.name in notice.text and kept.read_bytes() == b"\0" * 5000
    assert unfinished(tmp_path) == ()


def test_mender_when_there_is_no_room_then_said_and_the_next_start_tries_again(tmp_path, mend):
    path = cut_off(tmp_path)

    def refuse(path, on_progress):
        raise OutputError(f"{path.name} needs room.", "Free some.")

    _, notices = mend(repair=refuse)
    wait_until(lambda: notices.current())
    assert unfinished(tmp_path) == (path,)


def test_stop_when_a_long_recording_is_being_mended_then_left_for_the_next_start(tmp_path, mend):
    path = cut_off(tmp_path)
    has_begun = threading.Event()

    def slow(path, on_progress):
        has_begun.set()
        while True:
            on_progress(0.5)

    mender, notices = mend(repair=slow)
    assert has_begun.wait(60)
    mender.stop()
    assert notices.current() == ()
    assert unfinished(tmp_path) == (path,)
    assert repair(path).exists()
