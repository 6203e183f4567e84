import os
import stat
import sys

import pytest

from avatar_app.contracts.atomic_file import replacing, replacing_folder, write_bytes, write_text


def test_write_when_the_folder_is_missing_then_it_is_made(tmp_path):
    write_text(tmp_path / "a" / "b.txt", "é")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "é".encode()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.txt"]


def test_replacing_when_the_block_fails_then_the_old_file_stays_and_no_other(tmp_path):
    file = tmp_path / "settings.json"
    file.write_text("old")
    with pytest.raises(RuntimeError), replacing(file) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("settings.json", "old")]


def test_write_when_the_rename_fails_then_nothing_is_left(tmp_path, monkeypatch):
    def refuse(*paths):
        raise PermissionError

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError):
        write_bytes(tmp_path / "a.bin", b"1")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="no modes")
def test_write_when_private_then_only_the_owner_may_read_it(tmp_path):
    write_text(tmp_path / "token", "x", is_private=True)
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600


def test_replacing_when_two_write_the_same_file_then_the_last_one_wins(tmp_path):
    file = tmp_path / "cache.npy"
    with replacing(file) as first:
        with replacing(file) as second:
            second.write_text("second")
        first.write_text("first")
    assert file.read_text() == "first"
    assert len(list(tmp_path.iterdir())) == 1


def test_replacing_folder_when_the_block_ends_then_only_the_new_content_is_there(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old").touch()
    with replacing_folder(folder) as unfinished:
        (unfinished / "new").touch()
        assert [path.name for path in folder.iterdir()] == ["old"]
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [folder]


def test_replacing_folder_when_the_block_fails_then_the_old_folder_stays_and_no_other(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(RuntimeError), replacing_folder(folder) as unfinished:
        (unfinished / "new").touch()
        raise RuntimeError
    assert list(tmp_path.rglob("*")) == [folder]


def test_replacing_folder_when_a_kill_left_the_old_folder_aside_then_the_next_call_restores_it(tmp_path):
    (tmp_path / "model.replaced").mkdir()
    with pytest.raises(RuntimeError), replacing_folder(tmp_path / "model"):
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_replacing_folder_when_a_kill_left_half_a_folder_then_it_starts_empty(tmp_path):
    (tmp_path / "model.unfinished").mkdir()
    (tmp_path / "model.unfinished" / "half").touch()
    with replacing_folder(tmp_path / "model") as unfinished:
        assert not list(unfinished.iterdir())
