"""The secret token in a file."""

import os
import stat
import sys

import pytest

from avatar_app.settings.secret import secret


def test_secret_when_read_twice_then_the_same_and_readable_by_its_owner_alone(tmp_path):
    file = tmp_path / "state" / "token"
    first = secret(file)
    assert len(first) >= 24 and secret(file) == first
    if sys.platform != "win32":
        assert stat.S_IMODE(os.stat(file).st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "short", "\xff" * 40])
def test_secret_when_the_file_holds_no_secret_then_a_new_one(tmp_path, content):
    file = tmp_path / "token"
    file.write_text(content, encoding="latin-1")
    assert len(secret(file)) >= 24 and secret(file) != content


def test_secret_when_the_file_cannot_be_written_then_one_for_this_start(tmp_path):
    (tmp_path / "file").write_text("")
    assert len(secret(tmp_path / "file" / "token")) >= 24
