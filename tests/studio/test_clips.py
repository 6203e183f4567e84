from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.data import clips
from avatar_app.studio.data.av_clips import rendered_av_clips
from avatar_app.studio.data.clips import (
    is_at_rest,
    load_pictures,
    read_frames,
    read_params,
    rest_picture,
    still_clips,
)
from avatar_app.studio.mouth import REST
from tests.studio.rendered_clips import N, write_clips


@pytest.fixture
def nova(tmp_path):
    return write_clips(tmp_path / "nova")


def test_still_clips_when_listed_then_only_those_at_rest_with_their_split(nova):
    assert [(clip.name, clip.is_train) for clip in still_clips(nova)] == [("still_000", True), ("still_001", False)]


def test_params_when_columns_are_in_another_order_then_sorted_by_name(nova):
    params = read_params(still_clips(nova)[0])
    assert np.allclose(params[0], REST)
    assert params[-1, 0] == pytest.approx(0.5)
    assert is_at_rest(params).tolist() == [True] * 3 + [False] * 3


def test_rest_picture_when_clips_move_then_mean_of_the_pictures_at_rest(nova):
    assert abs(float(rest_picture(still_clips(nova)[:1]).mean()) - 80) < 3


def test_rest_picture_when_the_first_clip_is_broken_then_left_out_with_a_warning(nova, caplog):
    first = still_clips(nova)[0].folder
    (first / "params.npz").write_bytes(b"rubbish")
    assert abs(float(rest_picture(still_clips(nova)).mean()) - 80) < 3
    assert "still_000 is left out" in caplog.text
    (first.parent / "still_001" / "video.mp4").unlink()
    with pytest.raises(StudioError, match="No usable clip"):
        rest_picture(still_clips(nova))


def test_read_clips_when_the_first_shows_another_face_then_only_that_one_is_left_out(tmp_path, caplog):
    nova = write_clips(tmp_path / "nova", ((256, 256),) * 3, (N,) * 3, ("train",) * 3)
    write_video(nova / "clips" / "still_000" / "video.mp4", np.arange(N) / 25, colour=lambda k: 250)
    assert [clip.name for clip, *_ in clips.read_clips(still_clips(nova))] == ["still_001", "still_002"]
    assert "still_000 is left out: it does not show the face" in caplog.text
    assert abs(float(rest_picture(still_clips(nova)).mean()) - 80) < 3


def test_load_when_called_twice_then_decoded_once_and_same(nova, tmp_path, monkeypatch):
    first = load_pictures(nova, tmp_path / "cache")
    monkeypatch.setattr(clips, "read_clips", lambda _: pytest.fail("decoded again"))
    second = load_pictures(nova, tmp_path / "cache")
    assert first.frames.shape == (2 * N, 256, 256, 3)
    assert np.array_equal(first.frames, second.frames)
    assert second.is_train.tolist() == [True] * N + [False] * N
    assert second.clip.tolist() == [0] * N + [1] * N


def test_load_when_clips_changed_then_decoded_again_and_mapped_pictures_stay(nova, tmp_path):
    first = load_pictures(nova, tmp_path / "cache")
    before = first.frames.copy()
    for clip in still_clips(nova):
        write_video(clip.folder / "video.mp4", np.arange(N) / 25, colour=lambda k: 200)
    assert load_pictures(nova, tmp_path / "cache").frames.mean() > 190
    assert np.array_equal(first.frames, before)


def test_load_when_one_clip_is_broken_then_left_out_with_a_warning(nova, tmp_path, caplog):
    (nova / "clips" / "still_001" / "video.mp4").write_bytes(b"rubbish")
    assert len(load_pictures(nova, tmp_path / "cache").frames) == N
    assert "still_001" in caplog.text


def write_video(path, times_s, size_px=256, colour=lambda k: 60 + 5 * k):
    """Grey pictures with the given start times; the last lasts 40 ms."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=1000)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = size_px, size_px, "yuv420p", 4_000_000
        stream.codec_context.time_base = Fraction(1, 1000)
        for k, t_s in enumerate(times_s):
            grey = np.full((size_px, size_px, 3), colour(k), np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="bgr24")
            frame.pts, frame.time_base = round(1000 * t_s), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize(
    "times_s",
    [
        pytest.param(np.arange(30) / 30, id="30 fps"),
        pytest.param(np.arange(30) * 1001 / 30000, id="29.97 fps"),
        pytest.param(np.arange(60) / 60, id="60 fps"),
        pytest.param(np.cumsum([0, *[0.01, 0.09, 0.03, 0.06] * 7]), id="variable"),
    ],
)
def test_read_frames_when_rate_differs_then_the_frame_at_each_instant(nova, times_s):
    clip = still_clips(nova)[0]
    write_video(clip.folder / "video.mp4", times_s, colour=lambda k: 20 + 3 * k)
    with av.open(str(clip.folder / "video.mp4")) as container:
        frames = list(container.decode(video=0))
    each = np.array([float(frame.to_ndarray(format="bgr24").mean()) for frame in frames])
    begins_s = np.array([frame.time for frame in frames]) - frames[0].time
    shown = [float(frame.mean()) for frame in read_frames(clip)]
    asked_s = (np.arange(len(shown)) + 0.5) / 25
    number = np.searchsorted(begins_s - 1e-4, asked_s, side="right") - 1
    assert len(shown) >= 24
    assert len(each) == len(times_s)
    assert np.array_equal(shown, each[number])


def test_read_frames_when_size_differs_then_resized(nova):
    clip = still_clips(nova)[0]
    write_video(clip.folder / "video.mp4", np.arange(6) / 25, size_px=200)
    assert {frame.shape for frame in read_frames(clip)} == {(256, 256, 3)}


def test_load_when_a_clip_is_too_short_then_left_out(nova, tmp_path, caplog):
    write_video(nova / "clips" / "still_001" / "video.mp4", np.arange(3) / 25)
    assert len(load_pictures(nova, tmp_path / "cache").frames) == N
    assert "pictures, fewer than 5" in caplog.text


def test_load_when_a_clip_shows_no_face_then_left_out(nova, tmp_path, caplog):
    write_video(nova / "clips" / "still_001" / "video.mp4", np.arange(6) / 25, colour=lambda k: 250)
    assert len(load_pictures(nova, tmp_path / "cache").frames) == N
    assert "still_001 is left out: it does not show the face" in caplog.text


def test_rendered_av_clips_when_without_sound_or_silent_or_short_then_left_out_with_a_warning(tmp_path, caplog):
    nova = write_clips(tmp_path / "nova", ((256, 256),) * 4, (N,) * 4, ("train",) * 4)
    hiss = np.random.default_rng(0).normal(0, 1, 16000)
    for number, sound in enumerate((1e-2 * hiss, 1e-5 * hiss, 1e-2 * hiss[:2999])):
        soundfile.write(nova / "clips" / f"still_{number:03d}" / "audio.flac", sound, 16000)
    assert [clip.name for clip in rendered_av_clips(nova, is_train=True)] == ["still_000"]
    assert "still_001 is left out: The sound of still_001 is silent." in caplog.text
    assert "still_002 is left out: The sound of still_002 is shorter than a mel window." in caplog.text
    assert "still_003 is left out: There is no file" in caplog.text


def test_load_when_size_is_odd_then_left_out(tmp_path, caplog):
    pictures = load_pictures(write_clips(tmp_path / "nova", ((256, 256), (320, 240))), tmp_path / "cache")
    assert len(pictures.frames) == N
    assert "320 x 240" in caplog.text


def test_load_when_no_clip_can_be_read_then_error(nova, tmp_path):
    for video in nova.glob("clips/*/video.mp4"):
        video.unlink()
    with pytest.raises(StudioError, match="None of the clips"):
        load_pictures(nova, tmp_path / "cache")


@pytest.mark.parametrize("text", [None, "{", "[]", '[{"split": "train"}]'])
def test_still_clips_when_list_is_broken_then_error(nova, text):
    path = nova / "clips.json"
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(StudioError, match=r"clips\.json"):
        still_clips(nova)


def test_params_when_names_are_missing_then_error_names_them(nova):
    clip = still_clips(nova)[0]
    np.savez(clip.folder / "params.npz", params=np.zeros((N, 1)), names=np.array(["jawOpen"]))
    with pytest.raises(StudioError, match="mouthPucker"):
        read_params(clip)
