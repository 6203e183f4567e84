"""Recording the user sentence by sentence: files, their times, checks, and devices that fail."""

import errno
import threading
import time
from dataclasses import replace

import av
import numpy as np
import pytest

from avatar_app.contracts.clock import ManualClock, MonotonicClock
from avatar_app.contracts.errors import AudioInputError, CameraInputError, OutputError
from avatar_app.contracts.handoff import Ring
from avatar_app.contracts.packets import AudioBlock, VoiceBlock
from avatar_app.live.enrol import sentence_file
from avatar_app.live.enrol.picture_checks import CHECK_EVERY, N_SAME, CameraTap, PictureChecker
from avatar_app.live.enrol.recorder import Recorder
from avatar_app.live.enrol.sentence_file import SentenceFile
from avatar_app.live.enrol.session import RecordingSession
from avatar_app.live.mic.mic import SILENT_DB, MicState, MicStatus
from avatar_app.live.webcam.opening import open_source_of
from avatar_app.live.webcam.picture_source import CameraFrame
from avatar_app.live.webcam.recording_checks import PictureProblem, SoundProblem
from avatar_app.live.webcam.tracking import Tracked
from tests.fakes.webcam import FakeSource, FakeTracker, write_video

RATE_HZ, MS = 48_000, 1_000_000
SIZE = (64, 48)
NO_STOP = threading.Event()


def grey(value):
    return np.full((SIZE[1], SIZE[0], 3), value, np.uint8)


def tone(n, rate_hz=RATE_HZ, level=0.3):
    return (level * np.sin(np.arange(n) * 2 * np.pi * 440 / rate_hz)).astype(np.float32)


def read(file):
    with av.open(str(file)) as container:
        pictures = [(frame.time, frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]
    with av.open(str(file)) as container:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)]) / 32768
    return pictures, sound


class Desk:
    """A recorder on a manual clock, and its three inputs."""

    def __init__(self):
        self.clock = ManualClock(5_000 * MS)
        self.frames, self.voice, self.sound = Ring(64), Ring(512), Ring(512)
        self.recorder = Recorder(self.frames, self.voice, self.sound, self.clock)
        self.index = 0

    def run(self, ms, level=0.3, value=100, pause_ms=0):
        """Feed pictures each 40 ms and sound each 10 ms; the last `pause_ms` are silent."""
        for t_ms in range(0, ms, 10):
            now_ns = self.clock.now_ns()
            loud = level if t_ms < ms - pause_ms else 0.0
            if t_ms % 40 == 0:
                self.frames.put(CameraFrame(now_ns, self.index, grey(value)))
                self.index += 1
            self.voice.put(VoiceBlock(now_ns, RATE_HZ, tone(RATE_HZ // 100, level=loud)))
            self.sound.put(AudioBlock(now_ns, 0, tone(160, 16_000, loud)))
            self.clock.advance(10 * MS)
            self.recorder.step(NO_STOP)

    def record(self, file, ms=800, **kwargs):
        self.recorder.begin(file, SIZE)
        self.run(ms, **kwargs)
        self.recorder.end()
        self.run(100, level=0.0)
        return self.recorder.take_result()


def test_file_when_written_then_pictures_keep_their_times_and_the_sound_its_samples(tmp_path):
    file = SentenceFile(tmp_path / "a" / "one.mkv", SIZE, 1_000 * MS)
    for t_ms in (1_007, 1_040, 1_111, 1_105):
        file.add_picture(grey(t_ms % 200), t_ms * MS)
    sound = tone(4800)
    file.add_sound(VoiceBlock(1_000 * MS, RATE_HZ, sound))
    assert not (tmp_path / "a" / "one.mkv").exists()
    file.finish(1_100 * MS)
    pictures, heard = read(tmp_path / "a" / "one.mkv")
    # The picture that is out of order is left out.
    assert [round(1000 * t) for t, _ in pictures] == [7, 40, 111]
    assert len(heard) == 4800
    np.testing.assert_allclose(heard[100:-100], sound[100:-100], atol=2e-3)
    assert [each.name for each in (tmp_path / "a").iterdir()] == ["one.mkv"]


def test_file_when_discarded_then_nothing_is_left(tmp_path):
    file = SentenceFile(tmp_path / "one.mkv", SIZE, 0)
    file.add_picture(grey(9), 5 * MS)
    file.discard()
    assert list(tmp_path.iterdir()) == []


def test_file_when_the_disk_is_full_then_one_sentence_and_nothing_is_left(tmp_path, monkeypatch):
    file = SentenceFile(tmp_path / "one.mkv", SIZE, 0)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sentence_file.os, "replace", full)
    file.add_picture(grey(9), 5 * MS)
    with pytest.raises(OutputError, match=r"The disk is full.*before it are kept"):
        file.finish(40 * MS)
    assert list(tmp_path.iterdir()) == []


def test_recorder_when_a_sentence_ends_then_the_file_holds_it_from_begin_to_end(tmp_path):
    desk = Desk()
    desk.run(200, value=10)
    result = desk.record(tmp_path / "s.mkv", value=180, pause_ms=300)
    assert (result.file, result.problem) == (tmp_path / "s.mkv", "")
    pictures, heard = read(result.file)
    assert 20 <= len(pictures) <= 23 and pictures[0][1].mean() > 150
    assert len(heard) == pytest.approx(RATE_HZ * 0.8, abs=RATE_HZ * 0.02)
    assert not desk.recorder.is_recording


@pytest.mark.parametrize(
    ("level", "pause_ms", "problem"),
    [(0.001, 300, SoundProblem.TOO_QUIET), (1.5, 300, SoundProblem.CLIPPING), (0.3, 0, SoundProblem.ROOM_TOO_LOUD)],
)
def test_recorder_when_the_sound_is_bad_then_the_file_is_kept_and_the_result_says_why(
    tmp_path, level, pause_ms, problem
):
    result = Desk().record(tmp_path / "s.mkv", level=level, pause_ms=pause_ms)
    assert result.file is not None and result.problem == problem.value


def test_recorder_when_silent_then_the_room_is_checked(tmp_path):
    desk = Desk()
    desk.recorder.begin(tmp_path / "s.mkv", SIZE, is_silent=True)
    desk.run(400, level=0.0)
    desk.recorder.end()
    desk.run(100, level=0.0)
    assert desk.recorder.take_result().problem == ""


def test_recorder_when_cancelled_or_repeated_then_the_older_file_stays(tmp_path):
    desk, file = Desk(), tmp_path / "s.mkv"
    assert desk.record(file, value=180, pause_ms=300).problem == ""
    before = file.read_bytes()
    desk.recorder.begin(file, SIZE)
    desk.run(200)
    desk.recorder.cancel()
    desk.run(50)
    assert file.read_bytes() == before and [each.name for each in tmp_path.iterdir()] == ["s.mkv"]
    assert desk.recorder.take_result() is None


def test_recorder_when_no_picture_arrives_then_one_sentence(tmp_path):
    desk = Desk()
    # From before the sentence: it does not count.
    desk.frames.put(CameraFrame(desk.clock.now_ns() - MS, 0, grey(9)))
    desk.recorder.begin(tmp_path / "s.mkv", SIZE)
    desk.recorder.end()
    desk.clock.advance(2_000 * MS)
    desk.recorder.step(NO_STOP)
    result = desk.recorder.take_result()
    assert result.file is None and result.problem == "The camera delivered no picture for this sentence."


def test_recorder_when_the_disk_is_full_then_later_sentences_can_be_recorded(tmp_path, monkeypatch):
    desk = Desk()
    with monkeypatch.context() as patch:
        patch.setattr(sentence_file.av, "open", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
        result = desk.record(tmp_path / "a.mkv")
    assert result.file is None and result.problem.startswith("The disk is full")
    assert desk.record(tmp_path / "b.mkv", pause_ms=300).file == tmp_path / "b.mkv"


def test_checker_when_most_pictures_share_a_problem_then_names_it_and_the_worst():
    tap = CameraTap(Ring(1))
    checker = PictureChecker(tap)
    checker.begin()
    for index in range(N_SAME):
        frame = CameraFrame(index, index * CHECK_EVERY, grey(90))
        tap.put(frame)
        assert checker.problem is None
        checker.check(Tracked(frame, index, None))
    assert checker.problem is PictureProblem.NO_FACE and checker.worst() is PictureProblem.NO_FACE


def test_tap_when_a_picture_is_large_then_the_tracker_gets_a_small_one_and_the_recording_all():
    recorded = Ring(4)
    tap = CameraTap(recorded)
    frame = CameraFrame(0, CHECK_EVERY, np.zeros((720, 1280, 3), np.uint8))
    tap.put(frame)
    assert tap.small.take().pixels.shape == (360, 640, 3)
    assert tap.full(CHECK_EVERY) is frame and tap.full(2 * CHECK_EVERY) is None and len(recorded) == 0
    tap.is_recording = True
    unchecked = replace(frame, index=CHECK_EVERY + 1)
    tap.put(unchecked)
    assert recorded.take() is unchecked and tap.newest is unchecked and tap.small.take() is None


class FakeMic:
    """A microphone that delivers a tone from a thread of the test."""

    def __init__(self, problem=None):
        self.problem, self.is_stopped = problem, False

    def start(self, ring, voice=None):
        if self.problem is not None:
            raise self.problem

    def stop(self):
        self.is_stopped = True

    def status(self):
        return MicStatus(MicState.RUNNING, "Fake", 48_000, 1, -20.0, -10.0, 0, 0)


def wait_for(condition, seconds=20):
    t_end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < t_end
        time.sleep(0.01)


@pytest.fixture
def make_session():
    made = []

    def make(source=None, mic=None, tracker=None):
        clock = MonotonicClock()
        source = source or FakeSource(clock, period_ns=10 * MS)
        mic = mic or FakeMic()
        session = RecordingSession(
            "", "", 0.0, clock, lambda: source, (lambda: tracker) if tracker else None, lambda *_: mic
        )
        made.append(session)
        session.start()
        return session

    yield make
    for session in made:
        session.stop()


def test_session_when_started_then_shows_pictures_and_level_and_records(make_session, tmp_path):
    session = make_session(tracker=FakeTracker())
    wait_for(lambda: session.preview() is not None and session.status().has_mic)
    assert session.status().level_db == -20.0
    wait_for(lambda: session.status().is_checked)
    session.begin(tmp_path / "s.mkv", is_silent=True)
    time.sleep(0.2)
    session.end()
    results = []
    wait_for(lambda: results.append(session.take_result()) or results[-1] is not None)
    assert results[-1].file == tmp_path / "s.mkv"
    # All landmarks of the fake face lie at one point.
    assert results[-1].problem == PictureProblem.TOO_SMALL.value
    session.stop()
    assert session.preview() is None


def test_session_when_the_camera_is_unplugged_then_says_so_and_no_old_picture_is_shown(make_session):
    source = FakeSource(MonotonicClock(), period_ns=10 * MS)
    session = make_session(source)
    wait_for(lambda: session.preview() is not None)
    source.is_plugged = False
    wait_for(lambda: not session.status().has_camera)
    assert session.preview() is None
    assert session.status().problem.startswith("The camera Fake delivers no more pictures. Plug it in again.")


def test_session_when_there_is_no_microphone_then_says_so(make_session):
    mic = FakeMic(AudioInputError("This machine has no microphone.", "Plug one in."))
    session = make_session(mic=mic)
    wait_for(lambda: session.status().problem != "")
    assert session.status().problem == "This machine has no microphone. Plug one in."
    assert not session.status().has_mic and session.status().level_db == SILENT_DB


def test_session_when_stopped_then_the_devices_are_closed(make_session):
    mic, source = FakeMic(), FakeSource(MonotonicClock(), period_ns=10 * MS)
    session = make_session(source, mic)
    wait_for(lambda: session.preview() is not None and session.status().has_mic)
    session.stop()
    assert mic.is_stopped and not source.is_open
    # No picture of the user stays in memory.
    assert session._tap.newest is None


def test_source_when_recorded_then_keeps_the_full_picture(tmp_path):
    file = write_video(tmp_path / "v.mp4", [np.zeros((720, 1280, 3), np.uint8)] * 3)
    for is_recorded, size in ((True, (1280, 720)), (False, (640, 360))):
        source = open_source_of(f"file:{file}", MonotonicClock(), is_recorded=is_recorded)
        assert source.size == (1280, 720) or not is_recorded
        pictures = []
        wait_for(lambda source=source, pictures=pictures: pictures.append(source.read()) or pictures[-1])
        assert pictures[-1][1].shape[1::-1] == size
        source.close()


def test_source_when_missing_then_one_sentence(tmp_path):
    with pytest.raises(CameraInputError, match="There is no file"):
        open_source_of(f"file:{tmp_path / 'no.mp4'}", MonotonicClock(), is_recorded=True)
