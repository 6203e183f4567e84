import numpy as np
import pytest

from avatar_app.contracts.packets import VoiceBlock
from avatar_app.contracts.units import NS_PER_S, ms_to_ns, s_to_ns
from avatar_app.live.audio.interpolator import Interpolator
from avatar_app.live.voice.delay_line import DelayLine
from avatar_app.live.voice.drift import DriftControl
from avatar_app.live.voice.history import SoundHistory
from avatar_app.live.voice.times import PlayedTimes

OUT_HZ = 48_000
N = OUT_HZ // 100


def sine(t_s: np.ndarray, hz: float = 1000.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hz * t_s)


def snr_db(played: np.ndarray, rate_hz: float, hz: float) -> float:
    """SNR of a sine of nearly known frequency; a slow inaudible glide does not count as noise."""
    t_s = np.arange(len(played)) / rate_hz
    phase = 2 * np.pi * hz * t_s
    basis = np.stack([f(phase) * t_s**power for f in (np.sin, np.cos) for power in range(4)], axis=1)
    amplitudes, *_ = np.linalg.lstsq(basis, played, rcond=None)
    noise = played - basis @ amplitudes
    return 10 * np.log10(np.sum((basis @ amplitudes) ** 2) / np.sum(noise**2))


def feed(line: DelayLine, sound: np.ndarray, rate_hz: int, t_ns: int = 0, ppm: float = 0.0, **options) -> int:
    """Feed blocks of 10 ms that a device with a wrong clock captured; returns the instant of their end."""
    n = rate_hz // 100
    for first in range(0, len(sound), n):
        t_block_ns = t_ns + round(first * NS_PER_S / (rate_hz * (1 + ppm * 1e-6)))
        block = VoiceBlock(t_block_ns, rate_hz, sound[first : first + n].astype(np.float32), **options)
        options = {}
        line.feed(block)
    return t_ns + round(len(sound) * NS_PER_S / (rate_hz * (1 + ppm * 1e-6)))


def play(line: DelayLine, t_ns: int, n_chunks: int, n: int = N) -> np.ndarray:
    """What an output with an exact clock plays from an instant on."""
    pieces = [line.render(t_ns + k * n * NS_PER_S / OUT_HZ, n) for k in range(n_chunks)]
    assert None not in pieces
    return np.concatenate([sound for sound, _ in pieces])


@pytest.mark.parametrize(("in_hz", "out_hz"), [(48_000, 48_000), (44_100, 48_000), (16_000, 48_000), (48_000, 44_100)])
def test_interpolator_when_rates_differ_by_100_ppm_then_sine_has_60_db(in_hz, out_hz):
    interpolator = Interpolator(in_hz, out_hz)
    step = in_hz / out_hz * 1.0001
    first, end = interpolator.span(100.25, step, out_hz // 4)
    around = sine(np.arange(first, end) / in_hz).astype(np.float32)
    played = interpolator.read(around, 100.25, step, out_hz // 4)
    expected = sine((100.25 + step * np.arange(len(played))) / in_hz)
    assert 10 * np.log10(np.sum(expected**2) / np.sum((played - expected) ** 2)) > 70


def test_interpolator_when_output_rate_is_lower_then_aliases_are_removed():
    interpolator = Interpolator(48_000, 16_000)
    first, end = interpolator.span(0.0, 3.0, 4000)
    played = interpolator.read(sine(np.arange(first, end) / 48_000, 12_000).astype(np.float32), 0.0, 3.0, 4000)
    assert np.abs(played).max() < 0.5e-3


def test_line_when_clocks_agree_then_sound_of_the_wanted_instant():
    line = DelayLine(OUT_HZ)
    feed(line, sine(np.arange(OUT_HZ) / OUT_HZ), OUT_HZ)
    played = play(line, s_to_ns(0.25), 50)
    assert np.allclose(played, sine(0.25 + np.arange(len(played)) / OUT_HZ), atol=1e-3)


def test_line_when_clocks_differ_by_100_ppm_then_sine_stays_clean_and_on_time():
    line = DelayLine(OUT_HZ)
    true_hz = OUT_HZ * 1.0001
    played, late_ns = [], []
    for second in range(90):
        t_s = (second * OUT_HZ + np.arange(OUT_HZ)) / true_hz
        feed(line, sine(t_s), OUT_HZ, t_ns=s_to_ns(second / 1.0001), ppm=100)
        for k in range(100) if second else ():
            t_wanted_ns = s_to_ns(second - 1) + k * N * NS_PER_S / OUT_HZ
            sound, t_ns = line.render(t_wanted_ns, N)
            played.append(sound)
            late_ns.append(t_wanted_ns - t_ns)
    assert line.drift_ppm == pytest.approx(100, abs=10)
    assert max(np.abs(late_ns)) < ms_to_ns(1)
    assert min(snr_db(np.concatenate(played[k : k + 100]), OUT_HZ, 1000) for k in range(0, len(played), 100)) > 60


@pytest.mark.parametrize("in_hz", [16_000, 44_100, 48_000])
def test_line_when_input_has_another_rate_then_pitch_stays(in_hz):
    line = DelayLine(OUT_HZ)
    feed(line, sine(np.arange(in_hz) / in_hz), in_hz)
    assert snr_db(play(line, s_to_ns(0.2), 60), OUT_HZ, 1000) > 60


def test_line_when_wanted_instant_moves_by_little_then_slewed_and_pitch_hardly_changes():
    line = DelayLine(OUT_HZ)
    feed(line, sine(np.arange(2 * OUT_HZ) / OUT_HZ), OUT_HZ)
    play(line, s_to_ns(0.2), 10)
    played = play(line, s_to_ns(0.3) + ms_to_ns(9), 100)
    assert snr_db(played, OUT_HZ, 1000.9) > 50
    assert np.abs(np.diff(played)).max() < 0.067


def test_line_when_wanted_instant_jumps_then_crossfade_within_10_ms_without_click():
    line = DelayLine(OUT_HZ)
    feed(line, sine(np.arange(2 * OUT_HZ) / OUT_HZ, 200), OUT_HZ)
    before = play(line, s_to_ns(0.5), 10)
    after = play(line, s_to_ns(0.6) - ms_to_ns(100.7), 10)
    expected = sine(0.6 - 0.1007 + np.arange(len(after)) / OUT_HZ, 200)
    assert np.allclose(after[N:], expected[N:], atol=2e-3)
    assert np.abs(np.diff(np.concatenate([before, after]))).max() < 0.03


def test_line_when_sound_was_lost_then_replaced_by_silence():
    line = DelayLine(OUT_HZ)
    feed(line, np.full(OUT_HZ // 2, 0.5), OUT_HZ)
    feed(line, np.full(OUT_HZ // 2, 0.25), OUT_HZ, t_ns=s_to_ns(0.6))
    played = play(line, s_to_ns(0.4), 40)
    assert played[N * 5] == pytest.approx(0.5, abs=0.01)
    assert np.abs(played[N * 11 : N * 19]).max() < 0.01
    assert played[N * 30] == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("rate_hz", [48_000, 16_000])
def test_line_when_input_restarts_then_old_sound_ends_without_click_and_new_is_on_time(rate_hz):
    line = DelayLine(OUT_HZ)
    feed(line, np.full(OUT_HZ // 2, 0.5), OUT_HZ)
    old = play(line, s_to_ns(0.2), 5)
    feed(line, np.full(rate_hz // 2, 0.25), rate_hz, t_ns=s_to_ns(0.45), did_restart=True)
    new = play(line, s_to_ns(0.25), 50)
    assert np.abs(np.diff(np.concatenate([old, new]))[: N * 10]).max() < 0.01
    assert np.abs(new[N * 2 : N * 19]).max() < 0.01
    assert new[N * 21] == pytest.approx(0.25, abs=0.01)


def test_line_when_sound_has_not_arrived_yet_then_none_and_nothing_changes():
    line = DelayLine(OUT_HZ)
    assert line.render(0, N) is None
    feed(line, sine(np.arange(OUT_HZ) / OUT_HZ), OUT_HZ)
    play(line, s_to_ns(0.9), 9)
    assert line.render(s_to_ns(0.99), N) is None
    feed(line, sine(1 + np.arange(OUT_HZ) / OUT_HZ), OUT_HZ, t_ns=s_to_ns(1))
    assert np.allclose(play(line, s_to_ns(0.99), 2), sine(0.99 + np.arange(2 * N) / OUT_HZ), atol=1e-3)


def test_history_when_fed_for_long_then_memory_stays_and_newest_are_kept():
    history = SoundHistory(1000)
    size = history._memory.nbytes
    for first in range(0, 50_000, 100):
        history.append(np.arange(first, first + 100, dtype=np.float32))
    assert history._memory.nbytes == size
    assert np.array_equal(history.span(49_100, 50_000), np.arange(49_100, 50_000))
    assert np.array_equal(history.span(49_990, 50_010), [*range(49_990, 50_000), *[0] * 10])
    assert not history.span(-5, 100).any()


def test_played_times_when_stamps_jitter_then_smoothed_and_a_lasting_jump_is_followed():
    times, random = PlayedTimes(OUT_HZ), np.random.default_rng(1)
    for k in range(1000):
        times.note(k * N, k * 10e6 + 30e6 + random.normal(0, 4e6))
    assert times.instant(1000 * N) == pytest.approx(1000 * 10e6 + 30e6, abs=1.5e6)
    times.note(1000 * N, 1000 * 10e6 + 300e6)
    assert times.instant(1000 * N) == pytest.approx(1000 * 10e6 + 30e6, abs=1.5e6)
    for k in range(1001, 1005):
        times.note(k * N, k * 10e6 + 90e6)
    assert times.instant(1005 * N) == pytest.approx(1005 * 10e6 + 90e6, abs=1e6)


@pytest.mark.parametrize("seed", range(20))
def test_line_when_the_microphone_misbehaves_then_finite_sound_and_bounded_memory(seed):
    """Changing rates, time stamps that jump both ways, empty and long blocks, in random order."""
    random, line = np.random.default_rng(seed), DelayLine(OUT_HZ)
    t_ns, rate_hz = s_to_ns(10), 48_000
    for _ in range(100):
        if random.random() < 0.05:
            rate_hz = int(random.choice([8_000, 16_000, 44_100, 48_000, 96_000]))
        t_ns += round(random.choice([1e7, 1e7, 1e7, 6e7, -3e7, 5e9, -5e9], p=[0.3, 0.3, 0.3, 0.04, 0.04, 0.01, 0.01]))
        sound = random.uniform(-1, 1, int(random.choice([0, 7, rate_hz // 100, 4 * rate_hz]))).astype(np.float32)
        line.feed(VoiceBlock(t_ns, rate_hz, sound, did_restart=bool(random.random() < 0.02)))
        rendered = line.render(t_ns - random.uniform(0, 4e8), N)
        assert rendered is None or np.isfinite(rendered[0]).all()
        assert rendered is None or np.abs(rendered[0]).max() < 3
    assert line._history._memory.size <= 9 * 96_000


def test_drift_when_stamps_vary_for_minutes_then_reported_drift_hardly_does():
    control, reported_ppm = DriftControl(), []
    for k in range(60_000):
        # The error varies by 3 ms with a period of 30 s: the loop itself follows by more than 100 ppm.
        control.update(3e-3 * np.sin(2 * np.pi * k / 3000), 0.01)
        reported_ppm.append(control.drift_ppm)
    assert np.ptp(reported_ppm[30_000:]) < 20
