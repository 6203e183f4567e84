import difflib
import json
import os
import stat
import sys
from pathlib import Path

import pytest

from avatar_app.contracts.errors import SettingsError
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.settings import store
from avatar_app.settings.migrations import migrate
from avatar_app.settings.paths import ProfilePaths, assets_dir, demo_sample, models_dir
from avatar_app.settings.schema import Settings


@pytest.fixture
def notices():
    return NoticeBoard()


@pytest.fixture
def paths(tmp_path):
    return ProfilePaths(tmp_path / "profile")


def _put(paths, text):
    paths.config_file.parent.mkdir(parents=True, exist_ok=True)
    data = text if isinstance(text, bytes) else text.encode()
    paths.config_file.write_bytes(data)


def test_load_when_there_is_no_file_then_defaults_and_no_notice(paths, notices):
    assert store.load(paths, notices) == Settings()
    assert notices.current() == ()


def test_save_when_loaded_again_then_gives_the_same_settings(paths, notices):
    settings = Settings(fps=60, lookahead_ms=0, mic="Möve, ALSA", is_muted=True, theme="light")
    assert store.save(paths, settings, notices)
    assert store.load(paths, notices) == settings
    assert notices.current() == ()
    assert [file.name for file in paths.config_file.parent.iterdir()] == ["settings.json"]


@pytest.mark.parametrize("text", ["{", "", "[1, 2]", "null", b"\xff\xfe\x00", '{"fps": 25', "[" * 100_000])
def test_load_when_text_is_broken_then_keeps_the_file_and_reports_it(paths, notices, text):
    _put(paths, text)
    before = paths.config_file.read_bytes()
    assert store.load(paths, notices) == Settings()
    assert paths.config_file.with_name("settings.json.broken").read_bytes() == before
    (notice,) = notices.current()
    assert "cannot be used: it " in notice.text
    assert "settings.json.broken" in notice.what_to_do


def test_load_when_a_key_is_unknown_then_uses_the_rest_and_suggests_one(paths, notices):
    _put(paths, json.dumps({"version": 1, "fsp": 30, "precision": "int8"}))
    assert store.load(paths, notices) == Settings(precision="int8")
    (notice,) = notices.current()
    assert "'fsp'" in notice.text
    assert "'fps'" in notice.text


def test_load_when_a_value_is_bad_then_uses_its_default_alone(paths, notices):
    _put(paths, json.dumps({"fps": 26, "theme": "dark", "mic_gain_db": 99}))
    assert store.load(paths, notices) == Settings(theme="dark")
    assert "26" in notices.current()[0].text


@pytest.mark.parametrize("number", ["1" + "0" * 400, "NaN", "Infinity", "1e400"])
def test_load_when_a_number_is_invalid_then_it_alone_is_skipped(paths, notices, number):
    _put(paths, f'{{"version": 1, "mic_gain_db": {number}, "fps": 30}}')
    assert store.load(paths, notices) == Settings(fps=30)
    assert "mic_gain_db cannot be" in notices.current()[0].text
    assert len(notices.current()[0].text) < 500


def test_load_when_the_file_is_huge_then_it_is_not_read(paths, notices):
    _put(paths, "{}")
    os.truncate(paths.config_file, 10**12)
    assert store.load(paths, notices) == Settings()
    assert "larger than" in notices.current()[0].text


def test_load_when_thousands_of_keys_are_unknown_then_few_get_a_suggestion(paths, notices, monkeypatch):
    looked_up, find = [], difflib.get_close_matches
    monkeypatch.setattr(
        difflib, "get_close_matches", lambda *given, **more: looked_up.append(1) or find(*given, **more)
    )
    _put(paths, json.dumps({f"fps{k}": 1 for k in range(10_000)} | {"fps": 30}))
    assert store.load(paths, notices) == Settings(fps=30)
    assert len(looked_up) < 10
    assert len(notices.current()[0].text) < 2000


@pytest.mark.parametrize("text", ["[" * 1500, "{", "[]", '{"version": 99}', None])
def test_read_when_it_cannot_be_used_then_says_what_to_do(paths, notices, text):
    if text is not None:
        _put(paths, text)
    with pytest.raises(SettingsError) as caught:
        store.read(paths.config_file, notices)
    assert caught.value.what_to_do


def test_remove_leftovers_when_writes_were_cut_off_then_only_they_are_gone(paths):
    store.save(paths, Settings(fps=30), NoticeBoard())
    kept = {paths.config_file}
    for folder in (paths.dir, paths.profiles_dir, paths.state_dir, paths.cache_dir):
        folder.mkdir(exist_ok=True)
        (folder / "settings.json.0123abcd.tmp").write_text("{")
        (folder / "settings.jsonx_4zcd_7.tmp").write_text("{")  # of an older version
        (folder / "notes.tmp").write_text("theirs")
        kept.add(folder / "notes.tmp")
    store.remove_leftovers(paths)
    assert {file for file in paths.dir.rglob("*") if file.is_file()} == kept


def test_write_when_cut_off_by_a_kill_then_remove_leftovers_deletes_its_file(paths, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    def keep(*_, **__):
        raise OSError

    monkeypatch.setattr(os, "replace", die)
    monkeypatch.setattr(Path, "unlink", keep)
    with pytest.raises(KeyboardInterrupt):
        store.save(paths, Settings(), NoticeBoard())
    assert len(list(paths.dir.iterdir())) == 1
    monkeypatch.undo()
    store.remove_leftovers(paths)
    assert list(paths.dir.iterdir()) == []


def test_load_when_many_values_are_bad_then_stays_one_short_notice(paths, notices):
    _put(paths, json.dumps({f"key{k}": k for k in range(9)}))
    store.load(paths, notices)
    (notice,) = notices.current()
    assert "(6 more.)" in notice.text


def test_load_when_file_is_of_a_newer_program_then_keeps_it(paths, notices):
    _put(paths, json.dumps({"version": 99, "fps": 30}))
    assert store.load(paths, notices) == Settings()
    assert paths.config_file.with_name("settings.json.broken").exists()
    assert "99" in notices.current()[0].text


def test_load_when_the_settings_file_is_a_folder_then_reports_it(paths, notices):
    paths.config_file.mkdir(parents=True)
    assert store.load(paths, notices) == Settings()
    assert "not a regular file" in notices.current()[0].text


def test_save_when_a_parent_is_a_file_then_posts_one_notice(tmp_path, notices):
    blocker = tmp_path / "home"
    blocker.write_text("in the way")
    paths = ProfilePaths(blocker / "profile")
    assert not store.save(paths, Settings(), notices)
    assert not store.save(paths, Settings(fps=30), notices)
    (notice,) = notices.current()
    assert "cannot be saved" in notice.text
    assert "--profile-dir" in notice.what_to_do


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_save_when_home_is_read_only_then_posts_a_notice(tmp_path, notices):
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert not store.save(ProfilePaths(home / "profile"), Settings(), notices)
    assert len(notices.current()) == 1


def test_save_when_the_disk_is_full_then_the_old_file_stays(paths, notices, monkeypatch):
    store.save(paths, Settings(fps=50), notices)

    def refuse(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    assert not store.save(paths, Settings(fps=60), notices)
    assert "No space left" in notices.current()[0].text
    assert store.load(paths, NoticeBoard()).fps == 50
    assert [file.name for file in paths.config_file.parent.iterdir()] == ["settings.json"]


def test_save_when_it_works_again_then_removes_the_notice(tmp_path, notices):
    blocker = tmp_path / "home"
    blocker.write_text("in the way")
    store.save(ProfilePaths(blocker / "profile"), Settings(), notices)
    blocker.unlink()
    assert store.save(ProfilePaths(blocker / "profile"), Settings(), notices)
    assert notices.current() == ()


def test_migrate_when_the_file_is_old_then_migrates_every_version():
    steps = {1: lambda v: {"rate": v["fps"]}, 2: lambda v: {"fps": v["rate"] * 2}}
    assert migrate({"version": 1, "fps": 25}, steps, newest=3) == {"fps": 50}
    assert migrate({"version": 2, "rate": 25}, steps, newest=3) == {"fps": 50}


@pytest.mark.parametrize("version", [0, -1, "1", True, None, 99])
def test_migrate_when_the_version_is_unknown_then_refuses(version):
    with pytest.raises(SettingsError):
        migrate({"version": version})


def test_paths_when_home_variable_is_set_then_they_are_inside_it(tmp_path, monkeypatch):
    monkeypatch.setenv("AVATAR_APP_HOME", str(tmp_path))
    assert assets_dir() == tmp_path / "assets"
    assert models_dir() == tmp_path / "models"
    assert demo_sample() == tmp_path / "assets" / "sounds" / "demo.flac"


def test_paths_when_home_variable_names_no_user_then_it_is_a_path_anyway(monkeypatch):
    monkeypatch.setenv("AVATAR_APP_HOME", "~nosuchuser/x")
    assert assets_dir() == Path("~nosuchuser/x/assets")


def test_paths_when_there_is_no_override_then_they_are_beside_the_package(monkeypatch):
    monkeypatch.delenv("AVATAR_APP_HOME", raising=False)
    assert (assets_dir().parent / "avatar_app" / "settings").is_dir()


def test_profile_paths_when_a_folder_is_given_then_stay_inside_it(tmp_path):
    paths = ProfilePaths(tmp_path)
    for path in (paths.config_file, paths.cache_dir, paths.log_dir, paths.state_dir):
        assert tmp_path in path.parents
    assert not any(tmp_path.iterdir())


def test_profile_paths_when_none_is_given_then_follow_the_platform():
    paths = ProfilePaths()
    assert "avatar-app" in str(paths.config_file)
    assert isinstance(paths.cache_dir, Path)


def test_paths_when_one_folder_is_given_then_the_users_models_and_avatars_lie_in_it(paths):
    assert (paths.models_dir, paths.avatars_dir) == (paths.dir / "models", paths.dir / "avatars")


@pytest.mark.skipif(sys.platform == "win32", reason="no modes")
def test_save_when_written_then_only_the_owner_may_read_it(paths):
    store.save(paths, Settings(), NoticeBoard())
    assert stat.S_IMODE(paths.config_file.stat().st_mode) == 0o600
