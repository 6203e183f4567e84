"""A sound card whose clock differs from the program's: sound and picture stay together for as long as one records."""

from dataclasses import replace

import numpy as np
import pytest

from avatar_app.contracts.handoff import Ring
from avatar_app.contracts.packets import VoiceBlock
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live.record import repair
from avatar_app.live.record.canvas import Canvas
from avatar_app.live.record.disk_file import DiskFile
from avatar_app.live.record.drift_resampler import Follower
from avatar_app.live.record.encoders import X264
from avatar_app.live.record.formats import FilmSize, RecordFormat, RecordOptions
from avatar_app.live.record.growing_file import Film
from avatar_app.live.record.muxer import Take
from tests.fakes.recording import clicks, flashes, packet_times, picture_at, probe

FPS = 30
SIZE = (32, 32)
BLOCK_S = 0.1
MINUTE_S = 60.0


def record_film(path, ppm, seconds, rate_hz=48_000):
    """A film of a device whose clock is `ppm` fast; a click and a white picture at every minute."""
    file = DiskFile(path)
    film = Film(file, RecordFormat.MP4, X264, FilmSize(*SIZE, FPS), has_sound=True, title="")
    voice, speed = Ring(10), 1 + ppm * 1e-6
    take = Take(film, Canvas(RecordOptions(path.parent, FPS), FilmSize(*SIZE, FPS)), FPS, 0, voice)
    dark, white = picture_at(0, 0, 20, SIZE).pixels, picture_at(0, 0, 255, SIZE).pixels
    n, index = round(BLOCK_S * rate_hz), 0
    jitter = np.random.default_rng(0)
    for block in range(round(seconds / BLOCK_S)):
        samples = np.zeros(n, np.float32)
        # On the device's own clock, which everything but the film goes by.
        if block * BLOCK_S % MINUTE_S < BLOCK_S / 2:
            samples[: rate_hz // 100] = 0.9
        stamp_ns = block * BLOCK_S * NS_PER_S / speed + jitter.normal(0, 0.2e6)
        voice.put(voice_of(stamp_ns, rate_hz, samples))
        take.hear(1)
        while index < (block + 1) * BLOCK_S * FPS:
            is_white = index % (MINUTE_S * FPS) == 0
            t_ns = int(index / FPS * NS_PER_S / speed)
            take.see(with_pixels(picture_at(t_ns, index, size=(1, 1)), white if is_white else dark))
            index += 1
    take.finish()
    film.finish()
    file.close()
    return take.counts


def voice_of(stamp_ns, rate_hz, samples):
    return VoiceBlock(int(stamp_ns), rate_hz, samples)


def with_pixels(picture, pixels):
    return replace(picture, pixels=pixels)


@pytest.mark.slow
@pytest.mark.parametrize(("ppm", "minutes"), [(600, 10), (-600, 5)])
def test_recording_when_clocks_part_by_a_third_of_a_second_then_sound_and_picture_stay_within_20_ms(
    tmp_path, ppm, minutes
):
    pieces = tmp_path / "film.recording.mp4"
    counts = record_film(pieces, ppm, minutes * MINUTE_S)
    path = repair(pieces)
    heard, seen = np.array(clicks(path)), np.array(flashes(path))
    assert len(heard) == len(seen) == minutes
    assert abs(heard - seen).max() < 0.020
    assert counts.n_repeated + counts.n_late == pytest.approx(minutes * MINUTE_S * 600e-6 * FPS, abs=2)
    # Each click stands where it was captured, by the program's clock: nothing gathers.
    assert heard == pytest.approx(np.arange(minutes) * MINUTE_S / (1 + ppm * 1e-6), abs=0.002)
    streams, _ = probe(path)
    assert float(streams["video"]["duration"]) == pytest.approx(float(streams["audio"]["duration"]), abs=1 / FPS)
    assert packet_times(path, "v") == pytest.approx(np.arange(int(streams["video"]["nb_frames"])) / FPS, abs=1e-3)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000, 96_000])
def test_follower_when_clocks_agree_then_a_tone_comes_through_at_its_place(rate_hz):
    place = 100.25
    tone = np.sin(2 * np.pi * 1000 * np.arange(rate_hz) / rate_hz).astype(np.float32)
    follower, start = Follower(rate_hz, place), 101
    out = np.concatenate((follower.feed(tone, place), follower.finish()))
    times = (start + np.arange(len(out)) - place) / 48_000
    inner = slice(1000, -1000)
    assert len(out) == pytest.approx(48_000, abs=6)
    assert abs(out - np.sin(2 * np.pi * 1000 * times))[inner].max() < 2e-3


def test_follower_when_fed_in_pieces_then_as_when_fed_whole():
    sound = np.random.default_rng(0).normal(0, 0.2, 44_100).astype(np.float32)
    whole = Follower(44_100, 0.0)
    expected = np.concatenate((whole.feed(sound, 0.0), whole.finish()))
    pieces, out = Follower(44_100, 0.0), []
    out += [pieces.feed(sound[k : k + 441], pieces.expected()) for k in range(0, len(sound), 441)]
    out.append(pieces.finish())
    assert np.concatenate(out) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("ppm", [-300, 50, 300])
def test_follower_when_stamps_drift_then_it_stays_within_a_millisecond_and_bends_no_tone(ppm):
    speed = 1 + ppm * 1e-6
    follower, out = Follower(48_000, 0.0), []
    for k in range(2000):
        tone = np.sin(2 * np.pi * 1000 * (480 * k + np.arange(480)) / 48_000).astype(np.float32)
        place = 480 * k / speed
        assert abs(place - follower.expected()) < 48
        out.append(follower.feed(tone, place))
    heard = np.concatenate(out)[48_000:]
    # The tone is heard as it was in the world: a thousand periods a second of the device, on the program's clock.
    crossings = np.flatnonzero((heard[:-1] < 0) & (heard[1:] >= 0))
    periods = np.diff(crossings)
    assert set(periods) <= {47, 48, 49}
    assert (crossings[-1] - crossings[0]) / (len(crossings) - 1) == pytest.approx(48 / speed, rel=2e-5)
