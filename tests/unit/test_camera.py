"""The camera's loop on a manual clock, through pyvirtualcam and a fake driver."""

import threading
import time

import numpy as np
import pytest

from avatar_app.contracts.clock import ManualClock, MonotonicClock
from avatar_app.contracts.errors import MissingExtraError, OutputError
from avatar_app.contracts.handoff import Latest
from avatar_app.contracts.notices import Level, NoticeBoard
from avatar_app.contracts.packets import Picture
from avatar_app.contracts.units import NS_PER_S, ms_to_ns, s_to_ns
from avatar_app.live.camera import CameraState, Layout, VirtualCamera
from avatar_app.live.camera.device import open_camera, require_package
from avatar_app.live.camera.finding import problem
from avatar_app.live.camera.loop import CameraLoop
from avatar_app.live.runtime.worker import Worker
from tests.fakes.camera import FakeDriver

pyvirtualcam = pytest.importorskip("pyvirtualcam", reason="the camera extra is not installed")

LAYOUT = Layout(128, 128, 30)
PERIOD_NS = NS_PER_S // 30


@pytest.fixture
def driver(monkeypatch):
    """The only camera of this machine."""
    driver = FakeDriver()
    monkeypatch.setattr(pyvirtualcam.camera, "BACKENDS", {})
    pyvirtualcam.register_backend("test", driver.make())
    return driver


class Run:
    """A loop with its clock, notices and mailbox."""

    def __init__(self, layout=LAYOUT, problem=None):
        self.clock, self.board = ManualClock(s_to_ns(100)), NoticeBoard()
        self.pictures: Latest[Picture] = Latest()
        self.stop = threading.Event()
        self.loop = CameraLoop(
            self.pictures, layout, self.clock, self.board, lambda: open_camera(layout), lambda: problem
        )

    def run(self, seconds, avatar_fps=0, jitter_ms=0.0):
        """Let time pass, with pictures at a rate, each late by a random jitter."""
        rng = np.random.default_rng(0)
        t_start_ns = self.clock.now_ns()
        t_end_ns = t_start_ns + s_to_ns(seconds)
        instants_ns = [t_end_ns]
        if avatar_fps:
            grid_s = np.arange(int(seconds * avatar_fps)) / avatar_fps
            late_ms = rng.uniform(0, jitter_ms, len(grid_s)) if jitter_ms else np.zeros(len(grid_s))
            instants_ns = [t_start_ns + s_to_ns(t_s + ms / 1000) for t_s, ms in zip(grid_s, late_ms, strict=True)]
            instants_ns.append(t_end_ns)
        for k, t_put_ns in enumerate(instants_ns):
            while self.clock.now_ns() < t_put_ns:
                self.step_until(t_put_ns)
            if t_put_ns < t_end_ns:
                self.show(k)

    def step_until(self, t_ns):
        """One step, if its tick comes before an instant."""
        clock = self.clock
        real = clock.sleep_until
        clock.sleep_until = lambda t_due_ns, stop: real(t_due_ns, stop) if t_due_ns < t_ns else False
        t_before_ns, n_sent = clock.now_ns(), self.status().n_sent
        self.loop.step(self.stop)
        clock.sleep_until = real
        if (clock.now_ns(), self.status().n_sent) == (t_before_ns, n_sent):
            clock.advance(min(ms_to_ns(10), t_ns - t_before_ns))

    def show(self, grey):
        now_ns = self.clock.now_ns()
        pixels = np.full((128, 128, 4), 255, np.uint8)
        pixels[..., :3] = 40 + grey % 200
        self.pictures.put(Picture(now_ns - ms_to_ns(90), now_ns, grey, pixels))

    def status(self):
        return self.loop.status(is_stopped=False)


def lumas(driver):
    """Mean brightness of the upper half of each frame that the driver got."""
    return [float(frame[: 64 * 128].mean()) for frame in driver.frames]


@pytest.mark.parametrize("ppm", [-200, 0, 200])
def test_frame_clock_when_avatar_s_rate_drifts_and_jitters_then_almost_no_picture_is_repeated_or_lost(driver, ppm):
    """Without phase lock the two rates coincide from time to time, and then jitter repeats pictures for minutes."""
    camera_run = Run()
    camera_run.run(10, 30 * (1 + ppm / 1e6), jitter_ms=4)
    n_repeated, n_lost = camera_run.status().n_repeated, camera_run.pictures.n_replaced
    camera_run.run(40, 30 * (1 + ppm / 1e6), jitter_ms=4)
    assert camera_run.status().n_repeated - n_repeated <= 1
    assert camera_run.pictures.n_replaced - n_lost <= 1
    assert camera_run.status().latency_p95_ms < 90 + 12


@pytest.mark.parametrize("avatar_fps", [25, 30, 50, 60])
def test_rate_when_avatar_has_any_then_the_camera_s_is_constant(driver, avatar_fps):
    camera_run = Run()
    camera_run.run(4, avatar_fps)
    status = camera_run.status()
    assert abs(status.n_sent - 120) <= 2
    assert status.fps_achieved == pytest.approx(30, abs=0.1)
    assert (status.n_late, status.n_placeholders) == (0, 0)
    if avatar_fps == 25:
        assert abs(status.n_repeated - 20) <= 2


def test_frames_when_sent_then_i420_of_the_size_and_the_newest_picture(driver):
    camera_run = Run()
    camera_run.run(0.1)
    camera_run.show(1)
    camera_run.show(180)
    camera_run.run(0.1)
    assert driver.frames[-1].size == 128 * 128 * 3 // 2
    assert lumas(driver)[-1] == pytest.approx(16 + 219 * 220 / 255, abs=2)
    options = driver.options[0]
    assert (options["width"], options["height"], options["fps"], options["device"]) == (128, 128, 30, None)
    assert camera_run.status().latency_p50_ms == pytest.approx(90, abs=1000 / 30)


def test_frame_clock_when_camera_is_slow_then_whole_ticks_are_skipped_without_drift(driver):
    camera_run = Run()
    camera_run.run(1)
    t_first_ns = camera_run.clock.now_ns()
    n_before = camera_run.status().n_sent
    camera_run.clock.advance(10 * PERIOD_NS + ms_to_ns(3))
    camera_run.run(2)
    status = camera_run.status()
    n_ticks = (camera_run.clock.now_ns() - t_first_ns) * 30 // NS_PER_S
    assert status.n_late in (9, 10)
    assert abs(status.n_sent - n_before + status.n_late - n_ticks) <= 1
    # The phase is unchanged, to the nanosecond.
    camera_run.loop.step(camera_run.stop)
    phase_ns = (camera_run.clock.now_ns() - s_to_ns(100)) * 30 % NS_PER_S
    assert min(phase_ns, NS_PER_S - phase_ns) < 100


def test_placeholder_when_no_picture_for_a_second_then_shown_until_pictures_return(driver):
    camera_run = Run()
    camera_run.run(1, 30)
    camera_run.show(160)
    camera_run.run(0.9)
    assert not camera_run.status().is_placeholder
    face = lumas(driver)[-1]
    camera_run.run(0.4)
    assert camera_run.status().is_placeholder
    assert lumas(driver)[-1] < 0.7 * face
    n_placeholders = camera_run.status().n_placeholders
    camera_run.show(160)
    camera_run.run(0.1)
    assert not camera_run.status().is_placeholder
    assert lumas(driver)[-1] == pytest.approx(face, abs=1)
    assert camera_run.status().n_placeholders == n_placeholders


def test_placeholder_when_there_was_never_a_picture_then_shown_immediately(driver):
    camera_run = Run()
    camera_run.run(0.1)
    assert camera_run.status().is_placeholder
    assert len(driver.frames) > 1


def test_close_when_avatar_is_shown_then_placeholder_is_the_last_picture(driver):
    camera_run = Run()
    camera_run.run(1, 30)
    face = lumas(driver)[-1]
    camera_run.loop.close()
    assert lumas(driver)[-1] < 0.7 * face
    assert driver.n_closed == 1
    assert camera_run.loop.status(is_stopped=True).state is CameraState.STOPPED


def test_open_when_there_is_no_camera_then_reported_once_and_retried_every_three_seconds(driver):
    driver.open_error = "No device found."
    notices = []
    camera_run = Run(problem=problem("The module is not loaded.", "sudo modprobe x. To keep it: y", "sudo modprobe x"))
    camera_run.board._on_change = notices.append
    camera_run.run(5)
    driver.open_error = "No device found, still."  # another reason makes no other notice
    camera_run.run(5)
    assert camera_run.status().state is CameraState.LOST
    assert "No device found, still" in camera_run.status().problem
    assert len(notices) == 1
    assert notices[0].level is Level.WARNING
    assert notices[0].text == "The module is not loaded."
    assert notices[0].what_to_do == "Copy the command and run it in a terminal. The app retries every 3 seconds."
    assert notices[0].command == "sudo modprobe x"
    driver.open_error = ""
    t_ns = camera_run.clock.now_ns()
    while camera_run.status().state is not CameraState.RUNNING:
        camera_run.run(0.02)
    assert camera_run.clock.now_ns() - t_ns < s_to_ns(3.1)
    assert [notice.level for notice in notices] == [Level.WARNING, Level.INFO]
    assert camera_run.status().problem == ""


def test_send_when_camera_is_lost_then_opened_again_with_the_avatar(driver):
    camera_run = Run()
    camera_run.run(1, 30)
    driver.send_error = "the device was unplugged"
    camera_run.run(0.2, 30)
    status = camera_run.status()
    assert (status.state, status.fps_achieved) == (CameraState.LOST, 0.0)
    assert driver.n_closed == 1
    assert "unplugged" in camera_run.board.current()[0].text
    driver.send_error = ""
    camera_run.run(3.2, 30)
    assert camera_run.status().state is CameraState.RUNNING
    assert not camera_run.status().is_placeholder
    assert camera_run.board.current()[0].level is Level.INFO


def test_send_when_loopback_device_file_is_removed_then_lost(driver):
    """The v4l2loopback driver does not report failed writes."""
    driver.device_name = "/dev/video-that-is-not-there"
    camera_run = Run()
    camera_run.run(0.2, 30)
    assert camera_run.status().state is CameraState.LOST
    assert not driver.frames


def test_open_when_several_drivers_fail_then_one_error_with_all_reasons(driver):
    other = FakeDriver()
    driver.open_error, other.open_error = "No device found.", "OBS is not installed."
    pyvirtualcam.register_backend("other", other.make())
    with pytest.raises(OutputError) as caught:
        open_camera(LAYOUT)
    assert caught.value.what == (
        "The virtual camera cannot be opened (test: No device found; other: OBS is not installed)."
    )
    assert "doctor" in caught.value.what_to_do


def test_open_when_driver_is_named_then_no_other_is_tried(driver):
    other = FakeDriver()
    pyvirtualcam.register_backend("other", other.make())
    camera = open_camera(LAYOUT, backend="other", device="/dev-of-test/video10")
    assert (camera.backend, camera.device) == ("other", "/dev-of-test/video10")
    assert other.options[0]["device"] == "/dev-of-test/video10"
    camera.close()
    with pytest.raises(OutputError, match="obs"):
        open_camera(LAYOUT, backend="obs")


def test_alpha_when_wanted_then_camera_that_keeps_it_comes_first(driver):
    unity = FakeDriver("Unity Video Capture")
    pyvirtualcam.register_backend("unitycapture", unity.make())
    camera_run = Run(Layout(128, 128, 30, keeps_alpha=True))
    pixels = np.empty((128, 128, 4), np.uint8)
    pixels[:] = (10, 20, 30, 40)
    camera_run.run(0.1)
    camera_run.pictures.put(Picture(camera_run.clock.now_ns(), camera_run.clock.now_ns(), 0, pixels))
    camera_run.run(0.1)
    assert camera_run.status().keeps_alpha
    assert (unity.frames[-1].reshape(-1, 4) == (30, 20, 10, 40)).all()
    assert not driver.frames


def test_alpha_when_no_camera_keeps_it_then_composed_over_the_colour(driver):
    camera_run = Run(Layout(128, 128, 30, keeps_alpha=True, colour="#ffffff"))
    camera_run.run(0.1)
    camera_run.pictures.put(Picture(0, 0, 0, np.zeros((128, 128, 4), np.uint8)))
    camera_run.run(0.1)
    assert not camera_run.status().keeps_alpha
    assert lumas(driver)[-1] == pytest.approx(235, abs=1)


def test_start_when_package_is_missing_then_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyvirtualcam", None)
    camera = VirtualCamera(Latest(), LAYOUT, ManualClock(), NoticeBoard())
    with pytest.raises(MissingExtraError, match=r"\[camera\]"):
        camera.start()
    with pytest.raises(MissingExtraError):
        require_package()
    camera.stop()


def wait_for(condition, timeout_s=60.0):
    t_end_s = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < t_end_s:
        time.sleep(0.005)
    return condition()


def make_camera(pictures=None, notices=None):
    board = NoticeBoard(None if notices is None else notices.append)
    return VirtualCamera(pictures or Latest(), LAYOUT, MonotonicClock(), board, find_problem=lambda: None), board


def picture(k):
    t_ns = time.monotonic_ns()
    return Picture(t_ns, t_ns, k, np.full((128, 128, 4), 200, np.uint8))


def test_driver_when_it_blocks_for_two_seconds_then_another_sink_gets_every_picture(driver):
    """The camera blocks in its driver meanwhile; the renderer and other sinks do not."""
    mine, other = Latest(), Latest()
    camera, _ = make_camera(mine)
    camera.start()
    mine.put(picture(0))
    assert wait_for(lambda: len(driver.frames) > 3)
    driver.go_on.clear()
    assert wait_for(lambda: camera.status().blocked_ms > 50)
    n_before, seen = len(driver.frames), []
    worker = Worker(
        "other", lambda stop: seen.append(p) if (p := other.take(0.05)) else None, MonotonicClock(), NoticeBoard()
    )
    worker.start()
    for k in range(50):
        for sink in (mine, other):
            sink.put(picture(k))
        assert wait_for(lambda k=k: bool(seen) and seen[-1].index == k)
    worker.stop()
    assert [p.index for p in seen] == list(range(50))
    assert wait_for(lambda: camera.status().blocked_ms > 1500)
    assert len(driver.frames) <= n_before + 1
    driver.go_on.set()
    assert wait_for(lambda: len(driver.frames) > n_before + 3)
    # More than a second of its 30 pictures each was due meanwhile.
    assert camera.status().n_late >= 30
    camera.stop()


def test_stop_when_driver_blocks_then_returns_and_the_camera_is_closed_later(driver):
    camera, _ = make_camera()
    camera.start()
    assert wait_for(lambda: len(driver.frames) > 1)
    driver.go_on.clear()
    assert wait_for(lambda: camera.status().blocked_ms > 50)
    # It returns, although the driver does not.
    camera.stop()
    assert camera.status().state is CameraState.STOPPED
    assert driver.n_closed == 0
    driver.go_on.set()
    assert wait_for(lambda: driver.n_closed == 1)


def test_start_when_stopped_before_then_runs_again_with_new_counts(driver):
    camera, board = make_camera()
    camera.stop()
    for k in range(2):
        camera.start()
        camera.start()
        assert wait_for(lambda: camera.status().n_sent > 2)
        status = camera.status()
        assert (status.state, status.backend, status.size) == (CameraState.RUNNING, "test", (128, 128))
        camera.stop()
        camera.stop()
        assert driver.n_closed == k + 1
    assert len(driver.options) == 2
    assert board.current() == ()


def test_worker_when_driver_fails_in_an_unknown_way_then_camera_is_opened_again(driver, monkeypatch):
    monkeypatch.setattr("avatar_app.live.runtime.worker.RETRY_S", 0.01)
    notices = []
    camera, _ = make_camera(notices=notices)
    camera.start()
    assert wait_for(lambda: len(driver.frames) > 1)
    with monkeypatch.context() as patch:
        patch.setattr("avatar_app.live.camera.loop.draw_placeholder", None)
        patch.setattr(type(camera._loop), "_choose", lambda *a: {}["x"])
        assert wait_for(lambda: driver.n_closed >= 1)
    n = len(driver.frames)
    assert wait_for(lambda: len(driver.frames) > n)
    camera.stop()
    assert notices[0].text.startswith("The virtual camera failed")
