"""Readers of files: pipes, devices and folders in place of a file, and JSON beyond the limits."""

import os
import sys

import numpy as np
import pytest

from avatar_app.contracts.errors import InputFileError, SettingsError, UserError
from avatar_app.contracts.input_file import MAX_DEPTH, read_arrays, read_bytes, read_object
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.student_spec import ModelFile
from avatar_app.live.frame import Background
from avatar_app.live.student.folder import read_manifest, verified_bytes
from avatar_app.live.webcam.neutral import NeutralPose
from avatar_app.settings import store
from avatar_app.settings.autostart import FileEntry
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings
from avatar_app.settings.secret import secret
from tests.fakes.hostile import check_sentence

# What may lie where a file should.
PLACES = {
    "nothing": lambda file: None,
    "folder": lambda file: file.mkdir(),
    "pipe": getattr(os, "mkfifo", None),
    "huge": lambda file: (file.touch(), os.truncate(file, 10**12)),
    "circle": lambda file: file.symlink_to(file),
    "device": lambda file: file.symlink_to("/dev/zero"),
    "empty": lambda file: file.touch(),
}
READERS = {
    "object": read_object,
    "arrays": lambda file: read_arrays(file, 1000),
    "graph": lambda file: verified_bytes(file.parent, ModelFile(file.name, "00")),
    "manifest": lambda file: read_manifest(file.parent),
    "settings": lambda file: store.read(file, NoticeBoard()),
    "background": Background.picture,
    "neutral": NeutralPose.read,
}


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices are elsewhere")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("reader", READERS)
def test_reader_when_it_is_no_regular_file_then_one_error_immediately(tmp_path, reader, place):
    file = tmp_path / "manifest.json"
    PLACES[place](file)
    with pytest.raises((InputFileError, UserError)) as caught:
        READERS[reader](file)
    check_sentence(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices are elsewhere")
@pytest.mark.parametrize(
    ("place", "reason"),
    [("nothing", "missing"), ("folder", "regular"), ("pipe", "regular"), ("device", "regular"), ("huge", "larger"),
     ("circle", "opened")],
)  # fmt: skip
def test_bytes_when_it_is_no_regular_file_then_the_error_has_the_reason(tmp_path, place, reason):
    PLACES[place](tmp_path / "a")
    with pytest.raises(InputFileError, match=reason):
        read_bytes(tmp_path / "a", 1000)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices are elsewhere")
@pytest.mark.parametrize("place", PLACES)
def test_start_when_it_is_no_regular_file_then_it_continues(tmp_path, place):
    paths = ProfilePaths(tmp_path / "profile")
    paths.state_dir.mkdir(parents=True)
    for name, read in (
        ("state/token", lambda file: len(secret(file)) >= 16),
        ("settings.json", lambda file: store.load(paths, NoticeBoard()) == Settings()),
        ("entry", lambda file: not FileEntry(file, b"entry").is_on()),
    ):
        PLACES[place](paths.dir / name)
        assert read(paths.dir / name)
    assert store.save(paths, Settings(fps=30), NoticeBoard()) and store.load(paths, NoticeBoard()).fps == 30


@pytest.mark.parametrize("path", ["a\0b", "\ud800", "x" * 5000])
def test_reader_when_the_path_is_none_then_one_error(path):
    with pytest.raises(InputFileError):
        read_object(path)
    with pytest.raises(SettingsError):
        Background.picture(path)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 1500, 100_000])
@pytest.mark.parametrize(("first", "last"), [("[", "]"), ('{"a":', "}")])
def test_object_when_nested_too_deeply_then_refused_on_every_python(tmp_path, depth, first, last):
    (tmp_path / "a.json").write_text('{"a":' + first * depth + "1" + last * depth + "}")
    with pytest.raises(InputFileError, match="nested"):
        read_object(tmp_path / "a.json")


def test_object_when_its_depth_is_normal_then_read(tmp_path):
    (tmp_path / "a.json").write_text('\ufeff{"a":' + "[" * 20 + "1.5" + "]" * 20 + "}", encoding="utf-8")
    assert read_object(tmp_path / "a.json")["a"][0]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "1" + "0" * 400, "1" + "0" * 5000])
def test_object_when_a_number_is_not_finite_or_too_long_then_refused(tmp_path, number):
    (tmp_path / "a.json").write_text(f'{{"a": [{number}]}}')
    with pytest.raises(InputFileError, match="number"):
        read_object(tmp_path / "a.json")


def test_arrays_when_they_unpack_to_much_more_then_refused_before_they_do(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(10_000_000, np.uint8))
    assert (tmp_path / "a.npz").stat().st_size < 100_000
    with pytest.raises(InputFileError, match="unpacks"):
        read_arrays(tmp_path / "a.npz", 1_000_000)
