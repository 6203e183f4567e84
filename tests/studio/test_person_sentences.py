"""Takes become sentences: cut at silences, paired with a text, and split for training, validation and test."""

import numpy as np
import pytest

from avatar_app.contracts.avatar_data import Split
from avatar_app.contracts.errors import StudioError
from avatar_app.studio.enrol.person.material import FaceCrops, Take
from avatar_app.studio.enrol.person.recorded import Recorded
from avatar_app.studio.enrol.person.sentences import Sentence, clips_of, find_sentences, with_split, with_text

RATE_HZ = 16_000


def voice(seconds, seed=0):
    """A vowel of 120 Hz, (n,) float32."""
    t_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return sum(0.1 / k * np.sin(2 * np.pi * 120 * k * t_s + k) for k in range(1, 12)).astype(np.float32)


def noise(seconds, level_db=-40.0, seed=0):
    n = round(seconds * RATE_HZ)
    return np.random.default_rng(seed).normal(0, 10 ** (level_db / 20), n).astype(np.float32)


def room(seconds):
    return noise(seconds, -65)


def spoken(*parts, seconds):
    """Sounds at instants in a quiet room: (start in s, samples)."""
    sound = room(seconds)
    for start_s, samples in parts:
        start = round(start_s * RATE_HZ)
        sound[start : start + len(samples)] += samples
    return sound


def spans_s(sentences):
    return [(one.first / 25, one.end / 25) for one in sentences]


def test_sentences_when_pauses_then_cut_there_with_a_margin():
    sound = spoken((1.0, voice(1.5)), (3.5, voice(2.0)), seconds=7)
    assert spans_s(find_sentences([sound])) == [
        pytest.approx((0.8, 2.7), abs=0.05),
        pytest.approx((3.3, 5.7), abs=0.05),
    ]


def test_sentences_when_the_pause_is_short_then_one_sentence():
    assert len(find_sentences([spoken((1.0, voice(1.0)), (2.2, voice(1.0)), seconds=5)])) == 1


def test_sentences_when_margins_would_overlap_then_they_meet_in_the_middle():
    one, other = find_sentences([spoken((1.0, voice(1.0)), (2.34, voice(1.0)), seconds=5)])
    assert one.end == other.first == pytest.approx(2.17 * 25, abs=1)


def test_sentences_when_one_is_very_long_then_short_pauses_cut_it():
    long = spoken((0.5, voice(5.0)), (5.7, voice(5.0)), seconds=12)
    assert spans_s(find_sentences([long])) == [
        pytest.approx((0.3, 5.6), abs=0.05),
        pytest.approx((5.6, 10.9), abs=0.05),
    ]


def test_sentences_when_breath_click_or_hum_then_only_speech():
    parts = [(0.3, noise(0.5, -30)), (1.2, voice(1.0)), (3.0, noise(0.02, -6)), (3.6, voice(0.8) * 0.02)]
    assert spans_s(find_sentences([spoken(*parts, seconds=5)])) == [pytest.approx((1.0, 2.4), abs=0.05)]


def test_sentences_when_the_sound_begins_late_then_pauses_are_still_found():
    sound = spoken((2.0, voice(1.0)), (3.4, voice(1.0)), seconds=6)
    sound[: round(1.2 * RATE_HZ)] = 0
    assert len(find_sentences([sound])) == 2


def test_sentences_when_a_word_ends_without_voice_then_it_stays_whole():
    hiss = spoken((1.0, voice(0.6)), (1.6, noise(0.2, -28)), seconds=4)
    assert find_sentences([hiss])[0].end / 25 == pytest.approx(2.0, abs=0.05)


def test_sentences_when_several_takes_then_each_knows_its_take_and_ends_in_it():
    sounds = [spoken((0.5, voice(1.5)), seconds=2), spoken((0.0, voice(1.0)), seconds=2), room(2)]
    found = find_sentences(sounds)
    assert [one.take for one in found] == [0, 1]
    assert found[0].end == 50 and found[1].first == 0


def pieces(*durations_s, take=0):
    """Sentences of these durations without margins, a second apart."""
    found, t_s = [], 0.0
    for seconds in durations_s:
        found.append(Sentence(take, round(t_s * 25), round((t_s + seconds + 0.4) * 25)))
        t_s += seconds + 1
    return found


def line(n_letters):
    return "a" * n_letters


def test_text_when_lines_equal_pieces_then_one_by_one():
    found = with_text(pieces(2, 1, 3), f"{line(30)}\n\n{line(15)}\n{line(45)}\n")
    assert [len(one.text) for one in found] == [30, 15, 45]
    assert [(one.first, one.end) for one in found] == [(one.first, one.end) for one in pieces(2, 1, 3)]


def test_text_when_a_line_has_a_pause_then_its_pieces_are_joined():
    found = with_text(pieces(2, 1, 1, 3), f"{line(30)}\n{line(30)}\n{line(45)}")
    assert [(one.first, one.end) for one in found] == [(0, 60), (75, 160), (175, 260)]


def test_text_when_two_lines_have_no_pause_then_both_belong_to_the_piece():
    found = with_text(pieces(2, 4, 3), f"{line(30)}\n{line(24)}\n{line(30)}\n{line(45)}")
    assert [one.text for one in found] == [line(30), f"{line(24)} {line(30)}", line(45)]


def test_text_when_pieces_are_in_two_takes_then_never_joined():
    some = [*pieces(2, 2), *pieces(2, 2, take=1)]
    found = with_text(some, "\n".join([line(30), line(60), line(30)]))
    assert all(one.end <= 160 for one in found)
    with pytest.raises(StudioError, match="cannot be divided among 2 sentences"):
        with_text([*pieces(2), *pieces(2, take=1)], line(60))


def test_text_when_in_one_line_then_split_at_the_ends_of_sentences():
    found = with_text(pieces(2, 1), f"{line(30)}. {line(14)}!")
    assert [one.text for one in found] == [f"{line(30)}.", f"{line(14)}!"]


@pytest.mark.parametrize("text", ["\n".join([line(200)] * 3), "a\nb\nc"])
def test_text_when_it_does_not_fit_the_sound_then_refused(text):
    with pytest.raises(StudioError, match="The text does not fit the sound"):
        with_text(pieces(2, 1, 3), text)


def test_text_when_one_line_is_much_too_long_then_refused_with_its_beginning():
    with pytest.raises(StudioError, match=r"“b{45}” would take 1\.0 s"):
        with_text(pieces(5, 1), f"{line(30)}\n{'b' * 45}")


def test_text_when_unknown_then_the_pieces():
    assert with_text(pieces(2, 1), " \n") == pieces(2, 1)


def test_split_when_many_then_one_in_eight_each_spread_over_the_recording():
    splits = [one.split for one in with_split(pieces(*[1] * 32))]
    for kind in (Split.VALIDATION, Split.TEST):
        places = np.flatnonzero([split is kind for split in splits])
        assert len(places) == 4 and np.diff(places).tolist() == [8, 8, 8]
    assert splits.count(Split.TRAIN) == 24


@pytest.mark.parametrize("n", range(3, 25))
def test_split_when_few_then_at_least_one_of_each_and_the_same_again(n):
    found = with_split(pieces(*[1] * n))
    assert {one.split for one in found} == set(Split)
    assert found == with_split(pieces(*[1] * n))


def test_split_when_there_are_other_recordings_for_the_test_then_none_of_these():
    assert {one.split for one in with_split(pieces(*[1] * 16), has_test=False)} == {Split.TRAIN, Split.VALIDATION}


def test_split_when_two_sentences_then_refused():
    with pytest.raises(StudioError, match="Only 2 of the 3 sentences"):
        with_split(pieces(1, 1))


def recording(n_takes, n_learned, n_sentences=4):
    """Takes with some sentences of a second each, and crops whose pictures show their index."""
    seconds = 2 * n_sentences
    sound = spoken(*[(0.5 + 2 * k, voice(1.0)) for k in range(n_sentences)], seconds=seconds)
    n = seconds * 25
    pictures = np.arange(n, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 4, 4, 3), np.uint8)
    crops = FaceCrops(
        pictures, np.zeros((n, 2, 3), np.float32), np.zeros((n, 478, 3), np.float32),
        np.arange(3 * n, dtype=np.float32).reshape(n, 3), np.ones(n, bool),
    )  # fmt: skip
    takes = [Take(f"take-{k:02d}", pictures, sound) for k in range(n_takes)]
    return Recorded(takes, (), [crops] * n_takes, None, n_learned)


def make_clips(recorded, text=""):
    n = len(recorded.takes[0].pictures)
    params = [np.full((n, 14), k, np.float32) for k in range(len(recorded.takes))]
    gaps = [np.arange(n, dtype=np.float32) for _ in recorded.takes]
    return clips_of(recorded, [take.samples for take in recorded.takes], params, gaps, text)


def test_clips_when_cut_then_all_parts_show_the_same_instants():
    clips = make_clips(recording(2, 2))
    assert len(clips) == 8 and len({clip.name for clip in clips}) == 8
    for clip in clips:
        n = len(clip.pictures)
        assert clip.pictures[0, 0, 0, 0] == clip.gap[0] == clip.pose_deg[0, 0] / 3 == clip.first
        assert len(clip.params) == len(clip.is_usable) == len(clip.gap) == len(clip.pose_deg) == n
        assert len(clip.sound) == 640 * n
        assert clip.params[0, 0] == int(clip.take[-1])
        loud = np.flatnonzero(np.abs(clip.sound) > 0.05)
        assert (loud[0] / RATE_HZ, (len(clip.sound) - loud[-1]) / RATE_HZ) == pytest.approx((0.2, 0.2), abs=0.06)


def test_clips_when_held_out_takes_then_they_are_the_test_and_nothing_else():
    clips = make_clips(recording(3, 2))
    for clip in clips:
        assert (clip.split is Split.TEST) == (clip.take == "take-02")
    assert any(clip.split is Split.VALIDATION for clip in clips)


def test_clips_when_text_then_held_out_takes_have_none():
    clips = make_clips(recording(2, 1), "\n".join(line(15) for _ in range(4)))
    assert [clip.text for clip in clips] == [line(15)] * 4 + [""] * 4


def test_clips_when_half_of_a_sentence_is_unusable_then_left_out():
    recorded = recording(1, 1)
    recorded.crops[0].is_usable[12:42] = False
    assert [clip.first > 40 for clip in make_clips(recorded)] == [True] * 3


def test_clips_when_the_lips_do_not_move_with_a_sound_then_left_out():
    recorded = recording(1, 1)
    n = len(recorded.takes[0].pictures)
    gap = np.where(np.arange(n) < 40, 0.002, 0.1 * (np.arange(n) % 2)).astype(np.float32)
    gap[60:70] = np.nan
    clips = clips_of(recorded, [recorded.takes[0].samples], [np.zeros((n, 14), np.float32)], [gap])
    assert [clip.first > 40 for clip in clips] == [True] * 3
