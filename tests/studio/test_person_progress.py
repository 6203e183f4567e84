"""Progress of an enrolment, and its figures in words."""

import pytest

from avatar_app.studio.enrol.person.figures import PersonFigures, in_words
from avatar_app.studio.enrol.person.progress import Progress, Report, Step

STEPS = (Step("read", "Reading", 10.0), Step("learn", "Learning", 80.0), Step("pack", "Packing", 10.0))


class Times:
    def __init__(self) -> None:
        self.s = 0.0
        self.reports: list[Report] = []
        self.progress = Progress(STEPS, self.reports.append, lambda: self.s)

    @property
    def last(self) -> Report:
        return self.reports[-1]


def test_progress_at_the_expected_speed_counts_down_by_the_expected_costs():
    times = Times()
    times.progress.start("read")
    assert times.last.eta_s == pytest.approx(100)
    times.s = 10
    times.progress.finish()
    times.progress.start("learn")
    times.s = 50
    times.progress.advance(0.5)
    assert times.last.done_in_all == pytest.approx(0.5)
    assert times.last.eta_s == pytest.approx(50)
    assert (times.last.number, times.last.n_steps, times.last.step.title) == (2, 3, "Learning")


def test_progress_on_a_slow_machine_raises_the_time_left():
    times = Times()
    times.progress.start("learn")
    times.s = 120
    times.progress.advance(0.5)
    assert times.last.eta_s > 100


def test_progress_of_a_continued_step_counts_the_new_share_only():
    times = Times()
    times.progress.skip("read")
    times.progress.start("learn", done=0.5)
    assert times.last.eta_s == pytest.approx(50)
    times.s = 40
    times.progress.advance(1.0)
    assert times.last.eta_s == pytest.approx(10)


def test_progress_reports_rarely_and_keeps_the_newest_preview(tmp_path):
    times = Times()
    times.progress.start("read")
    n_reports = len(times.reports)
    times.progress.advance(0.1)
    assert len(times.reports) == n_reports
    times.progress.show(tmp_path / "preview.png")
    times.s = 1
    times.progress.advance(0.2)
    times.s = 2
    times.progress.advance(0.3)
    assert [report.preview for report in times.reports[-2:]] == [tmp_path / "preview.png"] * 2


GOOD = {
    "opening_correlation": 0.8, "closed_ratio": 0.95, "n_closings": 10, "sharpness": 0.9, "rest_motion": 0.02,
    "eyes_px": 120.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({}, "The lips follow the voice well."),
        ({"opening_correlation": 0.65}, "A longer recording"),
        ({"opening_correlation": 0.2}, "The lips follow the voice poorly."),
        ({"closed_ratio": 0.5}, "in 50 % of p, b and m"),
        ({"sharpness": 0.5}, "Record with more light"),
        ({"sharpness": 0.5, "eyes_px": 50.0}, "Sit closer to the camera"),
        ({"rest_motion": 0.2}, "moves a little in silence"),
    ],
)
def test_figures_in_words(changed, sentence):
    assert sentence in " ".join(in_words(PersonFigures(**{**GOOD, **changed})))


def test_figures_of_a_good_avatar_give_no_advice():
    assert in_words(PersonFigures(**GOOD)) == [
        "The lips follow the voice well.",
        "Lips and teeth are as sharp as in the video.",
    ]
    few = PersonFigures(**{**GOOD, "closed_ratio": 0.0, "n_closings": 2})
    assert len(in_words(few)) == 2
