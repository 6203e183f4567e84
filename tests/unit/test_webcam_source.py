"""Cameras by name, their pictures, and video files in place of a camera."""

import errno
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from avatar_app.contracts.clock import ManualClock
from avatar_app.contracts.errors import CameraInputError
from avatar_app.contracts.units import NS_PER_S, s_to_ns
from avatar_app.live.webcam import device_source, devices
from avatar_app.live.webcam.device_source import DeviceSource
from avatar_app.live.webcam.devices import CameraDevice, find_camera, list_cameras
from avatar_app.live.webcam.file_source import FileSource
from avatar_app.live.webcam.picture_source import as_bgr
from avatar_app.live.webcam.rotation import apply_rotation
from tests.fakes.media import CASES
from tests.fakes.webcam import write_video

T0_NS = s_to_ns(50)


@pytest.fixture
def plugged(monkeypatch, tmp_path):
    """A Linux machine with the cameras that the test adds."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(devices, "SYS_FOLDER", tmp_path)

    def plug(number, name, index=0):
        folder = tmp_path / f"video{number}"
        folder.mkdir()
        (folder / "name").write_text(name + "\n")
        (folder / "index").write_text(f"{index}\n")

    return plug


def test_list_when_linux_then_names_without_data_nodes_and_our_own_camera(plugged):
    plugged(10, "Avatar")
    plugged(2, "BRIO")
    plugged(0, "Integrated Camera")
    plugged(1, "Integrated Camera", index=1)
    plugged(12, "BRIO")
    assert [(one.name, one.address) for one in list_cameras()] == [
        ("Integrated Camera", "/dev/video0"), ("BRIO", "/dev/video2"), ("BRIO (2)", "/dev/video12"),
    ]  # fmt: skip


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_list_when_no_library_names_cameras_then_indices(monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setitem(sys.modules, "cv2_enumerate_cameras", None)
    assert [one.name for one in list_cameras()][:2] == ["Camera 1", "Camera 2"]


def test_list_when_library_names_them_then_its_names_and_numbers(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    found = [SimpleNamespace(name="C920", index=3), SimpleNamespace(name="Avatar", index=0)]
    library = SimpleNamespace(enumerate_cameras=lambda backend: found)
    monkeypatch.setitem(sys.modules, "cv2_enumerate_cameras", library)
    assert [(one.name, one.address) for one in list_cameras()] == [("C920", 3)]


@pytest.mark.parametrize(("name", "address"), [("", 0), ("BRIO", 2), ("integ", 0), ("BRIO (2)", 4)])
def test_find_when_name_or_part_of_it_then_that_one(plugged, name, address):
    for number, label in ((0, "Integrated Camera"), (2, "BRIO"), (4, "BRIO")):
        plugged(number, label)
    assert find_camera(name).address == f"/dev/video{address}"


def test_find_when_unknown_then_error_names_the_nearest_first(plugged):
    plugged(0, "Integrated Camera")
    plugged(1, "Logitech C920")
    with pytest.raises(CameraInputError, match=r"no camera 'Logitec C920'.*Logitech C920, Integrated Camera"):
        find_camera("Logitec C920")


def test_find_when_there_is_none_then_says_what_to_do(plugged):
    with pytest.raises(CameraInputError, match=r"No camera was found. Plug one in"):
        find_camera("")


class FakeCapture:
    """OpenCV's camera."""

    def __init__(self, is_open=True, n_pictures=100):
        self.is_open, self.n_pictures = is_open, n_pictures
        self.settings = {}

    def isOpened(self):  # noqa: N802
        return self.is_open

    def set(self, key, value):
        self.settings[key] = value

    def get(self, key):
        return self.settings.get(key, 0)

    def grab(self):
        self.n_pictures -= 1
        return self.n_pictures >= 0

    def retrieve(self):
        return True, np.zeros((480, 640), np.uint16)

    def release(self):
        self.is_open = False


@pytest.fixture
def camera(monkeypatch, plugged):
    """The only camera, and what OpenCV does with it."""
    plugged(0, "C920")
    capture = FakeCapture()
    monkeypatch.setattr(device_source.cv2, "VideoCapture", lambda address, backend: capture)
    monkeypatch.setattr(device_source, "_check_access", lambda device: None)
    return capture


def test_device_when_opened_then_pictures_have_timestamps_and_it_is_named(camera):
    clock = ManualClock(T0_NS)
    source = DeviceSource("", clock)
    clock.advance(5)
    t_ns, pixels = source.read()
    assert (source.label, source.size, source.fps) == ("C920", (640, 480), 30)
    assert (t_ns, pixels.shape, pixels.dtype) == (T0_NS + 5, (480, 640, 3), np.uint8)
    source.close()
    source.close()
    assert not camera.is_open


def test_device_when_in_use_then_error(camera):
    camera.is_open = False
    with pytest.raises(CameraInputError, match=r"C920 cannot be opened: it is in use.*Close the other program"):
        DeviceSource("", ManualClock(T0_NS))


def test_device_when_it_opens_but_delivers_nothing_then_error_and_closed(camera):
    camera.n_pictures = 0
    with pytest.raises(CameraInputError, match=r"opened but delivers no picture.*Close the other program"):
        DeviceSource("", ManualClock(T0_NS))
    assert not camera.is_open


def test_device_when_unplugged_then_error(camera):
    camera.n_pictures = 2
    source = DeviceSource("", ManualClock(T0_NS))
    source.read()
    with pytest.raises(CameraInputError, match="delivers no more pictures"):
        source.read()


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EACCES, r"no permission to use the camera C920. Join the group video"), (errno.EBUSY, r"in use"),
     (errno.ENODEV, r"C920 was disconnected")],
)  # fmt: skip
def test_access_when_system_refuses_then_its_reason_and_what_to_do(monkeypatch, number, words):
    def refuse(*arguments):
        raise OSError(number, "refused")

    monkeypatch.setattr(device_source.os, "open", refuse)
    with pytest.raises(CameraInputError, match=words):
        device_source._check_access(CameraDevice("C920", "/dev/video0", 0))


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((48, 64), np.uint8), ((48, 64, 1), np.uint8), ((48, 64, 3), np.uint8), ((48, 64, 4), np.uint8),
     ((47, 63), np.uint8), ((48, 64), np.uint16), ((48, 64, 3), np.uint16)],
)  # fmt: skip
def test_as_bgr_when_odd_or_grey_or_deep_then_three_channels_of_eight_bits(shape, dtype):
    full = 255 if dtype == np.uint8 else 1023
    raw = np.full(shape, full // 2, dtype)
    raw[0, 0] = full
    picture = as_bgr(raw, "It")
    assert (picture.shape, picture.dtype) == ((*shape[:2], 3), np.uint8)
    assert picture[1, 1].tolist() == [127] * 3
    assert picture.flags.c_contiguous


@pytest.mark.parametrize(("shape", "size"), [((1080, 1920, 3), (360, 640)), ((1279, 721), (640, 361))])
def test_as_bgr_when_large_then_scaled_down(shape, size):
    assert as_bgr(np.full(shape, 9, np.uint8), "It").shape == (*size, 3)


@pytest.mark.parametrize("raw", [np.zeros((48, 64, 2), np.uint8), np.zeros((48, 64), np.float32), np.zeros((1, 9))])
def test_as_bgr_when_no_picture_then_error(raw):
    with pytest.raises(CameraInputError, match=r"It delivers pictures in a format.*another camera"):
        as_bgr(raw, "It")


def greys(n=5, shape=(48, 64)):
    return [np.full((*shape, 3), 20 + 40 * k, np.uint8) for k in range(n)]


def played(source, n):
    taken = []
    while len(taken) < n:
        one = source.read()
        if one is not None:
            taken.append((one[0], int(one[1].mean().round(-1) // 40)))
    return taken


def test_file_when_played_then_own_rate_in_real_time_in_a_loop(tmp_path):
    clock = ManualClock(T0_NS)
    source = FileSource(write_video(tmp_path / "f.mp4", greys(), fps=20), clock)
    taken = played(source, 12)
    source.close()
    assert (source.label, source.size, source.fps) == ("f.mp4", (64, 48), 20)
    assert [number for _, number in taken] == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
    instants = np.array([t_ns for t_ns, _ in taken]) - T0_NS
    assert np.abs(instants - np.arange(12) * NS_PER_S // 20).max() < 1000
    assert clock.now_ns() == taken[-1][0]


def test_file_when_machine_slept_then_continues_from_now(tmp_path):
    clock = ManualClock(T0_NS)
    source = FileSource(write_video(tmp_path / "f.mp4", greys()), clock)
    source.read()
    clock.advance(s_to_ns(3600))
    taken = played(source, 3)
    source.close()
    assert taken[0][0] == T0_NS + s_to_ns(3600)
    assert taken[2][0] - taken[0][0] == pytest.approx(2 * NS_PER_S / 25, rel=1e-3)


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "shape"),
    [("libx264", "yuv420p10le", (48, 64)), ("ffv1", "gray", (48, 64)), ("ffv1", "yuv444p", (47, 63)),
     ("mjpeg", "yuvj420p", (720, 1280))],
)  # fmt: skip
def test_file_when_deep_grey_odd_or_large_then_a_picture(tmp_path, codec, pix_fmt, shape):
    path = write_video(tmp_path / "f.mkv", greys(shape=shape), codec=codec, pix_fmt=pix_fmt)
    source = FileSource(path, ManualClock(T0_NS))
    _, pixels = source.read()
    source.close()
    assert pixels.shape == ((*shape, 3) if shape[1] <= 640 else (360, 640, 3))
    # A grey video does not specify whether black is 0 or 16.
    assert pixels.mean() == pytest.approx(20, abs=17 if pix_fmt == "gray" else 4)


def test_file_when_there_is_none_then_error(tmp_path):
    with pytest.raises(CameraInputError, match="There is no file"):
        FileSource(tmp_path / "none.mp4", ManualClock(T0_NS))


def test_file_when_a_packet_is_damaged_then_the_others_keep_their_time(tmp_path):
    path = write_video(tmp_path / "f.mov", greys(), fps=20, codec="png", pix_fmt="rgb24")
    with av.open(str(path)) as container:
        second = [(packet.pos, packet.size) for packet in container.demux(video=0)][1]
    with path.open("r+b") as file:
        file.seek(second[0])
        file.write(bytes(second[1]))
    source = FileSource(path, ManualClock(T0_NS))
    taken = played(source, 6)
    source.close()
    assert [number for _, number in taken] == [0, 2, 3, 4, 0, 2]
    assert [round((t_ns - T0_NS) * 20 / NS_PER_S) for t_ns, _ in taken] == [0, 2, 3, 4, 5, 7]


def frame_at(t_s):
    """A decoded frame with a timestamp."""
    return SimpleNamespace(time=t_s)


@pytest.mark.parametrize(
    ("times_s", "offsets_s"),
    [((7.0, 7.05, 7.2), (0, 0.05, 0.2)), ((None, None, None), (0, 0.05, 0.1)),
     ((0, 0.05, 0, 0.05), (0, 0.05, 0.1, 0.15)),
     ((0, 0.05, 900, 900.05), (0, 0.05, 0.1, 0.15)), ((0, 30.0, 60.0), (0, 30.0, 60.0)), ((0, 5, None), (0, 5, 5.05))],
)  # fmt: skip
def test_file_when_timestamps_begin_late_jump_or_are_missing_then_pictures_continue_and_pauses_stay(
    tmp_path, times_s, offsets_s
):
    source = FileSource(write_video(tmp_path / "f.mp4", greys(), fps=20), ManualClock(T0_NS))
    source._t_last_ns, source._n_in_pass, found = s_to_ns(60), 0, []
    for time_s in times_s:
        source._offset_ns = source._playback_ns(frame_at(time_s))
        source._n_in_pass += 1
        found.append(source._offset_ns / NS_PER_S)
    source.close()
    assert found == pytest.approx(offsets_s, abs=1e-6)


def test_file_when_the_video_is_a_mirrored_selfie_then_as_in_a_player():
    with av.open(str(CASES / "mhflip.mp4")) as container:
        stored = next(container.decode(video=0)).to_ndarray(format="bgr24")
    source = FileSource(CASES / "mhflip.mp4", ManualClock(T0_NS))
    _, pixels = source.read()
    source.close()
    assert np.abs(pixels.astype(int) - stored[:, ::-1]).max() <= 1
    assert np.abs(pixels.astype(int) - stored).mean() > 5


# Result of ffmpeg for a picture with the corners 1 2 and 3 4, row by row, for all matrices of quarter turns.
SHOWN = {
    (1, 0, 0, 1): [[1, 2], [3, 4]], (-1, 0, 0, 1): [[2, 1], [4, 3]], (-1, 0, 0, -1): [[4, 3], [2, 1]],
    (1, 0, 0, -1): [[3, 4], [1, 2]], (0, -1, 1, 0): [[2, 4], [1, 3]], (0, -1, -1, 0): [[4, 2], [3, 1]],
    (0, 1, -1, 0): [[3, 1], [4, 2]], (0, 1, 1, 0): [[1, 3], [2, 4]],
}  # fmt: skip


@pytest.mark.parametrize("matrix", SHOWN)
def test_apply_rotation_when_rotated_or_mirrored_then_as_ffmpeg(matrix):
    a, b, c, d = (number << 16 for number in matrix)
    data = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], np.int32).tobytes()
    picture = np.kron(np.array([[1, 2], [3, 4]], np.uint8), np.ones((2, 3), np.uint8))[..., None]
    found = apply_rotation(picture, SimpleNamespace(side_data={"DISPLAYMATRIX": data}))
    assert found[:: len(found) - 1, :: found.shape[1] - 1, 0].tolist() == SHOWN[matrix]
    assert found.shape[:2] == ((4, 6) if matrix[0] else (6, 4))


@pytest.mark.parametrize("name", ["Selfie:1.mp4", "pipe:0", "100%03d.mp4", "ü" * 118, "~"])
def test_file_when_the_name_looks_like_something_else_then_it_is_a_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    os.rename(write_video(tmp_path / "f.mp4", greys()), name)
    source = FileSource(Path(name), ManualClock(T0_NS))
    source.close()
    assert source.label == name


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names of other systems are text")
def test_file_when_the_name_is_no_text_then_played_with_a_printable_label(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4")
    os.rename(write_video(tmp_path / "f.mp4", greys()), path)
    source = FileSource(Path(path), ManualClock(T0_NS))
    source.close()
    assert source.label == "caf\N{REPLACEMENT CHARACTER}.mp4"


@pytest.mark.parametrize("name", ["~nosuchuser/f.mp4", "a\0b.mp4", "x" * 300, "pipe"])
def test_file_when_there_cannot_be_such_a_file_then_error(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo("pipe")
    with pytest.raises(CameraInputError, match=r"There is no file|cannot be read"):
        FileSource(Path(name), ManualClock(T0_NS))


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100])
def test_file_when_no_video_then_error(tmp_path, content):
    path = tmp_path / "f.mp4"
    path.write_bytes(content)
    with pytest.raises(CameraInputError, match=r"cannot be played|has no video"):
        FileSource(path, ManualClock(T0_NS))


def test_file_when_sound_only_then_error(tmp_path):
    from avatar_app.settings.paths import demo_sample

    with pytest.raises(CameraInputError, match="has no video"):
        FileSource(demo_sample(), ManualClock(T0_NS))


def test_file_when_truncated_then_plays_the_rest(tmp_path):
    pictures = [np.random.default_rng(k).integers(0, 255, (48, 64, 3), np.uint8) for k in range(20)]
    path = write_video(tmp_path / "f.avi", pictures, codec="mjpeg", pix_fmt="yuvj420p")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = FileSource(path, ManualClock(T0_NS))
    assert len(played(source, 30)) == 30
    source.close()
