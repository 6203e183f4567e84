"""A recording of the live path with real models, in real time."""

import numpy as np
import pytest

from avatar_app.contracts.clock import MonotonicClock
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.live.pipeline import LivePipeline
from avatar_app.live.record import VOICE_BLOCKS, Recorder, RecordOptions, RecordState
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings
from tests.fakes.recording import brightness, packet_times, probe, sound, wait_until

FPS = 25


def test_recording_when_the_sample_speaks_and_the_microphone_is_refreshed_then_file_of_constant_rate_with_voice(
    tmp_path,
):
    clock, notices = MonotonicClock(), NoticeBoard()
    settings = Settings(mic="demo", precision="int8", fps=FPS, background="colour")
    pipeline, recorder = (
        LivePipeline(settings, ProfilePaths(tmp_path / "profile"), clock, notices),
        Recorder(clock, notices),
    )
    folder = tmp_path / "videos"
    folder.mkdir()
    pipeline.start()
    try:
        wait_until(lambda: pipeline.status().t_first_mouth_ns is not None)
        pictures, voice = pipeline.pictures.add(), pipeline.voice.add(VOICE_BLOCKS)
        recorder.start(RecordOptions(folder, FPS, encoder="software", keep_free_mb=0), pictures, voice)
        wait_until(lambda: recorder.status().seconds > 1.5)
        pipeline.refresh_mic()
        wait_until(lambda: recorder.status().seconds > 3.5)
        status = recorder.stop()
    finally:
        recorder.stop()
        pipeline.close()
    assert status.state is RecordState.SAVED
    assert status.n_sound_lost == 0
    streams, _ = probe(status.path)
    video_s, audio_s = float(streams["video"]["duration"]), float(streams["audio"]["duration"])
    assert video_s == pytest.approx(audio_s, abs=1 / FPS)
    assert 3.5 < video_s == pytest.approx(status.seconds, abs=1 / FPS)
    assert np.diff(packet_times(status.path, "v")).min() > 0
    assert len({round(value, 2) for _, value in brightness(status.path)}) > FPS
    _, samples = sound(status.path)
    assert all(abs(part).max() > 0.01 for part in np.array_split(samples, 2))
