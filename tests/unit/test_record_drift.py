"""A sound card whose clock drifts against the program's: sound and picture stay in sync in recordings of any length."""

from dataclasses import replace

import numpy as np
import pytest

from avatar_app.contracts.handoff import Ring
from avatar_app.contracts.packets import VoiceBlock
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live.record import repair
from avatar_app.live.record.disk_file import DiskFile
from avatar_app.live.record.drift_resampler import DriftResampler
from avatar_app.live.record.encoders import X264
from avatar_app.live.record.formats import RecordFormat, RecordOptions, VideoSize
from avatar_app.live.record.fragmented_file import FragmentedFile
from avatar_app.live.record.frame_converter import FrameConverter
from avatar_app.live.record.muxer import Muxer
from tests.fakes.recording import clicks, flashes, packet_times, picture_at, probe

FPS = 30
SIZE = (32, 32)
BLOCK_S = 0.1
MINUTE_S = 60.0


def record(path, ppm, seconds, rate_hz=48_000):
    """Record a device whose clock is `ppm` fast; with a click and a white picture every minute."""
    file = DiskFile(path)
    container = FragmentedFile(file, RecordFormat.MP4, X264, VideoSize(*SIZE, FPS), has_sound=True, title="")
    voice, speed = Ring(10), 1 + ppm * 1e-6
    muxer = Muxer(container, FrameConverter(RecordOptions(path.parent, FPS), VideoSize(*SIZE, FPS)), FPS, 0, voice)
    dark, white = picture_at(0, 0, 20, SIZE).pixels, picture_at(0, 0, 255, SIZE).pixels
    n, index = round(BLOCK_S * rate_hz), 0
    jitter = np.random.default_rng(0)
    for block in range(round(seconds / BLOCK_S)):
        samples = np.zeros(n, np.float32)
        # On the clock of the device, as all times except those of the file.
        if block * BLOCK_S % MINUTE_S < BLOCK_S / 2:
            samples[: rate_hz // 100] = 0.9
        stamp_ns = block * BLOCK_S * NS_PER_S / speed + jitter.normal(0, 0.2e6)
        voice.put(voice_of(stamp_ns, rate_hz, samples))
        muxer.add_sound(1)
        while index < (block + 1) * BLOCK_S * FPS:
            is_white = index % (MINUTE_S * FPS) == 0
            t_ns = int(index / FPS * NS_PER_S / speed)
            muxer.add_picture(with_pixels(picture_at(t_ns, index, size=(1, 1)), white if is_white else dark))
            index += 1
    muxer.finish()
    container.finish()
    file.close()
    return muxer.counts


def voice_of(stamp_ns, rate_hz, samples):
    return VoiceBlock(int(stamp_ns), rate_hz, samples)


def with_pixels(picture, pixels):
    return replace(picture, pixels=pixels)


@pytest.mark.slow
@pytest.mark.parametrize(("ppm", "minutes"), [(600, 10), (-600, 5)])
def test_recording_when_clocks_drift_by_a_third_of_a_second_then_sound_and_picture_stay_within_20_ms(
    tmp_path, ppm, minutes
):
    fragmented = tmp_path / "video.recording.mp4"
    counts = record(fragmented, ppm, minutes * MINUTE_S)
    path = repair(fragmented)
    heard, seen = np.array(clicks(path)), np.array(flashes(path))
    assert len(heard) == len(seen) == minutes
    assert abs(heard - seen).max() < 0.020
    assert counts.n_repeated + counts.n_late == pytest.approx(minutes * MINUTE_S * 600e-6 * FPS, abs=2)
    # Each click is at its capture time on the program's clock: the error does not accumulate.
    assert heard == pytest.approx(np.arange(minutes) * MINUTE_S / (1 + ppm * 1e-6), abs=0.002)
    streams, _ = probe(path)
    assert float(streams["video"]["duration"]) == pytest.approx(float(streams["audio"]["duration"]), abs=1 / FPS)
    assert packet_times(path, "v") == pytest.approx(np.arange(int(streams["video"]["nb_frames"])) / FPS, abs=1e-3)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000, 96_000])
def test_resampler_when_clocks_agree_then_a_tone_is_unchanged_and_at_its_position(rate_hz):
    position = 100.25
    tone = np.sin(2 * np.pi * 1000 * np.arange(rate_hz) / rate_hz).astype(np.float32)
    resampler, start = DriftResampler(rate_hz, position), 101
    out = np.concatenate((resampler.feed(tone, position), resampler.finish()))
    times = (start + np.arange(len(out)) - position) / 48_000
    inner = slice(1000, -1000)
    assert len(out) == pytest.approx(48_000, abs=6)
    assert abs(out - np.sin(2 * np.pi * 1000 * times))[inner].max() < 2e-3


def test_resampler_when_fed_in_pieces_then_equals_the_whole():
    sound = np.random.default_rng(0).normal(0, 0.2, 44_100).astype(np.float32)
    whole = DriftResampler(44_100, 0.0)
    expected = np.concatenate((whole.feed(sound, 0.0), whole.finish()))
    pieces, out = DriftResampler(44_100, 0.0), []
    out += [pieces.feed(sound[k : k + 441], pieces.expected()) for k in range(0, len(sound), 441)]
    out.append(pieces.finish())
    assert np.concatenate(out) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("ppm", [-300, 50, 300])
def test_resampler_when_timestamps_drift_then_it_stays_within_a_millisecond_and_keeps_the_pitch(ppm):
    speed = 1 + ppm * 1e-6
    resampler, out = DriftResampler(48_000, 0.0), []
    for k in range(2000):
        tone = np.sin(2 * np.pi * 1000 * (480 * k + np.arange(480)) / 48_000).astype(np.float32)
        position = 480 * k / speed
        assert abs(position - resampler.expected()) < 48
        out.append(resampler.feed(tone, position))
    tone = np.concatenate(out)[48_000:]
    # A thousand periods per second of the device's clock, measured on the program's clock.
    crossings = np.flatnonzero((tone[:-1] < 0) & (tone[1:] >= 0))
    periods = np.diff(crossings)
    assert set(periods) <= {47, 48, 49}
    assert (crossings[-1] - crossings[0]) / (len(crossings) - 1) == pytest.approx(48 / speed, rel=2e-5)
