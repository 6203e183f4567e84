"""Recordings, made through the recorder's own threads and read with ffprobe."""

import itertools
import shutil
import subprocess
import threading
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from avatar_app.contracts.errors import InternalError, OutputError
from avatar_app.contracts.handoff import Latest, Ring
from avatar_app.contracts.notices import Level
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live.record import VOICE_BLOCKS, RecordFormat, RecordOptions, RecordState, unfinished
from avatar_app.live.record.formats import VideoSize
from avatar_app.live.record.frame_converter import FrameConverter
from avatar_app.live.record.muxer import Muxer
from avatar_app.live.record.recording import open_container
from tests.fakes.recording import (
    FakeLive,
    brightness,
    clicks,
    flashes,
    packet_times,
    picture_at,
    probe,
    sound,
    voice_at,
    wait_until,
)


@pytest.fixture
def make_live(tmp_path):
    """A live path; its recorder is stopped after the test."""
    made = []

    def make(folder=tmp_path, **options):
        made.append(FakeLive(folder, **options))
        return made[-1]

    yield make
    for live in made:
        live.recorder.stop()


@pytest.mark.parametrize("fps", [25, 30])
def test_recording_when_stopped_then_ffprobe_finds_an_ordinary_file_of_constant_rate(tmp_path, make_live, fps):
    live = make_live(fps=fps, size=(128, 128), title="Nova")
    live.start()
    live.run(2.5)
    status = live.stop()
    streams, about = probe(status.path)
    video, audio = streams["video"], streams["audio"]
    assert (video["codec_name"], video["width"], video["height"]) == ("h264", 128, 128)
    assert video["r_frame_rate"] == video["avg_frame_rate"] == f"{fps}/1"
    assert (audio["codec_name"], audio["sample_rate"], audio["channels"]) == ("aac", "48000", 1)
    assert int(video["nb_frames"]) == status.n_pictures == pytest.approx(2.5 * fps, abs=1)
    assert abs(float(video["duration"]) - float(audio["duration"])) < 1 / fps
    times = packet_times(status.path, "v")
    assert times == pytest.approx([k / fps for k in range(len(times))], abs=1e-3)
    assert about["tags"]["title"] == "Nova"
    assert "AI-generated avatar" in about["tags"]["comment"]
    assert "trainedAlgorithmicMedia" in about["tags"]["comment"]


def test_recording_when_stopped_then_status_and_name_are_final(tmp_path, make_live):
    live = make_live()
    assert live.recorder.status().state is RecordState.IDLE
    live.start()
    live.run(3)
    while_running = live.recorder.status()
    assert while_running.state is RecordState.RECORDING
    assert while_running.path.name.endswith(".recording.mp4")
    assert while_running.encoder == "libx264"
    assert while_running.free_s > 0
    assert unfinished(tmp_path) == ()
    status = live.stop()
    assert status.state is RecordState.SAVED
    assert [path.name for path in tmp_path.iterdir()] == [status.path.name]
    assert status.path.name.startswith("Avatar 20")
    assert ".recording" not in status.path.name
    assert status.n_bytes == status.path.stat().st_size
    assert (status.n_repeated, status.n_dropped, status.n_sound_lost) == (0, 0, 0)
    (notice,) = live.notices.current()
    assert status.path.name in notice.text and str(tmp_path) in notice.what_to_do
    assert live.recorder.stop() == status


def test_recording_when_white_picture_and_click_coincide_then_in_sync_in_the_file(tmp_path, make_live):
    live = make_live(fps=25)
    live.events = (0.6, 1.4, 2.6)
    live.start()
    live.run(3)
    path = live.stop().path
    assert flashes(path) == pytest.approx([0.6, 1.4, 2.6], abs=0.001)
    assert clicks(path) == pytest.approx(flashes(path), abs=0.002)


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 96_000])
def test_recording_when_voice_has_another_rate_then_in_sync(tmp_path, make_live, rate_hz):
    live = make_live(rate_hz=rate_hz)
    live.events = (0.4, 1.2)
    live.start()
    live.run(1.6)
    path = live.stop().path
    assert clicks(path) == pytest.approx([0.4, 1.2], abs=0.002)


def test_recording_when_microphone_restarts_with_another_rate_then_silence_between_and_still_in_sync(
    tmp_path, make_live
):
    live = make_live()
    live.events = (0.4, 3.2)
    live.start()
    live.run(1.0)
    live.is_speaking = False
    live.run(1.5)
    live.is_speaking, live.did_restart, live.rate_hz = True, True, 44_100
    live.run(1.5)
    status = live.stop()
    assert clicks(status.path) == pytest.approx([0.4, 3.2], abs=0.002)
    t_first_s, samples = sound(status.path)
    quiet = samples[int((1.1 - t_first_s) * 48_000) : int((2.4 - t_first_s) * 48_000)]
    assert abs(quiet).max() < 0.005
    streams, _ = probe(status.path)
    assert abs(float(streams["video"]["duration"]) - float(streams["audio"]["duration"])) < 0.04


def test_recording_when_the_mouth_rests_and_no_voice_comes_then_pictures_continue_at_their_rate(tmp_path, make_live):
    live = make_live()
    live.start()
    live.run(0.5)
    live.is_speaking = False
    t_old_ns = live.clock.now_ns() - 120_000_000
    for k in range(50):
        live.clock.advance(40_000_000)
        live._put(picture_at(t_old_ns, 0, 100 + k, is_repeat=True, t_ready_ns=live.clock.now_ns()))
    live.recorder.finish()
    status = live.recorder.stop()
    streams, _ = probe(status.path)
    assert float(streams["video"]["duration"]) == pytest.approx(2.5, abs=0.05)
    assert float(streams["audio"]["duration"]) == pytest.approx(2.5, abs=0.05)
    assert len({round(value) for _, value in brightness(status.path)}) > 45


def test_recording_when_it_begins_with_a_repeat_then_the_first_new_mouth_begins_the_recording(make_live):
    live = make_live()
    live.events = (0.4,)
    live.start()
    live._put(picture_at(live.t_start_ns - 10**8, value=90, is_repeat=True, t_ready_ns=live.clock.now_ns() + 10**7))
    live.run(1)
    status = live.stop()
    assert status.n_dropped == 0
    assert flashes(status.path) == pytest.approx([0.4], abs=0.001)
    assert clicks(status.path) == pytest.approx([0.4], abs=0.002)


def test_recording_when_pictures_stop_for_a_while_then_the_last_one_is_repeated_and_sound_continues(
    tmp_path, make_live
):
    live = make_live(fps=25)
    live.events = (2.6,)
    live.start()
    live.run(1.0)
    live.index += 30
    live.run(2.0)
    status = live.stop()
    assert status.n_repeated == 30
    assert clicks(status.path) == pytest.approx([2.6], abs=0.002)
    times = packet_times(status.path, "v")
    assert times == pytest.approx([k / 25 for k in range(len(times))], abs=1e-3)


class HangingContainer:
    """A container whose encoder waits at every picture until it may continue."""

    def __init__(self, container, may_go_on):
        self._container, self._may_go_on = container, may_go_on
        self.frame_of, self.add_sound = container.frame_of, container.add_sound
        self.finish, self.abandon = container.finish, container.abandon

    def add_picture(self, picture, pts):
        assert self._may_go_on(), "the test did not let it continue"
        self._container.add_picture(picture, pts)


def wait_at(gate):
    """Return a function that waits until a gate is open."""
    return lambda: gate.wait(60)


def put_without_waiting(live):
    """Put pictures without waiting for the encoder; the collecting thread gets each before the next one comes."""

    def put(picture):
        live.pictures.put(picture)
        wait_until(lambda: live.pictures._item is None)

    live._put = put


def test_recording_when_the_program_was_suspended_then_its_picture_is_repeated_no_longer_than_that(make_live):
    live = make_live(fps=25)
    live.start()
    live.run(1)
    live.clock.advance(12 * NS_PER_S)
    wait_until(lambda: live.recorder.status().seconds > 12)
    # The driver delivers its buffer: for half a second, mouths and sound have timestamps from before the suspension.
    for k in range(12):
        live.clock.advance(40_000_000)
        for _ in range(4):
            live._speak()
        t_old_ns = live.t_start_ns + live.index * NS_PER_S // live.fps
        live._put(picture_at(t_old_ns, live.index, 100 + 10 * k, t_ready_ns=live.clock.now_ns(), is_repeat=k % 2 == 1))
        live.index += 1
    live.index += 12 * live.fps
    live.t_voice_ns += 12 * NS_PER_S
    live.run(2)
    path = live.stop().path
    times = [
        t for (t, value), (_, before) in itertools.pairwise(reversed(brightness(path))) if abs(value - before) > 0.5
    ]
    stands = [later - earlier for later, earlier in itertools.pairwise(times)]
    assert 11 < max(stands) < 12.1
    assert sorted(stands)[-2] < 0.2
    assert sound(path)[1].size / 48_000 == pytest.approx(15.5, abs=0.2)


def test_recording_when_encoder_is_slow_then_pictures_are_dropped_and_counted_but_no_sound(tmp_path, make_live):
    pace = threading.Semaphore(5)
    live = make_live(
        fps=50, open_container=lambda *args: HangingContainer(open_container(*args), lambda: pace.acquire(timeout=60))
    )
    live.events = (0.4, 3.6)
    live.start()
    put_without_waiting(live)
    # Every third picture is encoded in time.
    for _ in range(50):
        live.run(0.06)
        pace.release()
    pace.release(1000)
    live.run(1)
    status = live.stop()
    assert status.n_dropped > 20
    # A slow encoder gets no repeated pictures.
    assert status.n_pictures < 180
    assert clicks(status.path) == pytest.approx([0.4, 3.6], abs=0.002)
    _, samples = sound(status.path)
    assert len(samples) / 48_000 == pytest.approx(4.0, abs=0.1)
    times = packet_times(status.path, "v")
    assert all(b > a for a, b in itertools.pairwise(times))


def hang(live, gate):
    """Record a second, close the gate of the encoder, and queue another half second."""
    live.start()
    live.run(1.0)
    wait_until(lambda: len(live.recorder._current._waiting) == 0)
    gate.clear()
    put_without_waiting(live)
    live.run(0.5)


def test_finish_when_the_encoder_hangs_then_reported_and_the_next_recording_can_begin(tmp_path, make_live):
    gate = threading.Event()
    gate.set()
    containers = []

    def open_hanging(*args):
        container = open_container(*args)
        containers.append(HangingContainer(container, wait_at(gate)) if not containers else container)
        return containers[-1]

    live = make_live(open_container=open_hanging)
    hang(live, gate)
    live.recorder.finish()
    live.clock.advance(9 * NS_PER_S)
    wait_until(lambda: not live.recorder.status().is_active)
    (notice,) = live.notices.current()
    assert "not closed yet" in notice.text and "can start a new recording" in notice.what_to_do
    first = live.recorder.status().path
    live.pictures, live.voice = Latest(), Ring(VOICE_BLOCKS)
    live.start()
    live.t_start_ns = live.t_voice_ns = live.clock.now_ns()
    live.index = 0
    live.run(1)
    wait_until(lambda: live.recorder.status().state is RecordState.RECORDING)
    assert live.recorder.status().path != first
    gate.set()
    status = live.stop()
    assert status.state is RecordState.SAVED
    assert unfinished(tmp_path) == ()
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 2 and status.path in kept
    assert all(len(packet_times(path, "v")) >= 20 for path in kept)


def test_finish_when_the_encoder_is_far_behind_then_what_is_written_is_saved_and_the_missing_end_is_reported(
    tmp_path, make_live
):
    gate = threading.Event()
    gate.set()
    live = make_live(open_container=lambda *args: HangingContainer(open_container(*args), wait_at(gate)))
    hang(live, gate)
    n_waiting = len(live.recorder._current._waiting)
    live.recorder.finish()
    live.clock.advance(6 * NS_PER_S)
    gate.set()
    status = live.recorder.stop()
    assert n_waiting > 8
    assert status.state is RecordState.SAVED
    assert "last seconds of the recording are missing" in live.notices.current()[0].text
    assert 20 < len(packet_times(status.path, "v")) < 32
    assert sound(status.path)[1].size > 0.8 * 48_000


def test_recording_when_the_encoder_hangs_then_the_queue_of_pictures_is_limited(make_live):
    gate = threading.Event()
    gate.set()
    live = make_live(open_container=lambda *args: HangingContainer(open_container(*args), wait_at(gate)))
    hang(live, gate)
    live.run(3)
    waiting = live.recorder._current._waiting
    assert 1.0 < len(waiting) / live.fps <= 1.2
    assert waiting.n_lost > 40
    gate.set()
    assert live.stop().n_dropped > 40


def test_recording_when_much_sound_waits_then_pictures_are_written_in_between():
    order = []

    class NotedContainer:
        def add_picture(self, picture, pts):
            order.append("picture")

        def add_sound(self, samples):
            order.append(len(samples))

        def frame_of(self, pixels):
            return pixels

    voice = Ring(VOICE_BLOCKS)
    muxer = Muxer(NotedContainer(), FrameConverter(RecordOptions(Path(), 25), VideoSize(64, 64, 25)), 25, 0, voice)
    for k in range(2000):
        voice.put(voice_at(k * 10_000_000, np.zeros(480)))
    for k in range(10):
        muxer.add_sound(muxer.n_waiting_blocks)
        muxer.add_picture(picture_at(k * 40_000_000, k))
        # Waiting sound is not treated as missing.
        muxer.fill_gaps(60 * NS_PER_S)
    heard = [sum(group) for is_sound, group in itertools.groupby(order, lambda one: one != "picture") if is_sound]
    assert order.count("picture") >= 10
    assert max(heard) < 1.1 * 48_000
    assert sum(heard) == pytest.approx(10 * 48_000, abs=1000)


@pytest.mark.parametrize("kind", [RecordFormat.PRORES, RecordFormat.WEBM])
def test_recording_when_format_has_alpha_then_transparency_is_in_the_file(tmp_path, make_live, kind):
    live = make_live(format=kind)
    live.alpha = 77
    live.start()
    live.run(1.2)
    path = live.stop().path
    streams, about = probe(path)
    assert streams["video"]["r_frame_rate"] == "25/1"
    assert "AI-generated avatar" in str(about["tags"])
    assert streams["audio"]["codec_name"] == ("aac" if kind is RecordFormat.PRORES else "opus")
    assert alpha_of(path, kind) == pytest.approx(77, abs=3)


def alpha_of(path, kind):
    """Mean alpha of the first picture, decoded by ffmpeg."""
    decoder = ["-c:v", "libvpx-vp9"] if kind is RecordFormat.WEBM else []
    command = ["ffmpeg", "-v", "error", *decoder, "-i", str(path), "-frames:v", "1", "-pix_fmt", "bgra"]
    raw = subprocess.run([*command, "-f", "rawvideo", "-"], capture_output=True, check=True).stdout
    return sum(raw[3::4]) / len(raw[3::4])


def test_recording_when_size_is_odd_and_picture_transparent_then_padded_on_the_colour(tmp_path, make_live):
    live = make_live(size=(65, 97), background_colour="#ffffff")
    live.alpha = 0
    live.start()
    live.run(0.5)
    path = live.stop().path
    streams, _ = probe(path)
    assert (streams["video"]["width"], streams["video"]["height"]) == (98, 66)
    assert all(value > 250 for _, value in brightness(path))


def test_recording_when_scaled_then_fitted(tmp_path, make_live):
    live = make_live(width_px=320, height_px=180)
    live.start()
    live.run(0.3)
    streams, _ = probe(live.stop().path)
    assert (streams["video"]["width"], streams["video"]["height"]) == (320, 180)


def test_recording_when_there_is_no_voice_then_no_sound_track(tmp_path, make_live):
    live = make_live(has_voice=False)
    live.start()
    live.run(0.5)
    assert set(probe(live.stop().path)[0]) == {"video"}


def test_start_when_name_is_taken_then_another_file(tmp_path, make_live):
    paths = []
    for _ in range(2):
        live = make_live()
        live.recorder.start(live.options, live.pictures, live.voice, when=datetime(2026, 11, 25, 14, 30, 5))
        live.run(0.3)
        paths.append(live.stop().path.name)
    assert paths == ["Avatar 2026-11-25 14.30.05.mp4", "Avatar 2026-11-25 14.30.05 (2).mp4"]


def test_start_when_recording_then_refused(tmp_path, make_live):
    live = make_live()
    live.start()
    with pytest.raises(InternalError):
        live.start()
    live.run(0.2)
    live.stop()


def test_start_when_folder_is_missing_then_error(tmp_path, make_live):
    live = make_live(tmp_path / "gone")
    with pytest.raises(OutputError, match="does not exist"):
        live.start()
    assert live.recorder.status().state is RecordState.IDLE


def test_start_when_disk_has_too_little_space_then_error(tmp_path, make_live):
    live = make_live(keep_free_mb=10**9)
    with pytest.raises(OutputError, match="too few"):
        live.start()
    assert list(tmp_path.iterdir()) == []


def test_stop_when_no_picture_came_then_no_file_and_a_notice(tmp_path, make_live):
    live = make_live()
    live.recorder.start(live.options, Latest(), live.voice)
    status = live.recorder.stop()
    assert status.state is RecordState.FAILED
    assert list(tmp_path.iterdir()) == []
    assert [n.level for n in live.notices.current()] == [Level.ERROR]


class BadContainer:
    """A container whose encoder fails at a timestamp, as a hardware encoder does after a reset of the GPU."""

    def __init__(self, container, error, pts):
        self._container, self._error, self._fail_pts = container, error, pts
        self.frame_of, self.add_sound = container.frame_of, container.add_sound
        self.finish, self.abandon = container.finish, container.abandon

    def add_picture(self, picture, pts):
        if pts >= self._fail_pts:
            raise self._error
        self._container.add_picture(picture, pts)


@pytest.mark.parametrize("error", [RuntimeError("bug"), OutputError("The encoder is gone.", "Wait.")], ids=str)
def test_recording_when_the_encoder_fails_then_kept_and_continues_in_a_new_file_with_software(
    tmp_path, make_live, error
):
    opened = []

    def open_bad(file, options, *rest):
        container = open_container(file, options, *rest)
        opened.append(options.encoder)
        return BadContainer(container, error, 60) if len(opened) == 1 else container

    live = make_live(open_container=open_bad, encoder="libx264")
    live.start()
    live.run(4)
    wait_until(lambda: len(opened) == 2)
    live.run(3)
    status = live.stop()
    first, second = sorted(tmp_path.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert second == status.path
    assert opened == ["libx264", "software"]
    assert len(packet_times(first, "v")) >= 40
    streams, _ = probe(second)
    assert float(streams["video"]["duration"]) > 2.5
    assert abs(float(streams["video"]["duration"]) - float(streams["audio"]["duration"])) < 0.04
    (notice,) = [n for n in live.notices.current() if n.key == "record"]
    assert "continues in a new file" in notice.text
    (saved,) = [n for n in live.notices.current() if n.key == "recorded"]
    assert first.name in saved.text and second.name in saved.text


@pytest.mark.parametrize("n_pictures", [0, 3])
def test_recording_when_the_encoder_fails_immediately_then_ends_with_a_notice(tmp_path, make_live, n_pictures):
    error = OutputError("Gone.", "Wait.")
    live = make_live(open_container=lambda *args: BadContainer(open_container(*args), error, n_pictures))
    live.start()
    live.run(2)
    status = live.stop()
    assert status.state is (RecordState.SAVED if n_pictures else RecordState.FAILED)
    assert [len(packet_times(path, "v")) for path in tmp_path.iterdir()] == [3] * bool(n_pictures)
    assert live.notices.current()[-1].what_to_do == "Wait."


def delete(folder):
    shutil.rmtree(folder)


def move(folder):
    folder.rename(folder.with_name("moved"))


@pytest.mark.parametrize("remove", [delete, move], ids=["deleted", "moved"])
def test_recording_when_its_folder_is_removed_then_reported_and_continues_in_the_default_folder(
    tmp_path, make_live, remove
):
    folder, other = tmp_path / "recordings", tmp_path / "videos" / "new"
    folder.mkdir()
    live = make_live(folder, other_folder=other)
    live.start()
    live.run(3)
    remove(folder)
    # Reported within two seconds.
    live.run(2)
    (notice,) = live.notices.current()
    assert f"{folder} was deleted or moved" in notice.text and f"continues in {other}" in notice.text
    live.run(2)
    status = live.stop()
    kept = sorted(other.iterdir())
    assert status.state is RecordState.SAVED and status.path in kept
    assert unfinished(other) == ()
    seconds = [float(probe(path)[0]["video"]["duration"]) for path in kept]
    text = " ".join(f"{notice.text} {notice.what_to_do}" for notice in live.notices.current())
    if remove is delete:
        # The file that was deleted while it was written is restored.
        assert len(kept) == 2
        assert sum(seconds) == pytest.approx(7, abs=0.6)
        assert all(path.name in text for path in kept)
    else:
        assert len(kept) == 1
        assert [path.suffix for path in (tmp_path / "moved").iterdir()] == [".mp4"]
        assert f"is no longer in {folder}" in text


@pytest.mark.parametrize("remove", [delete, move], ids=["deleted", "moved"])
def test_stop_when_the_folder_was_just_removed_then_only_existing_files_are_reported_as_saved(
    tmp_path, make_live, remove
):
    folder, other = tmp_path / "recordings", tmp_path / "videos"
    folder.mkdir()
    live = make_live(folder, other_folder=other)
    live.start()
    live.run(1.5)
    remove(folder)
    status = live.stop()
    keys = {notice.key for notice in live.notices.current()}
    if remove is delete:
        assert status.state is RecordState.SAVED
        assert [status.path] == list(other.iterdir())
        assert float(probe(status.path)[0]["video"]["duration"]) == pytest.approx(1.5, abs=0.2)
    else:
        assert (status.state, status.path) == (RecordState.FAILED, None)
        assert keys == {"record", "record-lost"} or keys == {"record-lost"}


def test_recording_when_its_folder_is_removed_and_the_default_one_cannot_be_created_then_ends_with_a_notice(
    tmp_path, make_live
):
    folder = tmp_path / "recordings"
    folder.mkdir()
    (tmp_path / "file").write_text("in the way")
    live = make_live(folder, other_folder=tmp_path / "file" / "videos")
    live.start()
    live.run(1.5)
    shutil.rmtree(folder)
    live.run(2)
    status = live.stop()
    assert (status.state, status.path) == (RecordState.FAILED, None)
    assert live.notices.current()[-1].level is Level.ERROR
