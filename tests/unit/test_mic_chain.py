import numpy as np
import pytest

from avatar_app.contracts.handoff import Fan
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live.mic.chain import SoundChain
from avatar_app.live.mic.level import Level, MicControls

T_NS = 5 * NS_PER_S


def run(samples: np.ndarray, rate_hz: int, piece: int | None = None, level: Level | None = None):
    """Blocks of a chain fed with (n, channels) in pieces, captured from T_NS on without jitter."""
    chain = SoundChain(rate_hz, level or Level(rate_hz))
    piece = piece or rate_hz // 100
    blocks = []
    for start in range(0, len(samples), piece):
        blocks += chain.feed(samples[start : start + piece], T_NS + start * NS_PER_S // rate_hz)
    return chain, blocks


def tone(rate_hz: int, n_channels: int = 1, seconds: float = 1.0, hz: float = 440.0) -> np.ndarray:
    t = np.arange(int(rate_hz * seconds)) / rate_hz
    return np.repeat(0.5 * np.sin(2 * np.pi * hz * t)[:, None], n_channels, axis=1).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_blocks_when_rate_differs_then_same_tone_at_the_same_instant(rate_hz):
    _, blocks = run(tone(rate_hz), rate_hz)
    sound = np.concatenate([block.samples for block in blocks])
    expected = tone(16_000)[: len(sound), 0]
    assert len(sound) > 15_000
    assert np.abs(sound[800:-800] - expected[800:-800]).max() < 0.01


@pytest.mark.parametrize("n_channels", range(1, 9))
@pytest.mark.parametrize("inverted", [0, -1])
def test_blocks_when_the_voice_is_on_some_of_many_channels_then_at_its_original_level(n_channels, inverted):
    sound = tone(16_000)
    samples = np.zeros((len(sound), n_channels), np.float32)
    samples[:, [0]] = inverted * sound
    samples[:, [n_channels - 1]] = sound
    _, blocks = run(samples, 16_000)
    mixed = np.concatenate([block.samples for block in blocks])
    assert np.allclose(np.abs(mixed), np.abs(sound[: len(mixed), 0]), atol=1e-4)


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
def test_click_when_captured_then_its_block_has_its_instant(rate_hz):
    samples = np.zeros((rate_hz, 1), np.float32)
    at = int(0.637 * rate_hz)
    samples[at] = 1.0
    _, blocks = run(samples, rate_hz)
    loudest = max(blocks, key=lambda block: np.abs(block.samples).max())
    t_click_ns = loudest.t_capture_ns + int(np.abs(loudest.samples).argmax()) * NS_PER_S // 16_000
    assert abs(t_click_ns - (T_NS + at * NS_PER_S // rate_hz)) < 200_000


def test_voice_when_driver_delivers_then_samples_at_the_device_rate_with_their_instants():
    samples, voice = tone(44_100), Fan()
    ring = voice.add(200)
    chain = SoundChain(44_100, Level(44_100), voice)
    for start in range(0, len(samples), 441):
        chain.feed(samples[start : start + 441], T_NS + start * NS_PER_S // 44_100)
    blocks = list(iter(ring.take, None))
    assert [block.did_restart for block in blocks] == [True] + [False] * 99
    assert all(block.rate_hz == 44_100 and not block.samples.flags.writeable for block in blocks)
    np.testing.assert_array_equal(np.concatenate([block.samples for block in blocks]), samples[:, 0])
    instants_ns = np.array([block.t_capture_ns for block in blocks])
    assert np.abs(instants_ns - (T_NS + np.arange(100) * 10_000_000)).max() < 1000


def test_time_when_driver_jitters_then_blocks_do_not():
    chain, rng, starts = SoundChain(48_000, Level(48_000)), np.random.default_rng(0), []
    for k in range(3000):
        jitter_ns = int(rng.normal(0, 2e6))
        blocks = chain.feed(np.zeros((480, 1), np.float32), T_NS + k * 10_000_000 + jitter_ns)
        starts += [block.t_capture_ns for block in blocks]
    steps_ns = np.diff(starts[500:])
    assert np.abs(steps_ns - 10_000_000).max() < 300_000
    assert abs(starts[-1] - (T_NS + (len(starts) - 1) * 10_000_000)) < 1_500_000


def test_time_when_device_clock_is_fast_then_followed_for_a_minute():
    chain, last = SoundChain(48_000, Level(48_000)), None
    for k in range(6000):
        # 100 ppm: 10 ms of samples come every 9.999 ms.
        for block in chain.feed(np.zeros((480, 1), np.float32), T_NS + k * 9_999_000):
            last = block
    assert abs(last.t_capture_ns - (T_NS + last.index // 160 * 9_999_000)) < 1_000_000


def starts_of(lateness_ms, n_deliveries=1000):
    """Lateness of each block's instant in ms, when the stamp of delivery k is late by `lateness_ms(k)`."""
    chain, late = SoundChain(48_000, Level(48_000)), []
    for k in range(n_deliveries):
        stamp_ns = T_NS + k * 10_000_000 + round(lateness_ms(k) * 1e6)
        blocks = chain.feed(np.zeros((480, 1), np.float32), stamp_ns)
        late += [(block.t_capture_ns - T_NS) / 1e6 - block.index / 16 for block in blocks]
    return np.array(late)


@pytest.mark.parametrize(
    "lateness_ms",
    [
        lambda k: 60 * (k % 5 == 0),
        lambda k: 60 * (k % 2),
        # PulseAudio with buffers of 100 and 500 ms: deliveries of one buffer have the same stamp.
        lambda k: 40 - 10 * (k % 10),
        lambda k: 240 - 10 * (k % 50),
        lambda k: -10 * (k % 50),
        lambda k: 200 * (k % 100 == 7) - 200 * (k % 100 == 57),
    ],
    ids=["every fifth", "every second", "pulse 100", "pulse 500", "pulse 500 from its first", "outliers"],
)
def test_time_when_stamps_jump_then_the_sample_count_is_the_clock(lateness_ms):
    late_ms = starts_of(lateness_ms)
    assert np.abs(np.diff(late_ms)).max() < 40
    settled = late_ms[150:]
    # At most 3 % faster or slower from one block to the next, and 0.5 % over a second.
    assert np.abs(np.diff(settled)).max() < 0.3
    assert np.abs(settled[100:] - settled[:-100]).max() < 10
    # Between the smallest and the largest stamp of the driver.
    stamped = [lateness_ms(k) for k in range(1000)]
    assert min(stamped) <= settled.min() and settled.max() <= max(stamped)


@pytest.mark.parametrize("lost_ms", [100, 2100, 12_000, -300])
def test_time_when_sound_was_lost_then_jumps_after_half_a_second_and_only_once(lost_ms):
    late_ms = starts_of(lambda k: lost_ms * (k >= 300))
    steps_ms = np.diff(late_ms)
    (at,) = np.flatnonzero(np.abs(steps_ms) > 20)
    assert 340 <= at <= 352
    assert late_ms[-1] == pytest.approx(lost_ms, abs=8)
    assert np.abs(late_ms[:at]).max() < 8


def test_time_when_the_program_was_suspended_then_buffered_sound_follows_without_a_gap():
    # Measured with PulseAudio: 2.9 s of buffered sound arrive together, stamped as captured now; the rest is lost.
    late_ms = starts_of(lambda k: 0 if k < 300 else 5000 - 10 * (k - 300) if k < 586 else 2100)
    assert np.abs(late_ms[:580]).max() < 40
    assert late_ms[-1] == pytest.approx(2100, abs=8)


def test_bad_samples_when_nan_or_infinite_then_silence_and_counted():
    samples = tone(16_000)
    samples[100], samples[200], samples[300] = np.nan, np.inf, -np.inf
    chain, blocks = run(samples, 16_000)
    assert chain.n_bad_samples == 3
    assert all(np.isfinite(block.samples).all() for block in blocks)


def test_first_block_when_stream_begins_then_it_alone_is_marked_as_restart():
    _, blocks = run(tone(16_000), 16_000)
    assert [block.did_restart for block in blocks[:3]] == [True, False, False]
    assert [block.index for block in blocks[:3]] == [0, 160, 320]
    assert not blocks[0].samples.flags.writeable


def test_level_when_gain_is_6_db_then_twice_as_loud_and_never_beyond_full_scale():
    level = Level(16_000, MicControls(6.02))
    assert np.allclose(level.apply(np.full(160, 0.25, np.float32)), 0.5, atol=1e-3)
    assert level.level_db == pytest.approx(-6.02, abs=0.1)
    assert level.apply(np.full(160, 0.9, np.float32)).max() == 1.0


def test_level_when_muted_then_silence_and_meter_falls():
    controls = MicControls()
    level = Level(16_000, controls)
    level.apply(np.full(160, 0.5, np.float32))
    controls.is_muted = True
    for _ in range(400):
        assert not level.apply(np.full(160, 0.5, np.float32)).any()
    assert level.level_db == -120.0
