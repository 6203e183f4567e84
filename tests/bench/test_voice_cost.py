"""Processor time of the voice per second of sound; the best of a few runs, because machines are shared."""

import pytest

from avatar_app.bench.voice_cost import core_percent


@pytest.mark.parametrize(("in_hz", "out_hz"), [(48_000, 48_000), (16_000, 48_000), (44_100, 48_000)])
def test_voice_when_played_then_a_small_share_of_one_core(in_hz, out_hz):
    assert min(core_percent(in_hz, out_hz, 3.0) for _ in range(3)) < 8
