"""What a soak says, from made-up samples; and a short one of the real program."""

import pytest

from avatar_app.bench.on_air import Sample, soak, soak_figures
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings


def samples(minutes, rss_mb=lambda t_s: 300.0, n_threads=lambda t_s: 20, fps=25.0):
    return [
        Sample(t_s, rss_mb(t_s), n_threads(t_s), 50 + n_threads(t_s), int(fps * t_s))
        for t_s in range(0, 60 * minutes, 2)
    ]


def test_figures_when_memory_grows_after_the_warm_up_then_by_how_much_an_hour():
    found = soak_figures(samples(30, lambda t_s: 300 + 50 * min(t_s, 100) / 100 + t_s / 3600 * 7), 25)
    assert found["rss_mb_per_hour"] == pytest.approx(7.0, abs=0.01)
    assert (found["threads_more"], found["fps_error_percent"]) == (0, 0.0)


def test_figures_when_threads_leak_and_pictures_are_late_then_both_are_seen():
    found = soak_figures(samples(30, n_threads=lambda t_s: 20 + t_s // 600, fps=24.5), 25)
    assert found["threads_more"] == found["handles_more"] == 2
    assert found["fps_error_percent"] == pytest.approx(2.0, abs=0.1)


@pytest.mark.slow
def test_soak_when_short_then_everything_ran_and_no_thread_or_handle_is_left_over(tmp_path):
    found = soak(Settings(mic="demo", engine="onnxruntime-cpu", precision="int8"), ProfilePaths(tmp_path), 0.35)
    assert found["threads_more"] <= 0 and found["handles_more"] <= 0
    assert found["fps"] == pytest.approx(25, rel=0.2)
