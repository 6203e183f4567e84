"""What is left of a recording after a crash of the program or a failure of the disk."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avatar_app.contracts.errors import OutputError
from avatar_app.live.record import RecordFormat, RecordState, repair, unfinished
from avatar_app.live.record.boxes import _boxes, complete_length
from avatar_app.live.record.repair import CLUSTER_ID
from tests.fakes.recording import FakeLive, brightness, packet_times, probe, sound

ROOT = Path(__file__).parents[2]
RECORDED_S = 5.0


def record_and_kill(folder, kind):
    """Kill a program while it records; return the seconds that it had recorded."""
    command = [sys.executable, "-m", "tests.fakes.recording_child", str(folder), kind]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        while float(child.stdout.readline()) < RECORDED_S:
            pass
        (while_alive,) = folder.iterdir()
        assert unfinished(folder) == ()
        with pytest.raises(OutputError, match="being recorded"):
            repair(while_alive)
        child.send_signal(signal.SIGKILL)
        seconds = [line for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    return float(seconds[-1]) if seconds else RECORDED_S


@pytest.mark.parametrize("kind", ["mp4", "prores", "webm"])
def test_recording_when_killed_then_plays_to_two_seconds_before_and_can_be_repaired(tmp_path, kind):
    recorded_s = record_and_kill(tmp_path, kind)
    (left,) = unfinished(tmp_path)
    pictures, _ = brightness(left), sound(left)
    assert pictures[-1][0] > recorded_s - 2.0
    repaired = repair(left)
    assert unfinished(tmp_path) == ()
    assert [path.name for path in tmp_path.iterdir()] == [repaired.name]
    assert ".recording" not in repaired.name
    streams, about = probe(repaired)
    assert set(streams) == {"video", "audio"}
    assert "AI-generated avatar" in str(about["tags"])
    assert float(about["duration"]) > recorded_s - 2.0
    times = packet_times(repaired, "v")
    assert len(brightness(repaired)) == len(times) == len(pictures)
    assert times == sorted(times)
    t_first_s, samples = sound(repaired)
    assert t_first_s + len(samples) / 48_000 == pytest.approx(times[-1], abs=0.6)


def make_unfinished(folder):
    """A recording without its end, as a crash leaves it."""
    live = FakeLive(folder)
    live.start()
    live.run(4)
    (path,) = folder.iterdir()
    content = path.read_bytes()
    live.stop().path.unlink()
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("tail", ["cut", "zeros", "noise"])
def test_repair_when_the_tail_is_broken_then_it_is_dropped_and_the_rest_is_kept(tmp_path, tail):
    path = make_unfinished(tmp_path)
    whole = path.read_bytes()[: complete_length(path)]
    more = {"cut": b"", "zeros": bytes(20_000), "noise": np.random.default_rng(0).bytes(20_000)}[tail]
    path.write_bytes(whole[:-200] if tail == "cut" else whole + more)
    assert 0 < complete_length(path) <= len(whole) - 200 * (tail == "cut")
    repaired = repair(path)
    assert not path.exists()
    assert len(brightness(repaired)) == len(packet_times(repaired, "v")) > 25
    command = ["ffmpeg", "-v", "warning", "-i", str(repaired), "-f", "null", "-"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stderr == ""


def test_repair_when_nothing_can_be_played_then_refused_and_the_file_stays(tmp_path):
    path = tmp_path / "Avatar 2026-11-25 14.30.05.recording.mp4"
    path.write_bytes(b"\0" * 5000)
    assert unfinished(tmp_path) == (path,)
    with pytest.raises(OutputError):
        repair(path)
    assert path.read_bytes() == b"\0" * 5000
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_repair_when_writing_fails_then_the_file_stays(tmp_path, monkeypatch):
    path = make_unfinished(tmp_path)
    content = path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OutputError, match="full"):
        repair(path)
    assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_repair_when_an_earlier_one_was_interrupted_then_its_copy_is_deleted_and_progress_is_reported(
    tmp_path, monkeypatch
):
    path = make_unfinished(tmp_path)
    old = tmp_path / f".{path.name.removesuffix('.recording.mp4')}.12345.part.mp4"
    old.write_bytes(b"half of it")
    monkeypatch.setattr(sys.modules["avatar_app.live.record.repair"], "PROGRESS_EVERY", 10)
    progress = []
    repaired = repair(path, progress.append)
    assert [p.name for p in tmp_path.iterdir()] == [repaired.name]
    assert len(progress) > 2 and progress == sorted(progress)
    assert 0 < progress[0] < progress[-1] <= 1


@pytest.mark.parametrize("kind", ["mp4", "prores"])
def test_recording_when_it_ends_then_an_ordinary_file_with_one_index(tmp_path, kind):
    live = FakeLive(tmp_path, format=RecordFormat(kind))
    live.start()
    live.run(3)
    status = live.stop()
    assert [path.name for path in tmp_path.iterdir()] == [status.path.name]
    assert [box for box in boxes(status.path) if box in (b"moov", b"moof")] == [b"moov"]
    assert len(packet_times(status.path, "v")) == status.n_pictures


def test_recording_when_there_is_no_room_for_an_ordinary_file_then_the_fragmented_one_is_kept_and_plays(
    tmp_path, monkeypatch
):
    def refuse(path):
        raise OutputError(f"{path.name} needs room.", "Free some.")

    monkeypatch.setattr(sys.modules["avatar_app.live.record.repair"], "_check_room", refuse)
    live = FakeLive(tmp_path)
    live.start()
    live.run(3)
    status = live.stop()
    assert status.state is RecordState.SAVED
    assert [path.name for path in tmp_path.iterdir()] == [status.path.name]
    assert b"moof" in boxes(status.path)
    assert "next start" in live.notices.current()[-1].what_to_do
    assert len(brightness(status.path)) == status.n_pictures
    assert unfinished(tmp_path) == (status.path,)


def boxes(path):
    """Kinds of the top-level boxes."""
    with path.open("rb") as file:
        return [kind for kind, _, _ in _boxes(file)]


@pytest.mark.parametrize(("kind", "mark"), [("mp4", b"moof"), ("prores", b"moof"), ("webm", CLUSTER_ID)])
def test_recording_when_it_runs_then_a_new_fragment_begins_four_times_a_second(tmp_path, kind, mark):
    live = FakeLive(tmp_path, format=RecordFormat(kind))
    live.start()
    live.run(4)
    live.recorder.finish()
    content = live.recorder.status().path.read_bytes()
    live.stop()
    # A crash loses at most one fragment, and what waits for the encoder.
    assert content.count(mark) >= 4 * (4 - 0.12 - 0.4 - 0.25)


def test_unfinished_when_folder_is_missing_then_nothing(tmp_path):
    assert unfinished(tmp_path / "gone") == ()


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if os.name == "nt" or os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("keep_free_mb", [0, 1])
def test_recording_when_disk_is_full_then_what_was_recorded_is_kept_and_reported(tiny_disk, keep_free_mb):
    live = FakeLive(tiny_disk, size=(256, 256), keep_free_mb=keep_free_mb)
    noise = make_noise()
    live.start()
    give = live._put
    live._put = lambda picture: live.recorder.status().is_active and give(noise(picture))
    live.run(8)
    status = live.recorder.status()
    assert live.recorder.stop() == status
    assert status.state is RecordState.SAVED
    assert [path.name for path in tiny_disk.iterdir()] == [status.path.name]
    assert status.path.stat().st_size > 1_000_000
    streams, _ = probe(status.path)
    assert set(streams) == {"video", "audio"}
    n_pictures = len(brightness(status.path))
    assert n_pictures > 10
    assert n_pictures == status.n_pictures if keep_free_mb else n_pictures <= status.n_pictures
    (notice,) = live.notices.current()
    assert "full" in notice.text
    assert str(status.path) in notice.text
    assert "Free some space" in notice.what_to_do
    # With room again, the next start makes it whole.
    assert unfinished(tiny_disk) == (status.path,)
    subprocess.run(["mount", "-o", "remount,size=20m", str(tiny_disk)], check=True)
    assert len(packet_times(repair(status.path), "v")) == n_pictures


def make_noise():
    """Pictures that no encoder makes small."""
    rng = np.random.default_rng(1)

    def noise(picture):
        return replace(picture, pixels=rng.integers(0, 255, picture.pixels.shape, np.uint8) | np.uint8([0, 0, 0, 255]))

    return noise


LIMITED = """
import resource, sys
from pathlib import Path
from tests.fakes.recording import FakeLive
from tests.unit.test_record_crash import make_noise
resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
live, noise = FakeLive(Path(sys.argv[1]), size=(256, 256)), make_noise()
live.start()
give = live._put
live._put = lambda picture: live.recorder.status().is_active and give(noise(picture))
live.run(8)
live.recorder.stop()
print(live.notices.current()[0].text)
"""


@pytest.mark.skipif(os.name == "nt", reason="no such limit")
def test_recording_when_the_file_cannot_grow_then_what_was_recorded_is_kept(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "largest file" in done.stdout
    (path,) = tmp_path.iterdir()
    assert ".recording" not in path.name
    assert len(brightness(path)) > 10
