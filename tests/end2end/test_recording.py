"""The program is terminated while it records."""

import signal
import subprocess

import pytest

from tests.end2end.program import start
from tests.fakes.recording import probe, wait_until


@pytest.mark.parametrize("name", [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)])
def test_program_when_it_is_ended_while_recording_then_the_recording_is_saved(tmp_path, name):
    videos = tmp_path / "videos"
    child = start(
        "--mic", "demo", "--startrecording", "--profile-dir", tmp_path / "profile",
        HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path), XDG_VIDEOS_DIR=str(videos),
    )  # fmt: skip
    try:
        wait_until(lambda: any(path.stat().st_size > 100_000 for path in videos.glob("*.recording.mp4")))
        child.send_signal(getattr(signal, name))
        _, err = child.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        pytest.fail("the program did not end")
    finally:
        child.kill()
        child.communicate()
    assert child.returncode == 0, err
    (file,) = videos.iterdir()
    assert ".recording" not in file.name
    assert float(probe(file)[0]["video"]["duration"]) > 0.5
