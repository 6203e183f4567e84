"""The folder of an enrolment: continues after a kill, refuses a second run, deletes all of the person."""

import dataclasses
import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from avatar_app.contracts.avatar_data import Consent
from avatar_app.contracts.errors import StudioError
from avatar_app.settings.paths import ProfilePaths
from avatar_app.studio.enrol.person.enrol_input import EnrolInput, Recording
from avatar_app.studio.enrol.person.workspace import STEPS, Workspace, import_bytes

CONSENT = Consent("Ada", "An avatar of my face.", "2026-11-30")
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "me.mp4"
    path.write_bytes(b"film")
    return path


@pytest.fixture
def wanted(video):
    return EnrolInput("Ada", (Recording.of(video),), (), "", "en", CONSENT, "good", False)


@pytest.fixture
def workspace(tmp_path):
    space = Workspace(ProfilePaths(tmp_path / "profile").enrolments_dir / "ada")
    with space.lock():
        yield space


def test_input_when_equal_then_continued_with_the_first_consent(workspace, wanted, tmp_path, video):
    assert workspace.input() is None
    workspace.open_input(wanted)
    moved = video.rename(tmp_path / "moved.mp4")
    later = dataclasses.replace(
        wanted, videos=(Recording.of(moved),), consent=dataclasses.replace(CONSENT, date="2026-12-01")
    )
    assert workspace.open_input(later) == wanted == workspace.input()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"text": "hello"}, "text"),
        ({"language": "de"}, "language"),
        ({"name": "Bob"}, "name"),
        ({"keep_background": True}, "background"),
        ({"videos": (Recording("me.mp4", "0" * 64),)}, "video"),
        ({"held_out": (Recording("me.mp4", "0" * 64),)}, "held-out video"),
        ({"consent": Consent("Bob", "yes", "2026-11-30")}, "person"),
    ],
)
def test_input_when_different_then_one_sentence_asks_for_another_name(workspace, wanted, changes, word):
    workspace.open_input(wanted)
    with pytest.raises(StudioError, match=f"with another {word}. .* choose another name"):
        workspace.open_input(dataclasses.replace(wanted, **changes))
    assert workspace.input() == wanted


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b'{"schema": 2}', b"[]", b'{"schema": 1, "name": 3, "videos": [], "held_out": [], "text": 1}'],
)
def test_input_when_damaged_then_one_sentence(workspace, content):
    (workspace.root / "input.json").write_bytes(content)
    with pytest.raises(StudioError, match="The input of the avatar ada is damaged"):
        workspace.input()


def test_input_when_a_field_has_a_wrong_type_then_one_sentence(workspace, wanted):
    workspace.open_input(wanted)
    good = json.loads((workspace.root / "input.json").read_text())
    for name in good:
        for value in (None, 7, ["x"], {"a": 1}):
            if name == "keep_background":
                continue
            (workspace.root / "input.json").write_text(json.dumps({**good, name: value}))
            with pytest.raises(StudioError):
                workspace.input()


def test_recording_when_missing_then_one_sentence(tmp_path):
    with pytest.raises(StudioError, match=r"none\.mp4 cannot be read"):
        Recording.of(tmp_path / "none.mp4")


def test_lock_when_another_run_has_it_then_refused_and_free_afterwards(tmp_path):
    first, second = Workspace(tmp_path / "ada"), Workspace(tmp_path / "ada")
    with first.lock(), pytest.raises(StudioError, match="being made by another run"), second.lock():
        pass
    with second.lock():
        second.finish("takes")
    assert [path.name for path in (tmp_path / "ada").iterdir()] == ["steps.json"]


def test_steps_when_finished_then_another_process_sees_them_in_order(workspace):
    assert workspace.finished == () and not workspace.is_finished("takes")
    workspace.finish("track")
    workspace.finish("takes", {"n_frames": 1500})
    other = Workspace(workspace.root)
    assert other.finished == ("takes", "track") and other.is_finished("track")
    assert other.facts("takes") == {"n_frames": 1500} and other.facts("crop") == {}


def test_steps_when_one_is_done_again_then_the_later_ones_too(workspace):
    for step in STEPS:
        workspace.finish(step, {"k": 1})
    workspace.redo("renderer")
    assert workspace.finished == STEPS[: STEPS.index("renderer")] and workspace.facts("takes") == {"k": 1}


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"schema": 1, "steps": [1]}', b'{"schema": 9, "steps": {"takes": {}}}']
)
def test_steps_when_the_list_is_damaged_then_all_are_done_again(workspace, content):
    workspace.finish("takes")
    (workspace.root / "steps.json").write_bytes(content)
    assert workspace.finished == ()


def test_step_when_unknown_then_our_own_mistake(workspace):
    for use in (workspace.folder, workspace.finish, workspace.is_finished, workspace.redo):
        with pytest.raises(KeyError):
            use("steps")


def test_space_when_too_little_is_free_then_one_sentence_with_both_sizes(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(10**12, 0, 1_500_000_000))
    space = Workspace(tmp_path / "not" / "made" / "yet")
    space.check_space(1_300_000_000)
    with pytest.raises(StudioError, match=r"needs 1\.6 GB, and 1\.5 GB are free"):
        space.check_space(1_400_000_000)


def test_import_bytes_when_computed_then_pictures_crops_and_sound_fit():
    assert import_bytes(1500, (1280, 720)) > 1500 * 3 * (1280 * 720 + 256 * 256)
    assert import_bytes(1500, (640, 360)) < 2_000_000_000


def test_recording_when_deleted_then_nothing_of_the_person_is_left(tmp_path, video, wanted):
    workspace = Workspace(tmp_path / "enrolments" / "ada")
    with workspace.lock():
        workspace.open_input(wanted)
        workspace.recording.mkdir()
        shutil.copyfile(video, workspace.recording / "me.mp4")
        for step in STEPS:
            (workspace.folder(step) / "result.npy").write_bytes(b"0" * 10)
            workspace.finish(step)
        (workspace.root / "link.mp4").symlink_to(video)
        assert workspace.size_bytes() > 110
        workspace.delete_recording()
        assert [path.name for path in workspace.root.iterdir()] == ["running.lock"]
    assert not workspace.root.exists()
    assert video.read_bytes() == b"film", "a file of the user elsewhere stays"


def test_recording_when_a_file_cannot_be_deleted_then_the_sentence_names_it(workspace, monkeypatch):
    (workspace.folder("crop") / "0.npy").write_bytes(b"0")
    workspace.finish("crop")
    monkeypatch.setattr(shutil, "rmtree", lambda path, ignore_errors: None)
    with pytest.raises(StudioError, match="crop is left"):
        workspace.delete_recording()
    assert workspace.finished == ()


def test_folder_when_it_cannot_be_written_then_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StudioError, match="cannot be written to"), Workspace(Path(tmp_path / "file" / "ada")).lock():
        pass


def test_input_when_the_quality_rises_then_the_mouth_is_learned_on(workspace, wanted):
    workspace.open_input(wanted)
    for step in STEPS:
        workspace.finish(step)
    better = dataclasses.replace(wanted, quality="best")
    assert workspace.open_input(better).quality == "best"
    assert workspace.input() == better
    assert workspace.finished == STEPS[: STEPS.index("renderer")]


def test_recording_when_killed_while_it_is_deleted_then_no_later_run_continues_with_what_is_left(
    workspace, wanted, monkeypatch
):
    workspace.open_input(wanted)
    for step in STEPS:
        workspace.folder(step)
        workspace.finish(step)

    def killed(path, ignore_errors):
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        workspace.delete_recording()
    assert workspace.finished == () and workspace.input() is None
