"""The sinks of the program, with pictures and a voice that a test makes."""

import threading
import time

import av
import numpy as np
import pytest

from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.handoff import Fan, Mailboxes
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import Picture, VoiceBlock
from avatar_app.live.browser import BrowserState
from avatar_app.live.browser.sink import BrowserSink
from avatar_app.live.record import RecordState, Recovery
from avatar_app.live.record.recording import open_container
from avatar_app.live.record.sink import RecordSink, recording_folder
from avatar_app.live.sinks import Sinks
from avatar_app.live.voice import NO_VOICE
from avatar_app.parts import sink_list
from avatar_app.settings.schema import Settings
from tests.fakes.browser_source import Client, decode

TOKEN = "a-token-of-enough-letters"  # noqa: S105
RATE_HZ = 16_000


class FakeSource:
    """Pictures and voice in real time, like the live path."""

    def __init__(self):
        self.voice = Fan()
        self.pictures = Mailboxes()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="source")

    def latency_ms(self):
        return 100.0, 10.0

    def mic_source(self):
        return ""

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        t_begin_ns, k = time.monotonic_ns(), 0
        while not self._stop.wait(0.005):
            while t_begin_ns + (k + 1) * 10_000_000 < time.monotonic_ns():
                t_ns = t_begin_ns + k * 10_000_000
                self.voice.put(VoiceBlock(t_ns, RATE_HZ, np.zeros(160, np.float32), did_restart=k == 0))
                if k % 4 == 0:
                    pixels = np.full((64, 64, 4), 1 + k % 250, np.uint8)
                    self.pictures.put(Picture(t_ns, time.monotonic_ns(), k // 4, pixels))
                k += 1


@pytest.fixture
def source():
    with FakeSource() as source:
        yield source


@pytest.fixture
def notices():
    return NoticeBoard()


@pytest.fixture
def make(source, notices, tmp_path):
    made = []

    def make(**changes):
        settings = Settings(record_folder=str(tmp_path / "videos"), browser_port=20_000 + len(made)).replace(**changes)
        made.append(Sinks(sink_list(TOKEN, {}, dict), source, settings, MonotonicClock(), notices))
        made[-1].settings = settings
        return made[-1]

    yield make
    for sinks in made:
        sinks.close()


def wait_for(condition, timeout_s=60):
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def slot_of(sinks, name):
    return next(slot for slot in sinks._slots if slot.name == name)


def test_recording_when_begun_and_ended_then_a_video_with_sound_and_no_mailbox_or_ring_is_left(make, source, tmp_path):
    sinks = make()
    sinks.start()
    sinks.start_recording()
    sinks.start_recording()
    wait_for(lambda: sinks.status().record.seconds > 1)
    sinks.stop_recording()
    wait_for(lambda: sinks.status().record.state is RecordState.SAVED)
    sinks.status()
    assert len(source.pictures) == 0
    (video,) = (tmp_path / "videos").glob("*.mp4")
    with av.open(str(video)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        assert container.duration > 900_000


def test_recording_when_the_program_closes_meanwhile_then_it_is_saved(make, tmp_path):
    sinks = make()
    sinks.start()
    sinks.start_recording()
    wait_for(lambda: sinks.status().record.seconds > 0.5)
    sinks.close()
    (video,) = (tmp_path / "videos").glob("*.mp4")
    assert ".recording" not in video.name


def test_recording_when_nothing_runs_or_the_folder_cannot_be_made_then_reports_it(make, source, tmp_path):
    with pytest.raises(OutputError, match="nothing to record"):
        make().start_recording()
    (tmp_path / "file").write_text("")
    sinks = make(record_folder=str(tmp_path / "file" / "videos"))
    sinks.start()
    with pytest.raises(OutputError, match="cannot be created"):
        sinks.start_recording()
    assert len(source.pictures) == 0


def test_snapshot_when_taken_then_a_png_and_a_notice_and_the_mailbox_is_removed(make, source, notices, tmp_path):
    sinks = make()
    with pytest.raises(OutputError, match="no picture"):
        sinks.take_snapshot()
    sinks.start()
    sinks.take_snapshot()
    wait_for(lambda: any(notice.key == "snapshot" for notice in notices.current()))
    (file,) = (tmp_path / "videos").glob("*.png")
    assert file.read_bytes()[:4] == b"\x89PNG" and b"AI-generated" in file.read_bytes()
    assert f"Saved as {file.name}." in [notice.text for notice in notices.current()]
    assert len(source.pictures) == 0


def test_snapshot_when_requested_without_end_then_one_at_a_time_and_no_queue(make, source, monkeypatch):
    go_on, begun = threading.Event(), []

    def write(picture, folder, **_):
        begun.append(threading.current_thread().name)
        go_on.wait(60)
        return folder / "a.png"

    monkeypatch.setattr("avatar_app.live.record.snapshots.snapshot", write)
    sinks = make()
    sinks.start()
    for _ in range(1000):
        sinks.take_snapshot()
    wait_for(lambda: begun)
    for _ in range(1000):
        sinks.take_snapshot()
    assert begun == ["snapshots"], "not on the thread of the caller"
    go_on.set()
    wait_for(lambda: len(begun) == 2)
    assert sinks.find(RecordSink)._snapshots._folders.take() is None
    sinks.stop()
    assert len(begun) == 2 and len(source.pictures) == 0


def test_stop_when_a_snapshot_is_being_written_then_does_not_wait_for_it(make, source, monkeypatch):
    go_on, begun = threading.Event(), threading.Event()

    def write(picture, folder, **_):
        begun.set()
        go_on.wait(60)
        return folder / "a.png"

    monkeypatch.setattr("avatar_app.live.record.snapshots.snapshot", write)
    sinks = make()
    sinks.start()
    sinks.take_snapshot()
    assert begun.wait(30)
    stopper = threading.Thread(target=sinks.stop)
    stopper.start()
    stopper.join(2)
    is_waiting = stopper.is_alive()
    go_on.set()
    stopper.join(30)
    assert not is_waiting
    sinks.start()
    sinks.take_snapshot()
    sinks.close()


def test_snapshot_when_its_folder_cannot_be_created_then_one_notice(make, notices, tmp_path):
    (tmp_path / "file").write_text("")
    sinks = make(record_folder=str(tmp_path / "file" / "videos"))
    sinks.start()
    sinks.take_snapshot()
    wait_for(lambda: any("cannot be created" in notice.text for notice in notices.current()))


@pytest.mark.parametrize("is_stopped", [False, True])
def test_close_when_the_browser_source_is_on_then_it_ends_too(make, source, is_stopped):
    sinks = make(is_browser_on=True)
    sinks.start()
    wait_for(lambda: sinks.page_url)
    if is_stopped:
        sinks.stop()
    sinks.close()
    assert sinks.page_url == "" and sinks.status().browser is None and len(source.pictures) == 0


@pytest.mark.parametrize("folder", ["a" * 4000, "\ud800", "/dev/null/videos"])
def test_start_when_the_folder_is_invalid_then_all_sinks_run_and_a_recording_is_refused(make, notices, folder):
    sinks = make(record_folder=folder, is_browser_on=True)
    sinks.start()
    wait_for(lambda: sinks.page_url)
    assert notices.current() == ()
    with pytest.raises(OutputError, match="cannot be created"):
        sinks.start_recording()


@pytest.mark.parametrize("folder", ["~nosuchuser/videos", "~nosuchuser"])
def test_recording_folder_when_there_is_no_such_user_then_it_is_a_path_anyway(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert recording_folder(Settings(record_folder=folder)).is_dir()


def test_delay_when_pictures_are_measured_then_equals_the_delay_of_the_voice(make, source, monkeypatch):
    sinks = make(fps=25)
    # Capture to picture, picture to screen, and three quarters of the time for which it stands.
    assert sinks.delay_ms == pytest.approx(100 + 10 + 30)
    monkeypatch.setattr(source, "latency_ms", lambda: (float("nan"), float("nan")))
    assert np.isnan(sinks.delay_ms)


def test_browser_when_switched_on_and_off_then_it_serves_and_stops(make, source):
    sinks = make(is_browser_on=True)
    sinks.start()
    wait_for(lambda: sinks.status().browser is not None)
    assert sinks.status().browser.state is BrowserState.RUNNING
    assert TOKEN in sinks.page_url and TOKEN not in sinks.status().browser.url
    sinks.apply(sinks.settings.replace(is_browser_on=False))
    wait_for(lambda: sinks.status().browser is None)
    wait_for(lambda: len(source.pictures) == 0)
    assert sinks.page_url == ""


def test_browser_when_stopped_then_the_page_is_empty_and_control_clients_are_served_until_close(make, source):
    sinks = make(is_browser_on=True)
    sinks.start()
    wait_for(lambda: sinks.page_url)
    port = sinks.status().browser.port
    with Client(port, "/pictures", token=TOKEN) as page:
        assert decode(page.receive())[1][:, :, 3].any()
        page.send("shown")
        sinks.stop()
        while decode(page.receive())[1][:, :, 3].any():
            page.send("shown")
        page.send("shown")
        with Client(port, "/control", token=TOKEN) as control:
            assert control.ask(id=1, do="state")["ok"], "a client that stopped the program can start it again"
        sinks.start()
        assert decode(page.receive())[1][:, :, 3].any()
    sinks.stop()
    sinks.apply(sinks.settings.replace(is_browser_on=False))
    assert sinks.page_url == "" and len(source.pictures) == 0
    sinks.close()


def test_voice_when_its_output_is_missing_then_a_notice_and_other_sinks_continue(make, notices):
    sinks = make(voice_output="No such output, ALSA", is_browser_on=True)
    sinks.start()
    wait_for(lambda: sinks.status().browser is not None)
    wait_for(lambda: any(notice.key == "voice" for notice in notices.current()))
    assert sinks.status().voice.device == ""


class FailingDevice:
    """Replaces a camera, a browser source or a voice output that cannot start."""

    def __init__(self, *_, **__):
        pass

    def start(self):
        raise OutputError("It cannot begin.", "Try another one.")


@pytest.mark.parametrize(
    ("part", "key", "changes"),
    [
        ("camera.sink.VirtualCamera", "camera", {"is_camera_on": True}),
        ("browser.sink.BrowserSource", "browser", {"is_browser_on": True}),
        ("voice.sink.VoiceOutput", "voice", {"voice_output": "Headphones"}),
    ],
)
def test_sink_when_it_cannot_start_then_its_mailbox_is_removed(make, source, notices, monkeypatch, part, key, changes):
    monkeypatch.setattr(f"avatar_app.live.{part}", FailingDevice)
    sinks = make(**changes)
    sinks.start()
    wait_for(lambda: any(notice.key == key for notice in notices.current()))
    wait_for(lambda: len(source.pictures) == 0)
    status = sinks.status()
    assert status.camera is None and status.browser is None


def test_recording_when_it_cannot_begin_then_mailbox_and_ring_are_removed(make, source, tmp_path, monkeypatch):
    def refuse(*_):
        raise OutputError("The disk is full.", "Free some space.")

    sinks = make()
    sinks.start()
    monkeypatch.setattr(sinks.find(RecordSink)._recorder, "start", refuse)
    with pytest.raises(OutputError):
        sinks.start_recording()
    assert len(source.pictures) == 0
    assert source.voice._rings == ()


def test_start_when_a_long_recording_is_repaired_then_other_sinks_do_not_wait(make, source, monkeypatch, tmp_path):
    go_on = threading.Event()

    def wait(path, on_progress):
        assert go_on.wait(60)
        raise OutputError("Not now.", "Later.")

    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "Avatar 2026-01-01 10.00.00.recording.mp4").write_bytes(b"not empty")
    monkeypatch.setattr("avatar_app.live.record.sink.Recovery", lambda *args: Recovery(*args, repair=wait))
    sinks = make(is_browser_on=True)
    sinks.start()
    wait_for(lambda: sinks.status().browser is not None)
    assert not go_on.is_set()
    go_on.set()


def test_stop_when_a_recording_does_not_close_then_returns_and_all_sinks_can_start_again(
    make, source, notices, monkeypatch, tmp_path
):
    may_close = threading.Event()

    class SlowContainer:
        def __init__(self, container):
            self._container = container

        def finish(self):
            assert may_close.wait(60)
            self._container.finish()

        def __getattr__(self, name):
            return getattr(self._container, name)

    sinks = make()
    monkeypatch.setattr(
        sinks.find(RecordSink)._recorder, "_open_container", lambda *args: SlowContainer(open_container(*args))
    )
    sinks.start()
    sinks.start_recording()
    wait_for(lambda: sinks.status().record.seconds > 0.5)
    sinks.stop()
    assert sinks.status().record.state in (RecordState.RECORDING, RecordState.FINISHING)
    sinks.start()
    may_close.set()
    wait_for(lambda: sinks.status().record.state is RecordState.SAVED)
    sinks.start_recording()
    wait_for(lambda: sinks.status().record.seconds > 0.5)
    sinks.close()
    videos = list((tmp_path / "videos").glob("*.mp4"))
    assert len(videos) == 2 and not any(".recording" in video.name for video in videos)


def test_browser_when_it_moved_and_the_settings_follow_then_it_keeps_running_and_the_notice_stays(make, notices):
    first, second = make(is_browser_on=True), make(is_browser_on=True, browser_port=20_000)
    for sinks in (first, second):
        sinks.start()
        wait_for(lambda sinks=sinks: sinks.page_url)
    running, port = second.find(BrowserSink)._browser, second.status().browser.port
    assert port != 20_000
    second.apply(second.settings.replace(browser_port=port))
    slot_of(second, "browser").wait_until_idle()
    assert second.find(BrowserSink)._browser is running and [notice.key for notice in notices.current()] == ["browser"]
    second.apply(second.settings.replace(browser_port=port, is_browser_on=False))
    wait_for(lambda: not second.page_url)


class SlowVoice:
    """A voice output whose driver opens when the test lets it."""

    def __init__(self, *_, **__):
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.is_playing = False

    def start(self):
        self.begun.set()
        assert self.go_on.wait(30)
        self.is_playing = True

    def stop(self):
        self.is_playing = False


def test_stop_when_the_voice_output_is_opening_then_returns_immediately_and_it_never_plays(make, monkeypatch):
    voice = SlowVoice()
    monkeypatch.setattr("avatar_app.live.voice.sink.VoiceOutput", lambda *_, **__: voice)
    sinks = make(voice_output="Cable, ALSA")
    sinks.start()
    assert voice.begun.wait(30)
    sinks.stop()
    voice.go_on.set()
    slot_of(sinks, "voice").wait_until_idle()
    assert not voice.is_playing and slot_of(sinks, "voice").part is None and sinks.status().voice is NO_VOICE
