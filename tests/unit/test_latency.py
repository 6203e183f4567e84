import math

from avatar_app.live.latency import RateMeter, StageMeters


def test_stage_meters_when_empty_then_nan_and_when_fed_then_percentiles():
    meters = StageMeters()
    assert math.isnan(meters.p50_p95("mel")[0])
    for ms in range(101):
        meters.note("mel", ms)
    assert meters.p50_p95("mel") == (50.0, 95.0)
    meters.clear()
    assert math.isnan(meters.p50_p95("mel")[1])


def test_rate_when_40_ms_apart_then_25_per_s_and_old_events_are_forgotten():
    rate = RateMeter()
    assert rate.per_s() == 0.0
    for k in range(10):
        rate.note(k * 500_000_000)
    for k in range(100):
        rate.note(5_000_000_000 + k * 40_000_000)
    assert abs(rate.per_s() - 25.0) < 1e-6
