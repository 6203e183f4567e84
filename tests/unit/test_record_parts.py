"""Small parts of the recorder: timestamps, encoders, names, frames, marks."""

import errno
import subprocess
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from avatar_app.bench.record_cost import measure_cost
from avatar_app.contracts import atomic_file
from avatar_app.contracts.errors import OutputError
from avatar_app.contracts.handoff import Fan
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live.audio.interpolator import Interpolator
from avatar_app.live.mic.chain import SoundChain
from avatar_app.live.mic.level import Level
from avatar_app.live.record import (
    RecordFormat,
    RecordOptions,
    encoders,
    pick_encoder,
    snapshot,
    sound_track,
)
from avatar_app.live.record.folder import final_path, marked_path
from avatar_app.live.record.formats import VideoSize
from avatar_app.live.record.frame_converter import FrameConverter, video_size
from avatar_app.live.record.picture_track import PictureTrack
from avatar_app.live.record.sound_track import SoundTrack
from tests.fakes.recording import picture_at, voice_at

PERIOD_NS = NS_PER_S // 25
SIZE = VideoSize(64, 64, 25)


def timestamps(track, *pictures):
    return [pts for picture in pictures for pts, _ in track.feed(picture)]


def at(pts, is_repeat=False, t_ready_ns=None):
    return picture_at(round(pts * PERIOD_NS), size=(2, 2), is_repeat=is_repeat, t_ready_ns=t_ready_ns)


def test_picture_track_when_times_jitter_around_the_middle_then_no_timestamp_is_skipped():
    track, jitter = PictureTrack(0, 25), np.random.default_rng(0).uniform(-0.03, 0.03, 200)
    assert timestamps(track, at(0), *(at(k + 0.5 + jitter[k]) for k in range(1, 200))) == list(range(200))


def test_picture_track_when_time_passes_beyond_half_a_picture_then_the_timestamp_follows():
    assert timestamps(PictureTrack(0, 25), at(0), at(1.6), at(2.7), at(4.4)) == [0, 2, 3, 4]


def test_picture_track_when_pictures_come_twice_as_fast_then_half_of_them_are_late():
    track = PictureTrack(0, 25)
    assert timestamps(track, *(at(k / 2) for k in range(100))) == list(range(51))
    assert track.n_late == 49


def test_picture_track_when_a_mouth_comes_after_its_repeat_then_the_mouth_wins():
    track = PictureTrack(0, 25)
    ready = 3 * PERIOD_NS
    first = picture_at(0, size=(2, 2), t_ready_ns=ready)
    repeat = picture_at(0, size=(2, 2), is_repeat=True, t_ready_ns=ready + PERIOD_NS)
    mouth = picture_at(PERIOD_NS, size=(2, 2), t_ready_ns=ready + 2 * PERIOD_NS)
    found = [pair for picture in (first, repeat, mouth) for pair in track.feed(picture)]
    assert found == [(0, first), (1, mouth)]


def test_picture_track_when_only_repeats_come_then_each_has_its_timestamp_after_one_more():
    track = PictureTrack(0, 25)
    repeats = [at(0, is_repeat=True, t_ready_ns=k * PERIOD_NS) for k in range(10)]
    assert timestamps(track, *repeats) == list(range(9))
    assert [pts for pts, _ in track.flush()] == [9]


def test_picture_track_when_the_program_was_suspended_then_pictures_continue_after_it():
    track = PictureTrack(0, 25)
    assert timestamps(track, *(at(k) for k in range(5))) == list(range(5))
    # 12 s later: mouths of sound from before the suspension, and repeats of them.
    stale = [at(5 + k, is_repeat=k % 2 == 1, t_ready_ns=(305 + 2 * k) * PERIOD_NS) for k in range(10)]
    found = timestamps(track, *stale, at(325))
    assert found[0] >= 300 and found[-1] == 325
    assert len(found) >= 10
    assert track.n_late == 0


def test_sound_track_when_a_block_comes_too_late_then_its_position_stays_silent_and_it_is_counted():
    track = SoundTrack(0)
    ones = np.ones(4800, np.float32)
    given = list(track.feed(voice_at(0, ones)))
    given += track.fill(NS_PER_S)
    given += track.feed(voice_at(NS_PER_S // 2, ones, did_restart=True))
    given += track.feed(voice_at(NS_PER_S, ones, did_restart=True))
    given += track.finish()
    whole = np.concatenate(given)
    assert len(whole) == track.n_samples == pytest.approx(48_000 + 4800, abs=20)
    assert track.n_late == pytest.approx(4800, abs=20)
    assert abs(whole[5000:47_900]).max() == 0
    assert whole[1000] == whole[50_000] == pytest.approx(1, abs=0.01)


def test_sound_track_when_an_end_is_set_then_has_exactly_that_length():
    for n_voice in (4800, 96_000):
        track = SoundTrack(0)
        track.end_at(48_000)
        given = [*track.feed(voice_at(0, np.ones(n_voice))), *track.finish()]
        assert sum(map(len, given)) == 48_000


@pytest.mark.parametrize("late_ms", [[60, 0, 0, 0, 0], [240 - 10 * k for k in range(50)]], ids=["busy", "burst"])
def test_sound_track_when_driver_timestamps_jump_then_all_sound_is_there_and_one_table_was_made(monkeypatch, late_ms):
    made = []
    monkeypatch.setattr(sound_track, "Interpolator", lambda *rates: made.append(rates) or Interpolator(*rates))
    voice = Fan()
    ring = voice.add(1000)
    chain, track, given = SoundChain(48_000, Level(48_000), voice), SoundTrack(0), []
    for k in range(600):
        stamp_ns = NS_PER_S + 10_000_000 * k + round(1e6 * late_ms[k % len(late_ms)])
        chain.feed(np.full((480, 1), 0.5, np.float32), stamp_ns)
        given += track.feed(ring.take())
    sound = np.concatenate(given)[2 * 48_000 :]
    assert sound.min() > 0.45
    assert track.n_samples == pytest.approx(7 * 48_000, abs=0.3 * 48_000)
    assert track.n_late < 0.1 * 48_000
    assert made == [(48_000, 48_000)]


def test_sound_track_when_the_microphone_restarts_often_then_one_table_for_each_rate(monkeypatch):
    made = []
    monkeypatch.setattr(sound_track, "Interpolator", lambda *rates: made.append(rates[0]) or Interpolator(*rates))
    track = SoundTrack(0)
    for k in range(60):
        rate_hz = 44_100 if k % 2 else 16_000
        list(track.feed(voice_at(k * 20_000_000, np.ones(rate_hz // 100), rate_hz, did_restart=True)))
    assert made == [16_000, 44_100]


@pytest.mark.parametrize("n_boxes", [1, 2, 5])
def test_sound_track_when_blocks_are_lost_then_silence_of_their_length(n_boxes):
    track, given = SoundTrack(0), []
    for k in range(60):
        if not 10 <= k < 10 + 5 * n_boxes:
            given += track.feed(voice_at(k * 10_000_000, np.ones(480)))
    whole = np.concatenate(given)
    n_silent = int((abs(whole[2000:-2000]) < 1e-3).sum())
    assert n_silent == pytest.approx(5 * n_boxes * 480, abs=60)


def test_pick_encoder_when_the_first_ones_cannot_encode_then_the_next(monkeypatch):
    bad = encoders.Encoder("no_such_encoder", is_hardware=True)
    monkeypatch.setattr(encoders, "HARDWARE", (bad, encoders.Encoder("libx264", "no_such_format", is_hardware=True)))
    assert pick_encoder(RecordFormat.MP4, "auto", SIZE) == encoders.X264


def test_pick_encoder_when_hardware_encodes_then_it_is_used_unless_software_is_wanted(monkeypatch):
    hardware = encoders.Encoder("mpeg4", is_hardware=True)
    monkeypatch.setattr(encoders, "HARDWARE", (hardware,))
    assert pick_encoder(RecordFormat.MP4, "auto", SIZE) is hardware
    assert pick_encoder(RecordFormat.MP4, "software", SIZE) == encoders.X264


def test_pick_encoder_when_none_works_then_error(monkeypatch):
    monkeypatch.setattr(encoders, "try_encoder", lambda *_: "broken")
    with pytest.raises(OutputError, match="No video encoder for mp4"):
        pick_encoder(RecordFormat.MP4, "auto", SIZE)


@pytest.mark.parametrize("encoder", [*encoders.SOFTWARE, *encoders.PRORES, *encoders.VP9, *encoders.HARDWARE])
def test_try_encoder_when_called_then_returns_without_raising(encoder):
    problem = encoders.try_encoder(encoder, SIZE)
    assert problem is None or problem


def test_marked_path_when_finished_or_unfinished_namesakes_exist_then_never_the_same(tmp_path):
    when = datetime(2026, 11, 25, 14, 30, 5)
    first = marked_path(tmp_path, ".mp4", when)
    assert first.name == "Avatar 2026-11-25 14.30.05.recording.mp4"
    first.touch()
    second = marked_path(tmp_path, ".mp4", when)
    assert second.name == "Avatar 2026-11-25 14.30.05 (2).recording.mp4"
    assert final_path(first).name == "Avatar 2026-11-25 14.30.05.mp4"
    final_path(first).touch()
    assert final_path(first).name == "Avatar 2026-11-25 14.30.05 (2).mp4"


def test_frame_converter_when_half_transparent_then_blended_on_the_colour(tmp_path):
    options = RecordOptions(tmp_path, 25, background_colour="#ff0000")
    pixels = np.full((64, 64, 4), (200, 100, 0, 128), np.uint8)
    planes = FrameConverter(options, SIZE).convert(pixels)
    shown = cv2.cvtColor(planes, cv2.COLOR_YUV2BGR_I420)
    assert shown[32, 32].astype(int) == pytest.approx([100, 50, 127], abs=4)


def test_frame_converter_when_the_picture_changes_its_size_then_fitted_in_the_middle(tmp_path):
    options = RecordOptions(tmp_path, 25, RecordFormat.PRORES)
    out = FrameConverter(options, VideoSize(80, 40, 25)).convert(np.full((100, 100, 4), 255, np.uint8))
    assert out.shape == (40, 80, 4)
    assert out[:, 20:60].min() == 255
    assert out[:, :20].max() == out[:, 60:].max() == 0


@pytest.mark.parametrize(("width", "height"), [(8, 64), (5000, 64)])
def test_video_size_when_encoders_would_refuse_then_error(tmp_path, width, height):
    with pytest.raises(OutputError, match="cannot be recorded"):
        video_size(RecordOptions(tmp_path, 25, width_px=width, height_px=height), np.zeros((64, 64, 4), np.uint8))


def test_snapshot_when_taken_then_a_png_with_alpha_that_is_marked_as_ai_generated(tmp_path):
    picture = picture_at(0, value=120, size=(48, 32), alpha=77)
    when = datetime(2026, 11, 25, 14, 30, 5)
    path = snapshot(picture, tmp_path, when=when)
    assert path.name == "Avatar 2026-11-25 14.30.05.png"
    assert (cv2.imread(str(path), cv2.IMREAD_UNCHANGED) == picture.pixels).all()
    content = path.read_bytes()
    assert b"AI-generated avatar" in content
    assert b'DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"' in content
    command = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name,pix_fmt:frame_tags", "-show_frames"]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "AI-generated avatar" in done.stdout
    assert "rgba" in done.stdout
    assert snapshot(picture, tmp_path, when=when).name == "Avatar 2026-11-25 14.30.05 (2).png"


def test_snapshot_when_disk_cannot_be_written_then_error(tmp_path, monkeypatch):
    def refuse(path, *_, **__):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(atomic_file.os, "open", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OutputError, match="cannot be written to"):
        snapshot(picture_at(0), tmp_path)
    monkeypatch.undo()


def test_snapshot_when_folder_is_missing_then_error(tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        snapshot(picture_at(0), tmp_path / "gone")


def test_measure_cost_when_run_then_gives_the_cost_of_a_second():
    pictures = [picture_at(0, value=value).pixels for value in (20, 200)]
    cost = measure_cost(pictures, fps=25, seconds=1)
    assert cost.encoder in {encoder.name for encoder in (*encoders.HARDWARE, *encoders.SOFTWARE)}
    assert cost.cpu_percent_of_one_core > 0
    assert cost.mb_per_min > 0
