"""The figures of a soak test from synthetic samples, and a short soak test of the real program."""

import pytest

from avatar_app.bench.soak import Sample, rate_figures, soak, soak_figures
from avatar_app.settings.schema import Settings


def samples(minutes, rss_mb=lambda t_s: 300.0, n_threads=lambda t_s: 20):
    return [Sample(t_s, rss_mb(t_s), n_threads(t_s), 50 + n_threads(t_s)) for t_s in range(0, 60 * minutes, 2)]


def arrivals(n, fps, missing=()):
    return [(k, round(k * 1e9 / fps)) for k in range(n) if k not in missing]


def test_figures_when_memory_grows_after_the_warm_up_then_the_growth_per_hour():
    found = soak_figures(samples(30, lambda t_s: 300 + 50 * min(t_s, 100) / 100 + t_s / 3600 * 7))
    assert found["rss_mb_per_hour"] == pytest.approx(7.0, abs=0.01)
    assert found["threads_more"] == found["handles_more"] == 0


def test_figures_when_threads_leak_then_seen():
    found = soak_figures(samples(30, n_threads=lambda t_s: 20 + t_s // 600))
    assert found["threads_more"] == found["handles_more"] == 2


def test_rate_when_pictures_are_late_or_left_out_then_seen():
    assert rate_figures(arrivals(9000, 25), 25)["fps_error_percent"] == 0
    assert rate_figures(arrivals(9000, 24.5), 25)["fps_error_percent"] == pytest.approx(2.0, abs=0.1)
    found = rate_figures(arrivals(9000, 25, missing={10, 5000, 5001}), 25)
    assert (found["n_not_seen"], found["longest_gap_ms"]) == (2, 120.0)


@pytest.mark.slow
def test_soak_when_short_then_everything_ran_and_no_thread_or_handle_leaks():
    found = soak(Settings(mic="demo", engine="onnxruntime-cpu", precision="int8"), 0.35)
    assert found["threads_more"] <= 0 and found["handles_more"] <= 0
    assert found["fps"] == pytest.approx(25, rel=0.2)
    assert found["recording"]["seconds"] > 10 and abs(found["recording"]["sound_longer_ms"]) < 500
