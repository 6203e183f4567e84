"""Videos of a person become takes: split at cuts, checked for their duration, continued after a kill."""

import os
import shutil

import cv2
import numpy as np
import pytest

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.enrol.person.takes import Limits, find_cuts, import_takes, read_takes, survey_all, video_of
from tests.fakes.person import write_recording
from tests.fakes.webcam import portrait

SHORT = Limits(min_s=3.0, max_s=10.0)


def texture(seed):
    """A static picture, (48, 64, 3)."""
    coarse = np.random.default_rng(seed).integers(40, 200, (6, 8, 3), np.uint8)
    return cv2.resize(coarse, (64, 48), interpolation=cv2.INTER_CUBIC)


def place(seed, n):
    """Pictures of one place that moves a little."""
    return [np.roll(texture(seed), k // 3, axis=1) for k in range(n)]


def video(path, n, seed=0, cut_to=()):
    pictures = place(seed, n)
    for number, (first, end) in enumerate(cut_to, start=1):
        pictures[first:end] = place(seed + 100 * number, end - first)
    return write_recording(path, pictures, sound(n))


def sound(n_pictures):
    """A tone that rises, so that each instant is unlike all others."""
    t_s = np.arange(n_pictures * 640) / 16_000
    return 0.5 * np.sin(2 * np.pi * (200 + 50 * t_s) * t_s)


def test_takes_when_several_videos_then_one_each_in_order(tmp_path):
    paths = [video(tmp_path / "a.mp4", 60), video(tmp_path / "b.mp4", 75, seed=1)]
    counts = []
    found = import_takes(paths, tmp_path / "work", lambda *of: counts.append(of), limits=SHORT)
    assert [take.name for take in found] == ["take-00", "take-01"]
    assert [len(take.pictures) for take in found] == [60, 75]
    assert [len(take.samples) for take in found] == [60 * 640, 75 * 640]
    assert counts[-1] == (135, 135) and counts[60] == (61, 135)


def test_takes_when_read_again_then_the_same(tmp_path):
    made = import_takes([video(tmp_path / "a.mp4", 80, cut_to=[(40, 80)])], tmp_path / "work", limits=SHORT)
    read = read_takes(tmp_path / "work")
    assert [take.name for take in read] == ["take-00-1", "take-00-2"]
    for one, other in zip(made, read, strict=True):
        assert (one.pictures == other.pictures).all() and (one.samples == other.samples).all()


def test_takes_when_a_cut_is_in_the_middle_then_split_there_with_its_sound(tmp_path):
    path = video(tmp_path / "a.mkv", 90, cut_to=[(40, 90)])
    first, second = import_takes([path], tmp_path / "work", limits=SHORT)
    assert (len(first.pictures), len(second.pictures)) == (40, 50)
    assert second.samples[:640] == pytest.approx(sound(90)[40 * 640 : 41 * 640], abs=1e-3)


def test_video_of_when_cut_or_whole_then_its_name():
    names = ["take-00", "take-00-2", "take-00-12", "held-out-03", "held-out-03-1", "take-123-1"]
    assert [video_of(name) for name in names] == ["take-00"] * 3 + ["held-out-03"] * 2 + ["take-123"]


def test_takes_when_a_part_is_short_then_it_is_dropped(tmp_path):
    path = video(tmp_path / "a.mp4", 100, cut_to=[(45, 60)])
    found = import_takes([path], tmp_path / "work", limits=SHORT)
    assert [len(take.pictures) for take in found] == [45, 40]


def test_takes_when_all_parts_are_short_then_refused(tmp_path):
    path = video(tmp_path / "a.mp4", 90, cut_to=[(k, k + 15) for k in range(0, 90, 15)])
    with pytest.raises(StudioError, match="have many cuts"):
        import_takes([path], tmp_path / "work", limits=SHORT)


def test_cuts_when_the_same_person_sits_elsewhere_then_found():
    pictures = [portrait(k, 96) for k in range(0, 30)]
    pictures += [np.roll(portrait(k, 96), 6, axis=1) for k in range(60, 90)]
    assert find_cuts(pictures) == [30]


def test_cuts_when_the_picture_moves_fast_then_none():
    wide = cv2.resize(texture(3), (640, 48))
    assert find_cuts([np.roll(wide, 12 * k, axis=1) for k in range(60)]) == []


def test_cuts_when_every_second_picture_repeats_then_none():
    wide = cv2.resize(texture(3), (640, 48))
    assert find_cuts([np.roll(wide, 24 * (k // 2), axis=1) for k in range(60)]) == []


def test_cuts_when_two_are_close_then_both():
    pictures = [*place(0, 30), *place(100, 4), *place(200, 30)]
    assert find_cuts(pictures) == [30, 34]


def test_takes_when_a_video_has_five_seconds_then_refused_in_one_sentence(tmp_path):
    with pytest.raises(StudioError, match=r"too short: 5\.0 s\. Record at least 10 s"):
        survey_all([video(tmp_path / "a.mp4", 125)])


def test_takes_when_two_hours_then_refused_without_reading_them(tmp_path, monkeypatch):
    path = video(tmp_path / "a.mp4", 3 * 25)
    with pytest.raises(StudioError, match=r"longer than 2 s"):
        survey_all([path], Limits(1.0, 2.0))


def test_takes_when_several_videos_are_too_long_together_then_refused(tmp_path):
    paths = [video(tmp_path / f"{k}.mp4", 75) for k in range(4)]
    with pytest.raises(StudioError, match="longer than 10 s together: 12 s"):
        survey_all(paths, SHORT)


def test_takes_when_several_videos_are_too_short_together_then_refused(tmp_path):
    paths = [video(tmp_path / f"{k}.mp4", 55) for k in range(2)]
    with pytest.raises(StudioError, match=r"too short: 4\.4 s together"):
        survey_all(paths)


def test_takes_when_one_of_several_is_very_short_then_refused_by_name(tmp_path):
    paths = [video(tmp_path / "a.mp4", 75), video(tmp_path / "tiny.mp4", 30)]
    with pytest.raises(StudioError, match=r"tiny\.mp4 is too short"):
        survey_all(paths, SHORT)


def test_takes_when_no_video_then_refused():
    with pytest.raises(StudioError, match="No video"):
        survey_all([])


def test_takes_when_killed_then_continues_with_the_next_video(tmp_path, monkeypatch):
    paths = [video(tmp_path / "a.mp4", 60), video(tmp_path / "b.mp4", 60, seed=1)]

    def stop(n_done, n_all):
        if n_done > 70:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_takes(paths, tmp_path / "work", stop, limits=SHORT)
    with pytest.raises(StudioError, match="cannot be read"):
        read_takes(tmp_path / "work")
    counts = []
    found = import_takes(paths, tmp_path / "work", lambda *of: counts.append(of), limits=SHORT)
    assert counts[0] == (61, 120)
    assert [len(take.pictures) for take in found] == [60, 60]


def test_takes_when_a_video_changed_then_imported_again(tmp_path):
    path = video(tmp_path / "a.mp4", 80)
    import_takes([path], tmp_path / "work", limits=SHORT)
    shutil.copy(video(tmp_path / "b.mp4", 100, seed=5), path)
    os.utime(path, ns=(1, 1))
    (found,) = import_takes([path], tmp_path / "work", limits=SHORT)
    assert len(found.pictures) == 100


def test_takes_when_a_video_has_another_date_then_imported_again(tmp_path):
    path = video(tmp_path / "a.mp4", 80)
    import_takes([path], tmp_path / "work", limits=SHORT)
    counts = []
    import_takes([path], tmp_path / "work", lambda *of: counts.append(of), limits=SHORT)
    assert not counts
    os.utime(path, ns=(1, 1))
    import_takes([path], tmp_path / "work", lambda *of: counts.append(of), limits=SHORT)
    assert counts[-1] == (80, 80)


def test_takes_when_the_list_is_damaged_then_an_error(tmp_path):
    (tmp_path / "takes.json").write_text('{"takes": [["a"]]}')
    with pytest.raises(StudioError, match="cannot be read"):
        read_takes(tmp_path)
