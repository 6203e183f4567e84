"""The user's own avatars: listed, renamed, deleted."""

import shutil
from pathlib import Path

import pytest

from avatar_app.contracts.avatar_data import Consent
from avatar_app.contracts.errors import AvatarError
from avatar_app.contracts.file_lock import FileLock
from avatar_app.live.frame import list_avatars, load_avatar
from avatar_app.live.library import delete_avatar, id_for, list_own, rename_avatar
from avatar_app.live.library import own as own_module
from avatar_app.live.library.ids import free_id, is_usable_id
from avatar_app.settings.paths import ENROLMENT_LOCK, ProfilePaths
from tests.fakes.own_avatar import CONSENT, change_avatar, tree, write_own, write_recording


@pytest.fixture
def paths(tmp_path):
    return ProfilePaths(tmp_path / "profile")


def test_list_when_there_are_none_then_empty(paths):
    assert list_own(paths) == []
    assert not paths.dir.exists()


def test_list_when_there_are_some_then_by_title_with_consent_models_and_size(paths):
    write_own(paths, "zoe", models=())
    ada = write_own(paths, models=("ada-hd", "ada-96"))
    write_recording(paths)
    first, second = list_own(paths)
    assert (first.id, first.title, first.consent) == ("ada", "Ada", Consent(**CONSENT))
    assert first.models == ("ada-96", "ada-hd") and first.has_recording and not first.problem
    parts = (ada, *(paths.models_dir / name for name in first.models))
    assert first.size_bytes == sum(len(content) for part in parts for content in tree(part).values())
    assert (second.id, second.models, second.has_recording) == ("zoe", (), False)


def test_list_when_one_is_damaged_then_it_is_named_and_can_be_deleted(paths):
    folder = write_own(paths)
    (folder / "avatar.json").write_text("{")
    (avatar,) = list_own(paths)
    assert avatar.title == "ada" and "cannot be used" in avatar.problem
    delete_avatar("ada", paths)
    assert list_own(paths) == []


def test_list_when_a_shipped_avatar_has_the_id_then_it_is_not_the_users(paths):
    write_own(paths, "nova")
    assert list_own(paths) == []


@pytest.mark.parametrize("end", [".unfinished", ".replaced"])
def test_avatars_when_a_folder_is_being_written_then_it_is_not_offered(paths, end):
    folder = write_own(paths)
    shutil.copytree(folder, folder.with_name(f"ada{end}"))
    assert [avatar.id for avatar in list_own(paths)] == ["ada"]
    assert f"ada{end}" not in [path.name for path in list_avatars(user_dir=paths.avatars_dir)]
    with pytest.raises(AvatarError, match="no avatar named"):
        load_avatar(f"ada{end}", user_dir=paths.avatars_dir)


def test_rename_when_good_then_only_the_title_changes(paths):
    folder = write_own(paths)
    before = tree(folder)
    rename_avatar("ada", "  Ada  Lovelace é ", paths)
    (avatar,) = list_own(paths)
    assert (avatar.id, avatar.title, avatar.consent) == ("ada", "Ada Lovelace é", Consent(**CONSENT))
    after = tree(folder)
    assert {name for name in before if before[name] != after[name]} == {"avatar.json"} and before.keys() == after.keys()
    load_avatar("ada", user_dir=paths.avatars_dir)


@pytest.mark.parametrize("title", ["", "   ", "a" * 61, "a\0b", "a\u202eb", "\ud800"])
def test_rename_when_the_title_cannot_be_shown_then_one_sentence(paths, title):
    write_own(paths)
    with pytest.raises(AvatarError, match="cannot be named"):
        rename_avatar("ada", title, paths)


@pytest.mark.parametrize("change", [lambda *a: rename_avatar(a[0], "X", a[1]), delete_avatar])
@pytest.mark.parametrize(
    ("avatar_id", "sentence"),
    [
        ("nova", "belongs to the program"),
        ("Nova", "belongs to the program"),
        ("bob", "You have: ada"),
        ("../ada", "no avatar named"),
        ("", "no avatar named"),
        ("ada.unfinished", "no avatar named"),
        ("/", "no avatar named"),
    ],
)
def test_change_when_it_is_no_own_avatar_then_one_sentence_and_all_stays(paths, change, avatar_id, sentence):
    write_own(paths)
    write_own(paths, "nova", models=("mine-for-nova",))
    before = tree(paths.dir)
    with pytest.raises(AvatarError, match=sentence):
        change(avatar_id, paths)
    assert tree(paths.dir) == before
    assert load_avatar("nova").id == "nova"


def test_delete_when_done_then_nothing_of_it_is_left_and_others_stay(paths):
    write_own(paths, "zoe", models=("zoe-hd",))
    before = tree(paths.dir)
    folder = write_own(paths, models=("ada-hd", "ada-96"))
    shutil.copytree(folder, folder.with_name("ada.unfinished"))
    shutil.copytree(folder, folder.with_name("ada.replaced"))
    write_recording(paths)
    paths.cache_dir.mkdir()
    for name in ("ada-hd", "ada-96", "zoe-hd"):
        (paths.cache_dir / f"ranking-{name}.json").write_text("{}")
    delete_avatar("ada", paths)
    assert tree(paths.dir) == {**before, "cache/ranking-zoe-hd.json": b"{}"}
    assert not any("ada" in path.name for path in paths.dir.rglob("*"))
    with pytest.raises(AvatarError, match="You have: zoe"):
        delete_avatar("ada", paths)


def test_delete_when_only_the_recording_is_there_then_that_goes(paths):
    write_recording(paths)
    delete_avatar("ada", paths)
    assert not any(paths.enrolments_dir.iterdir())


def test_delete_when_a_folder_is_a_link_then_what_it_points_at_stays(paths, tmp_path):
    paths.avatars_dir.mkdir(parents=True)
    outside = write_own(ProfilePaths(tmp_path / "other"))
    (paths.avatars_dir / "ada").symlink_to(outside)
    delete_avatar("ada", paths)
    assert list_own(paths) == [] and (outside / "avatar.json").exists()


def test_delete_when_some_files_stay_then_the_rest_goes_and_the_sentence_names_them(paths, monkeypatch):
    write_own(paths)
    write_recording(paths)
    real = shutil.rmtree

    def fail_for_avatars(folder, **arguments):
        if Path(folder).parent != paths.avatars_dir:
            real(folder, **arguments)

    monkeypatch.setattr(own_module.shutil, "rmtree", fail_for_avatars)
    with pytest.raises(AvatarError, match=r"not deleted completely: .*avatars.*ada.*more are left"):
        delete_avatar("ada", paths)
    assert list_own(paths) == [], "what is left is not offered"
    assert not (paths.models_dir / "ada-hd").exists() and not (paths.enrolments_dir / "ada").exists()
    monkeypatch.undo()
    delete_avatar("ada", paths)
    assert not any(paths.avatars_dir.iterdir())


def test_delete_when_the_avatar_is_being_made_then_refused(paths):
    write_own(paths)
    folder = write_recording(paths)
    lock = FileLock(folder / ENROLMENT_LOCK)
    assert lock.acquire()
    with pytest.raises(AvatarError, match="is being made"):
        delete_avatar("ada", paths)
    assert (folder / "takes" / "pictures.npy").exists() and [avatar.id for avatar in list_own(paths)] == ["ada"]
    lock.release()
    delete_avatar("ada", paths)


def test_change_when_another_process_changes_avatars_then_refused(paths):
    write_own(paths)
    paths.state_dir.mkdir(parents=True)
    lock = FileLock(paths.state_dir / "avatars.lock")
    assert lock.acquire()
    for change in (lambda: rename_avatar("ada", "B", paths), lambda: delete_avatar("ada", paths)):
        with pytest.raises(AvatarError, match="Another window or command"):
            change()
    lock.release()


def test_model_when_it_has_no_readable_manifest_then_it_belongs_to_none(paths):
    write_own(paths)
    (paths.models_dir / "bad").mkdir()
    (paths.models_dir / "bad" / "manifest.json").write_text("[")
    change_avatar(paths.avatars_dir / "ada", models=["bad"])
    assert list_own(paths)[0].models == ("ada-hd",)
    delete_avatar("ada", paths)
    assert [path.name for path in paths.models_dir.iterdir()] == ["bad"]


@pytest.mark.parametrize(
    ("title", "avatar_id"),
    [
        ("Ada Lovelace", "ada-lovelace"),
        ("José  Ñandú!", "jose-nandu"),
        ("小明", "avatar"),
        ("", "avatar"),
        ("../../x", "x"),
        ("CON", "con-avatar"),
        ("a" * 200, "a" * 60),
        ("me.unfinished", "me-unfinished"),
    ],
)
def test_id_when_made_from_a_title_then_usable_on_every_system(title, avatar_id):
    assert id_for(title) == avatar_id and is_usable_id(avatar_id)


@pytest.mark.parametrize(
    "name", ["a.", "nul", "com1.txt", "a.unfinished", "a.replaced", "a/b", "..", "", "-a", "a b", "ä"]
)
def test_id_when_it_is_no_folder_everywhere_then_not_usable(name):
    assert not is_usable_id(name)


def test_id_when_taken_then_numbered():
    assert free_id("ada", set()) == "ada"
    assert free_id("Ada", {"ada", "ada-2"}) == "Ada-3"
