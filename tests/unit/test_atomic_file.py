import os
import stat
import sys

import pytest

from avatar_app.contracts.atomic_file import replacing, write_bytes, write_text


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
