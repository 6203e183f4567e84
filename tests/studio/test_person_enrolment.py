"""An avatar of a person from a video, through all steps, with a kill at the start of each."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from avatar_app.contracts.avatar_data import Consent
from avatar_app.contracts.enrol_progress import EnrolFailure, EnrolFinished, EnrolProgress, parse_message
from avatar_app.contracts.errors import StudioError
from avatar_app.live.frame import Avatar, list_avatars
from avatar_app.live.mic.audio_file import read_audio
from avatar_app.live.student import list_models
from avatar_app.live.student.loading import load_folder
from avatar_app.live.webcam.package import is_installed
from avatar_app.settings.paths import ProfilePaths, demo_sample
from avatar_app.settings.schema import Settings
from avatar_app.studio.enrol.person import cli, learned
from avatar_app.studio.enrol.person.enrol_input import EnrolInput, Recording
from avatar_app.studio.enrol.person.enrolment import enrol
from avatar_app.studio.enrol.person.steps import TITLES
from avatar_app.studio.enrol.person.workspace import Workspace

pytestmark = pytest.mark.studio
needs_tracker = pytest.mark.skipif(not is_installed(), reason="mediapipe is not installed (`avatar-app webcam setup`)")
CONSENT = Consent("Nova", "Rendered, no person.", "2026-11-30")


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """The shipped avatar speaks the program's sample and its beginning again: the recording of a "person"."""
    import soundfile

    from avatar_app.progress import ProgressBar
    from avatar_app.render import RenderJob, render

    path = tmp_path_factory.mktemp("video") / "me.mp4"
    profile, sample = ProfilePaths(path.parent / "profile"), read_audio(demo_sample())
    pause = np.zeros(16_000, np.float32)
    sound = path.with_name("sound.wav")
    soundfile.write(sound, np.concatenate((pause, sample, pause, sample[:96_000])), 16_000)
    job = RenderJob(sound, path, Settings(fps=25, engine="onnxruntime-cpu"), profile, "#8090a0")
    render(job, ProgressBar())
    return path


@pytest.fixture
def few_steps(monkeypatch):
    monkeypatch.setattr(learned, "STEPS", {"quick": 3})
    monkeypatch.setattr(learned, "PRESETS", {"quick": replace(learned.PRESETS["quick"], n_steps=2)})


@needs_tracker
@pytest.mark.slow
def test_enrol_when_killed_at_each_step_then_it_continues_and_the_avatar_speaks(tmp_path, video, few_steps):
    paths = ProfilePaths(tmp_path)
    wanted = EnrolInput("Me", (Recording.of(video),), (), "", "en", CONSENT, "quick", False)
    killed, finished, previews = set(), None, []

    def report_to(report):
        previews.append((report.step.name, report.preview))
        if report.done < 1 and report.step.name not in killed:
            killed.add(report.step.name)
            raise KeyboardInterrupt

    for _ in range(len(TITLES) + 1):
        n_before = len(Workspace(paths.enrolments_dir / "me").finished)
        try:
            finished = enrol(Workspace(paths.enrolments_dir / "me"), wanted, paths, report_to)
            break
        except KeyboardInterrupt:
            # A quick step may be done again; finished ones are never lost, and nothing is offered too early.
            assert len(Workspace(paths.enrolments_dir / "me").finished) >= n_before
            if "publish" not in killed:
                assert not list(paths.avatars_dir.glob("*")) and not list(paths.models_dir.glob("*"))
    assert killed == set(TITLES)
    assert all(preview is not None and preview.is_file() for name, preview in previews if name == "renderer")
    assert finished == EnrolFinished("me", "me", finished.report, finished.comparison)
    _check_avatar(paths)
    _check_report(finished)


def _check_avatar(paths):
    folder = list_avatars(user_dir=paths.avatars_dir)[-1]
    avatar = Avatar.open(folder)
    assert (folder.name, avatar.spec.title, avatar.spec.consent, avatar.spec.models) == ("me", "Me", CONSENT, ("me",))
    assert "me" in list_models(user_dir=paths.models_dir)
    student = load_folder(paths.models_dir / "me")
    assert student.spec.avatar_id == "me"
    patch = student.draw(np.full((80, student.spec.n_mel_columns), -4, np.float32), 160)
    box = student.spec.box
    expected = avatar.reference[box.y : box.y + box.h, box.x : box.x + box.w]
    # Three steps of training keep the shape of a face.
    assert np.corrcoef(cv2.blur(patch, (9, 9)).ravel(), cv2.blur(expected, (9, 9)).ravel())[0, 1] > 0.8
    student.close()


def _check_report(finished):
    with open(finished.report, encoding="utf-8") as opened:
        report = json.load(opened)
    assert report["sentences"] and set(report["figures"]) >= {"opening_correlation", "sharpness"}
    video = cv2.VideoCapture(finished.comparison)
    assert video.get(cv2.CAP_PROP_FRAME_WIDTH) == 2 * 512 + 3 * 8
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) > 25


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"--consent": None}, "needs the person's permission"),
        ({"--name": ["!?"]}, "has no Latin letter and no digit"),
        ({"--name": ["Nova"]}, "There is already an avatar named nova"),
        ({"--video": ["missing.mp4"]}, "missing.mp4"),
        ({"--text": ["missing.txt"]}, "missing.txt"),
    ],
)
def test_command_when_it_cannot_start_then_one_sentence_and_nothing_written(tmp_path, changes, sentence, capsys):
    video = tmp_path / "me.mp4"
    video.write_bytes(b"no video")
    words = {"--video": [str(video)], "--name": ["Me"], "--consent": [], "--profile-dir": [str(tmp_path / "profile")]}
    words |= changes
    argv = [word for flag, values in words.items() if values is not None for word in (flag, *values)]
    with pytest.raises(StudioError, match=sentence.replace("?", r"\?")):
        cli.main(argv)
    assert cli.main([*argv, "--progress", "json"]) == 2
    message = parse_message(capsys.readouterr().out.splitlines()[-1])
    assert isinstance(message, EnrolFailure) and sentence in message.what
    assert not list((tmp_path / "profile").rglob("*.*"))


def test_command_when_it_runs_then_prints_progress_and_result(tmp_path, monkeypatch, capsys):
    video = tmp_path / "me.mp4"
    video.write_bytes(b"a video")

    def fake(workspace, wanted, paths, report_to):
        from avatar_app.studio.enrol.person.progress import Progress
        from avatar_app.studio.enrol.person.steps import steps_of

        progress = Progress(steps_of(wanted.quality), report_to)
        progress.start("takes")
        progress.finish()
        progress.skip("takes")
        report = tmp_path / "report.json"
        report.write_text('{"sentences": ["The lips follow the voice well."]}')
        return EnrolFinished(workspace.root.name, "me", str(report), "comparison.mp4")

    monkeypatch.setattr(cli, "enrol", fake)
    argv = ["--video", str(video), "--name", "Mé Two", "--consent", "--profile-dir", str(tmp_path)]
    assert cli.main([*argv, "--progress", "json"]) == 0
    messages = [parse_message(line) for line in capsys.readouterr().out.splitlines()]
    assert [type(m) for m in messages] == [EnrolProgress, EnrolProgress, EnrolProgress, EnrolFinished]
    assert messages[0].title == "Reading the video" and messages[0].done < messages[1].done
    assert messages[3].avatar_id == "me-two"
    assert cli.main(argv) == 0
    printed = capsys.readouterr()
    assert "The lips follow the voice well." in printed.out and "--avatar me-two" in printed.out
    assert printed.err.count("Reading the video") == 1
