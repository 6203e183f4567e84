"""Downmix: no cancellation, no loss, no jump."""

import numpy as np
import pytest

from avatar_app.live.audio.downmix import Downmix

RATE_HZ = 16_000


def voice(seed=0, seconds=2.0, level=0.2):
    """Noise with the slow changes of speech, (n,) float32."""
    rng = np.random.default_rng(seed)
    n = int(RATE_HZ * seconds)
    loudness = np.repeat(rng.uniform(0.2, 1, n // 800), 800)
    return (level * loudness * np.convolve(rng.normal(0, 1, n), np.ones(8) / 8, "same")).astype(np.float32)


def mixed(*channels, piece=160):
    samples = np.stack(channels, axis=1).astype(np.float32)
    mix = Downmix(RATE_HZ)
    return np.concatenate([mix.feed(samples[k : k + piece]) for k in range(0, len(samples), piece)])


def rms(samples):
    return float(np.sqrt(np.square(samples).mean()))


@pytest.mark.parametrize("n_channels", range(1, 9))
def test_mix_when_all_channels_are_equal_then_one_of_them(n_channels):
    assert np.allclose(mixed(*[voice()] * n_channels), voice(), atol=1e-6)


@pytest.mark.parametrize("signs", [(1, -1), (-1, 1), (1, -1, 1, -1), (1, 1, -1), (1, -0.5), (0.2, -1, 1, 0.5)])
def test_mix_when_channels_are_inverted_then_as_loud_as_the_loudest_and_of_the_same_shape(signs):
    mix = mixed(*[sign * voice() for sign in signs])
    assert np.allclose(np.abs(mix), np.abs(voice()), atol=1e-4)
    assert abs(np.corrcoef(mix, voice())[0, 1]) > 0.9999


@pytest.mark.parametrize("n_channels", range(2, 17))
@pytest.mark.parametrize("hiss", [0, 1e-4])
def test_mix_when_the_voice_is_on_one_of_many_then_at_its_original_level(n_channels, hiss):
    channels = [np.random.default_rng(k).normal(0, hiss, 32_000) for k in range(n_channels)]
    channels[n_channels - 1] = channels[n_channels - 1] + voice()
    mix = mixed(*channels)
    assert np.abs(mix - voice())[160:].max() < 0.01
    assert rms((mix - channels[n_channels - 1])[1600:]) < 1e-5 + hiss / 2


@pytest.mark.parametrize("noise_level", [0.01, 0.2, 0.6])
def test_mix_when_an_inverted_pair_is_mixed_with_another_sound_then_the_pair_stays(noise_level):
    noise = voice(seed=1, level=noise_level)
    mix = mixed(noise, voice(), -voice())
    share = np.linalg.lstsq(np.stack((noise, voice()), axis=1), mix, rcond=None)[0]
    assert abs(share[1]) > 0.4


def test_mix_when_channels_are_independent_then_both_stay_and_as_loud_as_the_louder():
    one, other = voice(1), voice(2)
    mix = mixed(one, other)
    share = np.linalg.lstsq(np.stack((one, other), axis=1), mix, rcond=None)[0]
    assert share == pytest.approx([0.71, 0.71], abs=0.06)
    assert rms(mix) == pytest.approx(max(rms(one), rms(other)), rel=0.1)


def test_mix_when_speakers_alternate_on_two_channels_then_each_starts_without_delay():
    silence = np.zeros(3 * RATE_HZ, np.float32)
    one, other = voice(1, 3), voice(2, 3)
    mix = mixed(np.concatenate((one, silence)), np.concatenate((silence, other)))
    assert rms(mix[: 3 * RATE_HZ]) == pytest.approx(rms(one), rel=0.05)
    begins = slice(3 * RATE_HZ + 960, 3 * RATE_HZ + 2560)
    assert rms(mix[begins]) > 0.6 * rms(np.concatenate((silence, other))[begins])


def test_mix_when_a_card_adds_a_dc_offset_then_inverted_channels_still_do_not_cancel():
    mix = mixed(voice() + 0.2, 0.2 - voice())
    assert rms(mix - mix.mean()) > 0.95 * rms(voice())


def test_mix_when_polarity_and_loudness_change_then_without_a_jump_or_a_gap():
    tone = 0.5 * np.sin(2 * np.pi * 110 * np.arange(8 * RATE_HZ) / RATE_HZ)
    second = np.concatenate(
        (0.9 * tone[: 2 * RATE_HZ], -1.1 * tone[2 * RATE_HZ : 4 * RATE_HZ], 0 * tone[4 * RATE_HZ :])
    )
    mix = mixed(tone, second)
    # A tone of 110 Hz moves by 0.02 a sample, and is 0 where the channels change.
    assert np.abs(np.diff(mix)).max() < 0.04
    loudness = np.sqrt(np.square(mix.reshape(8, -1)).mean(axis=1))
    # As loud as the louder channel, except for the seconds after a change.
    assert loudness[[0, 1, 3, 5, 6, 7]] == pytest.approx(0.5 / np.sqrt(2), rel=0.15)
    assert loudness[[2, 4]].min() > 0.2


def test_mix_when_two_inverted_channels_alternate_as_the_louder_then_the_mix_is_never_inverted():
    n = np.arange(8 * RATE_HZ) // (2 * RATE_HZ)
    sound = voice(seconds=8)
    mix = mixed(np.where(n % 2 == 0, 1, 0.5) * sound, -np.where(n % 2 == 0, 0.5, 1) * sound)
    assert np.corrcoef(mix, sound)[0, 1] > 0.99


def test_mix_when_fed_whole_or_in_pieces_then_the_same():
    channels = (voice(1), -0.7 * voice(1) + voice(2, level=0.05), voice(3))
    whole = mixed(*channels, piece=10**6)
    for piece in (160, 441, 1152):
        assert np.allclose(mixed(*channels, piece=piece), whole, atol=1e-6)


def test_mix_when_silent_before_then_the_first_sound_is_mixed_from_its_beginning():
    silence = np.zeros(1600, np.float32)
    sound = np.concatenate((silence, voice()))
    assert np.allclose(mixed(sound, -sound), sound, atol=1e-6)


def test_mix_when_the_number_of_channels_changes_then_continues():
    mix = Downmix(RATE_HZ)
    two, one = np.stack((voice(), -voice()), axis=1), voice()[:, None]
    assert [len(mix.feed(sound)) for sound in (two, one, two, two[:0])] == [32_000, 32_000, 32_000, 0]
