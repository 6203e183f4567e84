"""The real window, pipeline and model in a process of their own."""

import signal

import cv2
import numpy as np
import pytest

from avatar_app.live.mic import list_devices
from tests.end2end.program import DEADLINE_S, Lines, copied_home, run, start

SPOKE = "first talking picture"


def test_window_when_run_for_a_while_then_face_talks_and_screenshot_shows_it(tmp_path):
    shot = tmp_path / "shot.png"
    ended = run("--duration", 4, "--mic", "demo", "--screenshot", shot, "--profile-dir", tmp_path, "--json-log")
    assert ended.code == 0, ended.err
    assert SPOKE in ended.messages()
    assert not [line for line in ended.log if line["level"] in ("error", "critical")], ended.err
    picture = cv2.imread(str(shot))
    assert picture.shape[0] >= 400 and picture.shape[1] >= 600
    # Skin somewhere in the middle: the avatar is there.
    middle = picture[picture.shape[0] // 4 : picture.shape[0] // 2].reshape(-1, 3).astype(int)
    is_skin = (middle[:, 2] > 150) & (middle[:, 2] > middle[:, 0] + 25)
    assert is_skin.mean() > 0.05


def test_window_when_there_is_no_microphone_then_sample_plays_and_says_so(tmp_path):
    nowhere = str(tmp_path / "no-sound-server")
    ended = run(
        "--duration", 4, "--profile-dir", tmp_path, "--json-log",
        PULSE_SERVER=nowhere, XDG_RUNTIME_DIR=str(tmp_path),
    )  # fmt: skip
    assert ended.code == 0, ended.err
    if list_devices():
        pytest.skip("this machine has a sound card")
    assert "built-in speech sample" in ended.messages()
    assert SPOKE in ended.messages()


def test_window_when_settings_are_broken_then_starts_and_keeps_the_broken_file(tmp_path):
    (tmp_path / "settings.json").write_text("{ broken")
    ended = run("--duration", 3, "--mic", "demo", "--profile-dir", tmp_path, "--json-log")
    assert ended.code == 0, ended.err
    assert "settings" in ended.messages()
    assert list(tmp_path.glob("*.broken*"))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("models/nova-hd/student-mixed.onnx", "wrong checksum"),
        ("assets/avatars/nova/idle/000123.jpg", "cut short"),
    ],
)
def test_window_when_a_file_is_damaged_then_one_sentence_and_it_goes_on(tmp_path, damage, sentence):
    path = copied_home(tmp_path / "home") / damage
    path.write_bytes(path.read_bytes()[:1000])
    ended = run(
        "--duration", 3, "--mic", "demo", "--precision", "mixed", "--profile-dir", tmp_path, "--json-log",
        AVATAR_APP_HOME=str(tmp_path / "home"),
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert sentence in ended.messages()


def test_window_when_profile_cannot_be_written_then_it_runs(tmp_path):
    (tmp_path / "file").write_text("in the way")
    ended = run("--duration", 3, "--mic", "demo", "--profile-dir", tmp_path / "file" / "profile", "--json-log")
    assert ended.code == 0, ended.err
    assert SPOKE in ended.messages()


def test_second_start_when_first_runs_then_says_so_and_ends(tmp_path):
    first = start("--mic", "demo", "--profile-dir", tmp_path, "--json-log")
    log = Lines(first.stderr)
    try:
        log.wait_for(lambda line: line["message"] == SPOKE)
        second = run("--mic", "demo", "--profile-dir", tmp_path)
        assert second.code == 0
        assert "running already" in second.err
    finally:
        first.send_signal(signal.SIGTERM)
        code = first.wait(DEADLINE_S)
        log.close()
        first.stdout.close()
    assert code == 0


def test_booth_when_the_program_is_asked_to_end_then_it_ends(tmp_path):
    (tmp_path / "settings.json").write_text('{"version": 1, "is_kiosk": true}')
    booth = start("--mic", "demo", "--profile-dir", tmp_path, "--json-log")
    log = Lines(booth.stderr)
    try:
        log.wait_for(lambda line: line["message"] == SPOKE)
        booth.send_signal(signal.SIGTERM)
        assert booth.wait(DEADLINE_S) == 0
    finally:
        booth.kill()
        booth.wait()
        log.close()
        booth.stdout.close()


def test_window_when_no_screen_then_sentence_names_render():
    ended = run("--duration", 1, QT_QPA_PLATFORM="")
    assert ended.code == 2
    assert "render" in ended.err


def test_picture_when_mouth_moves_then_two_screenshots_differ(tmp_path):
    shots = []
    for seconds in (3.0, 3.3):
        shot = tmp_path / f"{seconds}.png"
        run("--duration", seconds, "--mic", "demo", "--screenshot", shot, "--profile-dir", tmp_path / str(seconds))
        shots.append(cv2.imread(str(shot)).astype(int))
    assert np.abs(shots[0] - shots[1]).mean() > 0.05
