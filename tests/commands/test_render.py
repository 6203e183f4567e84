"""`avatar-app render` as a command; another reader checks its file."""

import json
import shutil
import subprocess
import sys

import av
import numpy as np
import pytest
import soundfile

from avatar_app.contracts.errors import UserError
from avatar_app.live.avatar_models import choose_model
from avatar_app.settings.paths import ProfilePaths, demo_sample
from tests.end2end.program import REPO, environment, run
from tests.fakes.own_avatar import write_own

MOUTH = (slice(290, 370), slice(210, 300))


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """Half a second of silence, three of speech, one of silence."""
    folder = tmp_path_factory.mktemp("sound")
    speech, rate_hz = soundfile.read(demo_sample())
    sound = np.concatenate([np.zeros(rate_hz // 2), speech[: 3 * rate_hz], np.zeros(rate_hz)])
    soundfile.write(folder / "spoken.wav", sound, rate_hz)
    return folder / "spoken.wav"


def pictures(path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def test_render_when_done_then_video_has_the_sounds_length_and_both_tracks(tmp_path, spoken):
    out = tmp_path / "out.mp4"
    ended = run("render", "--audio", spoken, "--out", out, "--profile-dir", tmp_path)
    assert ended.code == 0, ended.err
    assert "x real time" in ended.out
    with av.open(str(out)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.width, video.height, video.average_rate) == (512, 512, 25)
        assert video.codec_context.name == "h264" and audio.codec_context.name == "aac"
    assert len(pictures(out)) == 113
    assert [path.name for path in tmp_path.glob(".*part*")] == []


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
def test_render_when_probed_then_tracks_begin_together(tmp_path, spoken):
    out = tmp_path / "out.mp4"
    run("render", "--audio", spoken, "--out", out, "--profile-dir", tmp_path)
    probed = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "stream=codec_type,start_time,duration", "-of", "json", str(out)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    streams = json.loads(probed.stdout)["streams"]
    assert max(abs(float(stream["start_time"])) for stream in streams) < 0.03
    durations = [float(stream["duration"]) for stream in streams]
    assert max(durations) - min(durations) < 0.06


def test_render_when_silent_then_the_idle_mouth_shows_and_in_speech_another(tmp_path, spoken):
    soundfile.write(tmp_path / "silence.wav", np.zeros(72_000), 16_000)
    mouths = []
    for sound in (spoken, tmp_path / "silence.wav"):
        out = tmp_path / f"{sound.stem}.mp4"
        run("render", "--audio", sound, "--out", out, "--profile-dir", tmp_path, "--crf", 0)
        mouths.append(np.stack([picture[MOUTH].astype(int) for picture in pictures(out)]))
    difference = np.abs(mouths[0] - mouths[1]).mean(axis=(1, 2, 3))
    assert difference[20:85].mean() > 5
    # Half a second after the last word nothing is left of it, nor was there anything before the first. The files
    # are lossless, so that what the encoder leaves behind of a word is not taken for a mouth.
    assert max(difference[100:].max(), difference[:8].max()) == 0


@pytest.mark.parametrize("fps", [30, 60])
def test_render_when_rate_is_chosen_then_as_many_pictures(tmp_path, spoken, fps):
    out = tmp_path / "out.mp4"
    ended = run("render", "--audio", spoken, "--out", out, "--fps", fps, "--profile-dir", tmp_path)
    assert ended.code == 0, ended.err
    assert len(pictures(out)) == int(4.5 * fps + 0.999)


@pytest.mark.parametrize("name", ["nothing.wav", "text.wav", "empty.wav"])
def test_render_when_sound_is_bad_then_an_error_and_no_file(tmp_path, name):
    if name == "text.wav":
        (tmp_path / name).write_text("no sound")
    if name == "empty.wav":
        (tmp_path / name).write_bytes(b"")
    out = tmp_path / "out.mp4"
    ended = run("render", "--audio", tmp_path / name, "--out", out, "--profile-dir", tmp_path)
    assert ended.code == 2
    assert name in ended.err
    assert not out.exists()


@pytest.mark.parametrize(("out", "sentence"), [("none/out.mp4", "does not exist"), ("out.xyz", "cannot be written as")])
def test_render_when_output_cannot_be_written_then_an_error(tmp_path, spoken, out, sentence):
    ended = run("render", "--audio", spoken, "--out", tmp_path / out, "--profile-dir", tmp_path)
    assert ended.code == 2
    assert sentence in ended.err


def test_render_when_disk_is_full_then_an_error_and_what_was_there_stays(tmp_path, spoken):
    """A limit on the file size replaces a full disk: the kernel refuses the write in the same way."""
    pytest.importorskip("resource")
    out = tmp_path / "out.mp4"
    out.write_bytes(b"the old video")
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000));"
        "from avatar_app.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, "render", "--audio", str(spoken), "--out", str(out), "--profile-dir", "profile"],
        cwd=tmp_path, env=environment(PYTHONPATH=str(REPO)), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 2, ended.stderr
    assert "could not be written" in ended.stderr or "full" in ended.stderr
    assert out.read_bytes() == b"the old video"


def test_render_when_the_avatar_is_the_users_then_its_own_model_moves_its_mouth(tmp_path, spoken):
    paths = ProfilePaths(tmp_path / "profile")
    write_own(paths)
    soundfile.write(tmp_path / "silence.wav", np.zeros(72_000), 16_000)
    mouths = []
    for sound in (spoken, tmp_path / "silence.wav"):
        out = tmp_path / f"{sound.stem}.mp4"
        run("render", "--audio", sound, "--out", out, "--avatar", "ada", "--profile-dir", paths.dir, "--crf", 0)
        mouths.append(np.stack([picture.astype(int) for picture in pictures(out)])[:110])
    assert mouths[0].shape[1:] == (128, 128, 3)
    difference = np.abs(mouths[0] - mouths[1])[20:85].mean(axis=(0, 3))
    # The box of the model in `tests/fakes/model_folder.py`.
    assert difference[68:84, 52:76].min() > 5 and difference[:60].max() == 0
    with pytest.raises(UserError, match="was made for another avatar than ada"):
        choose_model("ada", "nova-hd", paths)
