"""The virtual camera on a real v4l2loopback device: a reader gets what was sent."""

import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest

from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.handoff import Latest
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import Picture
from avatar_app.live.camera import Layout, VirtualCamera
from tests.fakes.recording import wait_until

pytestmark = pytest.mark.device
DEVICES = sorted(Path("/sys/devices/virtual/video4linux").glob("video*/max_openers"))


@pytest.mark.skipif(not DEVICES, reason="no v4l2loopback device: sudo modprobe v4l2loopback exclusive_caps=1")
def test_camera_when_read_back_then_shows_the_picture_and_then_the_placeholder():
    pytest.importorskip("pyvirtualcam", reason="the camera extra is not installed")
    device = f"/dev/{DEVICES[0].parent.name}"
    pictures: Latest[Picture] = Latest()
    camera = VirtualCamera(pictures, Layout(), MonotonicClock(), NoticeBoard(), device=device)
    pixels = np.full((512, 512, 4), (40, 200, 90, 255), np.uint8)
    stop = threading.Event()

    def feed():
        while not stop.wait(0.03):
            t_ns = time.monotonic_ns()
            pictures.put(Picture(t_ns, t_ns, 0, pixels))

    feeder = threading.Thread(target=feed)
    camera.start()
    feeder.start()
    try:
        wait_until(lambda: camera.status().n_sent > 30)
        with av.open(device, format="v4l2") as reader:
            frames = reader.decode(video=0)
            seen = [next(frames).to_ndarray(format="bgr24") for _ in range(5)][-1]
            assert seen.shape == (720, 1280, 3)
            assert np.abs(seen[300:400, 600:700].reshape(-1, 3).astype(int) - (40, 200, 90)).max() < 8
            stop.set()
            while seen[300:400, 600:700].mean() > 80:
                seen = next(frames).to_ndarray(format="bgr24")
    finally:
        stop.set()
        feeder.join()
        camera.stop()
