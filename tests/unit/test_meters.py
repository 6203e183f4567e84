import math

from avatar_app.live.runtime.meters import STALE_NS, RateMeter, StageMeters


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
    assert rate.per_s(0) == 0.0
    for k in range(10):
        rate.note(k * 500_000_000)
    for k in range(100):
        rate.note(5_000_000_000 + k * 40_000_000)
    assert abs(rate.per_s(9_000_000_000) - 25.0) < 1e-6


def test_rate_when_events_stop_coming_then_0_within_a_second_and_not_the_last_value_forever():
    rate = RateMeter()
    for k in range(50):
        rate.note(k * 40_000_000)
    t_last_ns = 49 * 40_000_000
    assert rate.per_s(t_last_ns + STALE_NS) > 20
    assert rate.per_s(t_last_ns + STALE_NS + 1) == 0.0
    rate.note(t_last_ns + 2 * STALE_NS)
    assert 0 < rate.per_s(t_last_ns + 2 * STALE_NS) < 25
