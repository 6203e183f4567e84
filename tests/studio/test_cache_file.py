"""Files of a cache, written by one process or by two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.data.cache_file import read_facts, write_facts, write_pictures, written

FULL = Path("/dev/full")


def test_written_when_two_write_the_same_file_then_both_finish_and_the_last_one_stays(tmp_path):
    file = tmp_path / "new" / "sounds.npz"
    with written(file) as mine:
        mine.write(b"mine")
        # Another process writes before this one has finished.
        with written(file) as others:
            others.write(b"theirs")
        assert file.read_bytes() == b"theirs"
    assert file.read_bytes() == b"mine"
    assert [path.name for path in file.parent.iterdir()] == ["sounds.npz"]


def test_written_when_it_fails_half_way_then_the_old_file_stays_alone(tmp_path):
    file = tmp_path / "sounds.npz"
    file.write_bytes(b"old")
    with pytest.raises(ValueError, match="half"), written(file) as opened:
        opened.write(b"new")
        raise ValueError("half")
    assert file.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(not FULL.exists(), reason="needs a device that is always full")
def test_write_pictures_when_the_disk_is_full_then_error(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "with_name", lambda *_: FULL)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    with pytest.raises(StudioError, match=r"cannot be written: .*No space") as caught:
        write_pictures(tmp_path / "drawn.npy", (9, 48, 96, 3), [np.zeros((9, 48, 96, 3), np.uint8)])
    assert "Free some space" in caught.value.what_to_do


def test_write_pictures_when_the_old_file_is_mapped_then_the_mapping_stays(tmp_path):
    file = tmp_path / "drawn.npy"
    pictures = np.arange(5 * 4 * 6 * 3, dtype=np.uint8).reshape(5, 4, 6, 3)
    write_pictures(file, pictures.shape, [pictures[:3], pictures[3:, ::1]])
    mapped = np.load(file, mmap_mode="r")
    write_pictures(file, (1, 4, 6, 3), [pictures[:1] * 0])
    assert np.array_equal(mapped, pictures)
    assert np.load(file).shape == (1, 4, 6, 3)


@pytest.mark.parametrize("text", [None, "{", "3"])
def test_read_facts_when_missing_or_damaged_then_none(tmp_path, text):
    file = tmp_path / "drawn.json"
    if text is not None:
        file.write_text(text)
    assert read_facts(file) == {}
    write_facts(file, {"a": 1})
    assert read_facts(file) == {"a": 1}
