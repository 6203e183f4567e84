import numpy as np
import pytest
import soxr

from avatar_app.live.mic.resample import Resampler

RATES_HZ = (8_000, 11_025, 22_050, 32_000, 44_100, 47_999, 48_000, 96_000, 192_000)


def band_noise(rate_hz: int) -> np.ndarray:
    """A second of noise below 7.3 kHz."""
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(rate_hz))
    spectrum[np.fft.rfftfreq(rate_hz, 1 / rate_hz) > min(7_300, 0.45 * rate_hz)] = 0
    return np.fft.irfft(spectrum, rate_hz).astype(np.float32)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_feed_when_compared_with_soxr_then_error_below_66_db(rate_hz):
    sound = band_noise(rate_hz)
    ours, theirs = Resampler(rate_hz).feed(sound), soxr.resample(sound, rate_hz, 16_000, quality="VHQ")
    inside = slice(500, min(len(ours), len(theirs)) - 500)
    error = np.square(ours[inside] - theirs[inside]).mean() / np.square(theirs[inside]).mean()
    assert -10 * np.log10(error) > 66


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("piece", [1, 7, 441, 5_000])
def test_feed_when_fed_in_pieces_then_same_as_whole(rate_hz, piece):
    sound = band_noise(rate_hz)[:6_000]
    resampler = Resampler(rate_hz)
    pieces = [resampler.feed(sound[k : k + piece]) for k in range(0, len(sound), piece)]
    assert np.array_equal(np.concatenate(pieces), Resampler(rate_hz).feed(sound))


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_feed_when_fed_in_blocks_then_delay_at_most_4_ms(rate_hz):
    resampler, n_in, n_out = Resampler(rate_hz), 0, 0
    for _ in range(50):
        n_out += len(resampler.feed(np.zeros(rate_hz // 100, np.float32)))
        n_in += rate_hz // 100
        assert n_in / rate_hz - n_out / 16_000 < 0.0042


@pytest.mark.parametrize("rate_hz", [44_100, 48_000, 96_000])
@pytest.mark.parametrize("hz", [8_700, 12_000, 20_000])
def test_feed_when_tone_is_above_8_khz_then_no_alias(rate_hz, hz):
    tone = np.sin(2 * np.pi * hz * np.arange(rate_hz) / rate_hz).astype(np.float32)
    assert np.square(Resampler(rate_hz).feed(tone)[500:]).mean() < 0.5e-6


def test_feed_when_rate_is_16_khz_then_unchanged():
    sound = band_noise(16_000)
    assert Resampler(16_000).feed(sound) is sound


def test_reset_when_called_then_as_new():
    sound = band_noise(48_000)[:4_800]
    resampler = Resampler(48_000)
    first = resampler.feed(sound)
    resampler.reset()
    assert np.array_equal(resampler.feed(sound), first)
