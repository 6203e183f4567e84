"""Pieces of sound on the timeline of their file."""

import numpy as np
import pytest

from avatar_app.live.mic.decode import Piece
from avatar_app.live.mic.timeline import Timeline

RATE_HZ = 16_000


def placed(*starts_s, n_samples=1600, rate_hz=RATE_HZ, duration_s=None, is_discontinuous=False):
    """The output for pieces of 0.1 s, whose samples have the number of the piece, from 1; and the inserted silence."""
    timeline = Timeline(RATE_HZ)
    timeline.begin(duration_s, is_discontinuous=is_discontinuous)
    output = []
    for number, start_s in enumerate(starts_s, start=1):
        piece = Piece(start_s, rate_hz, np.full((n_samples, 1), number, np.float32))
        output += list(timeline.place(piece))
    output += list(timeline.end(0.0))
    return np.concatenate(output), timeline.gap_s


def runs(samples):
    """Values and lengths in samples."""
    edges = np.flatnonzero(np.diff(samples)) + 1
    return [(int(part[0]), len(part)) for part in np.split(samples, edges)]


def test_timeline_when_times_jitter_or_are_unknown_then_no_sample_is_lost_or_added():
    samples, gap_s = placed(0.0, 0.13, None, 0.27, 0.4)
    assert runs(samples) == [(k, 1600) for k in (1, 2, 3, 4, 5)]
    assert gap_s == 0


def test_timeline_when_there_is_a_gap_then_silence_of_its_length():
    samples, gap_s = placed(0.0, 0.5, 0.6)
    assert runs(samples) == [(1, 1600), (0, 6400), (2, 1600), (3, 1600)]
    assert gap_s == pytest.approx(0.4)


def test_timeline_when_sound_begins_late_then_silence_that_does_not_count_as_missing():
    samples, gap_s = placed(20.0, duration_s=21.0)
    assert runs(samples) == [(0, 320_000), (1, 1600)]
    assert gap_s == 0


@pytest.mark.parametrize("t_s", [0.01, 0.035])
def test_timeline_when_sound_begins_a_little_late_then_exact(t_s):
    assert runs(placed(t_s, t_s + 0.1)[0]) == [(0, round(t_s * RATE_HZ)), (1, 1600), (2, 1600)]
    assert runs(placed(-t_s, 0.1 - t_s)[0]) == [(1, 1600 - round(t_s * RATE_HZ)), (2, 1600)]


def test_timeline_when_pieces_overlap_then_nothing_is_repeated():
    samples, _ = placed(0.0, 0.1, 0.2, 0.25, 0.15, 0.35)
    # The fourth reaches 0.05 s beyond the third, the fifth not at all beyond the fourth.
    assert runs(samples) == [(1, 1600), (2, 1600), (3, 1600), (4, 800), (6, 1600)]


@pytest.mark.parametrize("back_to_s", [0.0, 0.05, 1.0])
def test_timeline_when_times_go_back_far_then_another_recording_follows(back_to_s):
    starts_s = np.arange(30) / 10
    samples, gap_s = placed(*starts_s, *(back_to_s + starts_s))
    assert (len(samples), gap_s) == (60 * 1600, 0)
    assert samples[-1] == 60


def test_timeline_when_a_short_recording_is_followed_by_another_then_both():
    samples, _ = placed(0.0, 0.1, 0.2, 0.0, 0.1, 0.2)
    assert [number for number, _ in runs(samples)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("t_s", "duration_s", "is_discontinuous", "is_gap"),
    [(9.0, None, False, True), (60.0, None, False, False), (60.0, 61.0, False, True), (1e9, 61.0, False, False),
     (60.0, 61.0, True, False), (9.0, 61.0, True, True)],
)  # fmt: skip
def test_timeline_when_times_jump_ahead_then_a_gap_only_if_the_file_is_long_enough(
    t_s, duration_s, is_discontinuous, is_gap
):
    samples, gap_s = placed(0.0, t_s, duration_s=duration_s, is_discontinuous=is_discontinuous)
    assert gap_s == pytest.approx(t_s - 0.1 if is_gap else 0)
    assert len(samples) == pytest.approx((t_s + 0.1 if is_gap else 0.2) * RATE_HZ, abs=2)


def test_timeline_when_video_is_longer_then_silence_until_their_end():
    timeline = Timeline(RATE_HZ)
    timeline.begin(4.0, is_discontinuous=False)
    output = list(timeline.place(Piece(0.0, 48_000, np.zeros((4800, 1), np.float32))))
    assert sum(map(len, output + list(timeline.end(3.0)))) == 3 * RATE_HZ


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 48_000, 96_000])
def test_timeline_when_the_rate_changes_then_each_piece_is_as_long_as_before(rate_hz):
    timeline, n_output = Timeline(RATE_HZ), 0
    for k in range(20):
        at_hz = (rate_hz, 48_000)[k // 5 % 2]
        n_output += sum(map(len, timeline.place(Piece(None, at_hz, np.zeros((at_hz // 10, 1), np.float32)))))
    n_output += sum(map(len, timeline.end(0.0)))
    assert n_output == pytest.approx(20 * 1600, abs=4)
