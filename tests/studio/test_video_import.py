"""Import of a user's video: each picture shows its own time, and the sound clicks at known instants."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.enrol.video_import import Limits, import_video
from avatar_app.studio.enrol.video_pictures import pictures, survey
from avatar_app.studio.enrol.video_stream import decoded
from tests.fakes.media import packets_of

SHARED = Path(__file__).parents[3] / "shared" / "data"
CLICKS_S = (0.31, 0.77, 1.13)
BLACK, LEVELS_PER_S = 20.0, 140.0
SHORT = Limits(min_s=0.5, max_s=5.0)
VIDEO_PTS_HZ = 30_000


def grey_of(t_s):
    """The luma (limited range) of the picture of an instant."""
    return min(235.0, BLACK + LEVELS_PER_S * t_s)


def time_of(picture):
    """The instant that an imported picture shows, from its right half."""
    luma = 16 + picture[4:-4, picture.shape[1] // 2 + 4 : -4].mean() * 219 / 255
    return (luma - BLACK) / LEVELS_PER_S


def luma_frame(luma, size=(64, 48), pix_fmt="yuv420p", corner=None):
    """A grey frame; `corner` is the luma of its upper left quarter."""
    frame = av.VideoFrame(*size, pix_fmt)
    kind, scale = (np.uint16, 4) if "10" in pix_fmt else (np.uint8, 1)
    for number, plane in enumerate(frame.planes):
        values = np.full((plane.height, plane.line_size // kind().itemsize), (128 if number else luma) * scale, kind)
        if corner is not None and not number:
            values[: plane.height // 2, : plane.width // 2] = corner * scale
        plane.update(values.tobytes())
    return frame


def clicks(rate_hz, n_channels, seconds=1.4):
    """(n, n_channels) float32: a burst of 2 ms at each instant of `CLICKS_S`."""
    samples = np.zeros((round(seconds * rate_hz), n_channels), np.float32)
    for t_s in CLICKS_S:
        start = round(t_s * rate_hz)
        samples[start : start + rate_hz // 500] = 0.8
    return samples


def write_video(path, starts_s, **options):
    """Write a video with sound.

    Args:
        starts_s: when each picture appears, and when the last one ends.
        **options: size, pix_fmt, codec, codec_options, format_options, corner; sound_codec, rate_hz, n_channels,
            sound_start_s, when the sound begins.
    """
    fps = Fraction((len(starts_s) - 1) / (starts_s[-1] - starts_s[0])).limit_denominator(1001)
    codec, codec_options = options.get("codec", "libx264"), options.get("codec_options", {"crf": "10"})
    with av.open(str(path), "w", options=options.get("format_options", {})) as container:
        stream = container.add_stream(codec, rate=fps, options=codec_options)
        stream.width, stream.height = options.get("size", (64, 48))
        stream.pix_fmt = options.get("pix_fmt", "yuv420p")
        stream.codec_context.time_base = Fraction(1, VIDEO_PTS_HZ)
        sound = None
        if options.get("sound_codec", "aac"):
            sound = container.add_stream(options.get("sound_codec", "aac"), rate=options.get("rate_hz", 48_000))
            sound.codec_context.layout = {1: "mono", 2: "stereo"}[options.get("n_channels", 1)]
        for t_s, t_next_s in pairwise(starts_s):
            luma = grey_of((t_s + t_next_s) / 2)
            frame = luma_frame(luma, (stream.width, stream.height), stream.pix_fmt, options.get("corner"))
            frame.pts, frame.time_base = round(t_s * VIDEO_PTS_HZ), Fraction(1, VIDEO_PTS_HZ)
            frame.duration = round((t_next_s - t_s) * VIDEO_PTS_HZ)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            _write_clicks(container, sound, options.get("n_channels", 1), options.get("sound_start_s", 0.0))
    return path


def _write_clicks(container, stream, n_channels, start_s):
    rate_hz = stream.codec_context.sample_rate
    samples = clicks(rate_hz, n_channels)[round(start_s * rate_hz) :]
    to_codec = av.AudioResampler(stream.codec_context.format or "s16", stream.codec_context.layout, rate_hz)
    for packet in packets_of(stream, to_codec, samples, rate_hz, start_s):
        container.mux(packet)
    container.mux(stream.encode())


def even(fps, seconds=1.4, start_s=0.0):
    """Picture times at a constant rate."""
    return start_s + np.arange(round(fps * (seconds - start_s)) + 1) / fps


def check_sync(imported, period_s, start_s=0.0, heard_s=CLICKS_S):
    """Pictures show their instants within half a source period, clicks are at theirs, and both agree."""
    frames, sound = np.load(imported.pictures, mmap_mode="r"), np.load(imported.sound)
    width, height = imported.size
    assert frames.shape == (imported.n_frames, height, width, 3)
    assert sound.shape == (imported.n_frames * 640,)
    assert sound.dtype == np.float32
    shown_s = np.array([time_of(frame) for frame in frames])
    wanted_s = start_s + (np.arange(len(frames)) + 0.5) / 25
    assert np.abs(shown_s - wanted_s).max() <= period_s / 2 + 0.015
    found_s = np.flatnonzero((np.abs(sound) > 0.25) & (np.abs(np.r_[np.zeros(80), sound[:-80]]) < 0.1)) / 16_000
    for t_s in heard_s:
        click_s = found_s[np.abs(found_s - (t_s - start_s)).argmin()]
        assert abs(click_s - (t_s - start_s)) < 0.005
        assert abs(shown_s[int(click_s * 25)] - t_s) < 0.02 + period_s / 2


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 60, 30_000 / 1001])
def test_import_when_fps_differs_then_25_fps_in_sync(tmp_path, fps):
    film = write_video(tmp_path / "f.mp4", even(fps))
    imported = import_video(film, tmp_path / "out", SHORT)
    assert imported.n_frames == 35
    assert imported.duration_s == pytest.approx(1.4)
    assert imported.source.fps == pytest.approx(fps, rel=0.02)
    check_sync(imported, 1 / fps)


def test_import_when_50_fps_then_steps_are_even(tmp_path):
    film = write_video(tmp_path / "f.mkv", even(50), sound_codec="flac", codec_options={"qp": "0"})
    imported = import_video(film, tmp_path, SHORT)
    steps = np.diff([time_of(frame) for frame in np.load(imported.pictures)])
    assert np.abs(steps - 0.04).max() < 0.015


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov", "ts"])
def test_import_when_the_rate_varies_then_each_picture_as_long_as_displayed(tmp_path, suffix):
    steps = np.resize([1 / 30, 1 / 60, 0.09, 1 / 24, 0.011], 33)
    times = np.r_[0, np.cumsum(steps)]
    imported = import_video(write_video(tmp_path / f"f.{suffix}", times), tmp_path, SHORT)
    check_sync(imported, 0.09)
    shown_s = [time_of(frame) for frame in np.load(imported.pictures)]
    for k, shown in enumerate(shown_s[:-1]):
        at = np.searchsorted(times, (k + 0.5) / 25, side="right") - 1
        assert abs(shown - (times[at] + times[at + 1]) / 2) < 0.012 or abs(times[at + 1] - (k + 0.5) / 25) < 0.003


@pytest.mark.parametrize(
    ("suffix", "codec", "rate_hz", "n_channels"),
    [
        ("mp4", "aac", 44_100, 2),
        ("mov", "pcm_s16le", 8000, 1),
        ("mkv", "libopus", 48_000, 2),
        ("avi", "pcm_s16le", 32_000, 2),
    ],
)
def test_import_when_sound_is_of_any_kind_then_mono_at_16_khz_in_sync(tmp_path, suffix, codec, rate_hz, n_channels):
    video = "mpeg4" if suffix == "avi" else "libx264"
    sound = {"sound_codec": codec, "rate_hz": rate_hz, "n_channels": n_channels}
    film = write_video(tmp_path / f"f.{suffix}", even(25), codec=video, codec_options={"qmin": "1"}, **sound)
    check_sync(import_video(film, tmp_path, SHORT), 1 / 25)


@pytest.mark.parametrize("late_s", [0.03, 0.25])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_import_when_the_sound_begins_late_then_silence_before_it(tmp_path, suffix, late_s):
    film = write_video(tmp_path / f"f.{suffix}", even(25), sound_start_s=late_s)
    imported = import_video(film, tmp_path, SHORT)
    assert np.abs(np.load(imported.sound)[: int(late_s * 16_000) - 400]).max(initial=0) < 0.01
    check_sync(imported, 1 / 25)


@pytest.mark.parametrize("late_s", [0.03, 0.4])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_import_when_the_pictures_begin_late_then_both_begin_with_them(tmp_path, suffix, late_s):
    film = write_video(tmp_path / f"f.{suffix}", even(25, start_s=late_s))
    imported = import_video(film, tmp_path, SHORT)
    assert imported.source.t_start_s == pytest.approx(late_s, abs=0.03)
    check_sync(imported, 1 / 25, late_s, [t_s for t_s in CLICKS_S if t_s > late_s])


def test_import_when_the_sound_ends_early_then_silence_to_the_end(tmp_path):
    imported = import_video(write_video(tmp_path / "f.mp4", even(25, 2.0)), tmp_path, SHORT)
    assert imported.n_frames == 50
    assert not np.load(imported.sound)[round(1.5 * 16_000) :].any()


def with_matrix(path, matrix):
    """Set the display matrix of the video track, the first one of an MP4 file."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44
    a, b, c, d = matrix
    data[at : at + 36] = np.array([a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30], ">i4").tobytes()
    path.write_bytes(data)
    return path


# Matrix a, b, c, d; clockwise rotation, mirrored; row and column of the quarter that is stored in the upper left.
TURNED = [
    ((1, 0, 0, 1), 0, False, (0, 0)),
    ((0, 1, -1, 0), 90, False, (0, 1)),
    ((-1, 0, 0, -1), 180, False, (1, 1)),
    ((0, -1, 1, 0), 270, False, (1, 0)),
    ((-1, 0, 0, 1), 0, True, (0, 1)),
    ((0, 1, 1, 0), 270, True, (0, 0)),
]


@pytest.mark.parametrize(("matrix", "rotation_deg", "is_mirrored", "bright"), TURNED)
def test_import_when_rotated_or_mirrored_then_upright(tmp_path, matrix, rotation_deg, is_mirrored, bright):
    film = with_matrix(write_video(tmp_path / "f.mp4", even(25, 0.6), corner=235), matrix)
    imported = import_video(film, tmp_path, SHORT)
    assert (imported.source.rotation_deg, imported.source.is_mirrored) == (rotation_deg, is_mirrored)
    assert imported.size == ((48, 64) if rotation_deg % 180 else (64, 48))
    assert imported.source.source_size == (64, 48)
    picture = np.load(imported.pictures)[0, ..., 0].astype(float)
    height, width = picture.shape
    quarters = picture.reshape(2, height // 2, 2, width // 2).mean(axis=(1, 3))
    assert np.unravel_index(quarters.argmax(), (2, 2)) == bright


def test_import_when_4k_then_scaled_down_with_its_aspect(tmp_path):
    film = with_matrix(write_video(tmp_path / "f.mp4", even(25, 0.2), size=(3840, 2160)), (0, 1, -1, 0))
    facts = survey(film, 5.0)
    assert (facts.source_size, facts.size) == ((3840, 2160), (720, 1280))
    assert next(pictures(film, facts)).shape == (1280, 720, 3)


def test_import_when_pixels_are_not_square_then_stretched(tmp_path):
    film = write_video(tmp_path / "f.mp4", even(25, 0.2), size=(72, 48), codec_options={"x264-params": "sar=4/3"})
    assert survey(film, 5.0).size == (96, 48)


def test_import_when_10_bits_then_8(tmp_path):
    film = write_video(
        tmp_path / "f.mkv", even(25), codec="ffv1", pix_fmt="yuv420p10le", codec_options={}, sound_codec="flac"
    )
    imported = import_video(film, tmp_path, SHORT)
    assert (imported.source.n_bits, imported.source.transfer) == (10, "SDR")
    check_sync(imported, 1 / 25)


def write_colours(path, colours, trc, matrix, size=(64, 48)):
    """A frame for each (Y, Cb, Cr), 10 bits, limited range."""
    tags = {
        "color_trc": trc,
        "colorspace": matrix,
        "color_range": ColorRange.MPEG,
        "color_primaries": ColorPrimaries.BT2020 if matrix == Colorspace.BT2020 else ColorPrimaries.UNSPECIFIED,
    }
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p10le"
        frames = [av.VideoFrame(*size, "yuv420p10le") for _ in colours]
        for name, tag in tags.items():
            for tagged in (stream.codec_context, *frames):
                setattr(tagged, name, tag)
        for k, (frame, colour) in enumerate(zip(frames, colours, strict=True)):
            for plane, value in zip(frame.planes, colour, strict=True):
                plane.update(np.full(plane.buffer_size // 2, value, np.uint16).tobytes())
            frame.pts, frame.time_base = k, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


# Signals of reference white (BT.2408): 75 % in HLG, 58 % in PQ.
@pytest.mark.parametrize(
    ("trc", "name", "white"), [(ColorTrc.ARIB_STD_B67, "HLG", 0.75), (ColorTrc.SMPTE2084, "PQ", 0.58)]
)
def test_pictures_when_hdr_then_reference_white_is_white_and_grey_stays_grey(tmp_path, trc, name, white):
    colours = [(round(64 + 876 * signal), 512, 512) for signal in (0.0, white / 2, white)]
    film = write_colours(tmp_path / "f.mkv", colours, trc, Colorspace.BT2020)
    facts = survey(film, 5.0)
    assert (facts.transfer, facts.n_bits, facts.n_frames) == (name, 10, 3)
    shown = list(pictures(film, facts))
    assert all(np.ptp(picture) <= 2 for picture in shown)
    dark, middle, bright = (picture.mean() for picture in shown)
    assert dark < 3
    assert 60 < middle < 140
    assert bright > 248


def bgr_of(luma10, cb10, cr10, kr, kb):
    """The BGR of 10-bit YCbCr by the definition of a matrix."""
    y, cb, cr = (luma10 - 64) / 876, (cb10 - 512) / 896, (cr10 - 512) / 896
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    return 255 * np.array([blue, (y - kr * red - kb * blue) / (1 - kr - kb), red])


@pytest.mark.parametrize(
    ("matrix", "size", "kr", "kb"),
    [
        (Colorspace.ITU709, (64, 48), 0.2126, 0.0722),
        (Colorspace.ITU601, (64, 48), 0.299, 0.114),
        (2, (64, 48), 0.299, 0.114),
        (2, (1280, 720), 0.2126, 0.0722),
    ],
)
def test_pictures_when_tagged_or_not_then_the_right_matrix(tmp_path, matrix, size, kr, kb):
    film = write_colours(tmp_path / "f.mkv", [(600, 420, 580)] * 2, ColorTrc.UNSPECIFIED, matrix, size)
    picture = next(pictures(film, survey(film, 5.0)))
    assert np.abs(picture[20, 20] - bgr_of(600, 420, 580, kr, kb)).max() < 1.5


def write_still(path):
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream("png" if path.suffix == ".png" else "mjpeg", rate=1)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "rgb24" if path.suffix == ".png" else "yuvj420p"
        container.mux(stream.encode(av.VideoFrame(64, 48, stream.pix_fmt)))
        container.mux(stream.encode())
    return path


def write_sound_only(path):
    with av.open(str(path), "w") as container:
        _write_clicks(container, container.add_stream("pcm_s16le", rate=8000, layout="mono"), 1, 0.0)
    return path


def cut(path, ratio):
    """Remove the end of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(ratio * len(data))])
    return path


def spoiled(path, start, end):
    """Overwrite a part of a file, in ratios of its length."""
    data = bytearray(path.read_bytes())
    at = slice(int(start * len(data)), int(end * len(data)))
    data[at] = np.random.default_rng(5).integers(0, 256, len(data[at]), np.uint8).tobytes()
    path.write_bytes(data)
    return path


def write_text(path):
    path.write_text("no video " * 100)
    return path


def long_film(path):
    # The index of an MP4 file at its beginning, as phones send it.
    header_first = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    return write_video(path, even(25, 4.0), codec="mpeg4", codec_options={"g": "5"}, format_options=header_first)


WRONG = {
    "missing": ("f.mp4", lambda path: path, "There is no file"),
    "text": ("f.mp4", write_text, "is damaged, or is not a video"),
    "png": ("f.png", write_still, "is a still picture"),
    "jpg": ("f.jpg", write_still, "is a still picture"),
    "one picture": ("f.mp4", lambda path: write_video(path, [0.0, 1.0]), "is a still picture"),
    "sound only": ("f.wav", write_sound_only, "has no video"),
    "no sound": ("f.mp4", lambda path: write_video(path, even(25), sound_codec=""), "has no sound"),
    "short": ("f.mp4", lambda path: write_video(path, even(25, 0.4)), "is too short: 0.4 s"),
    "long": ("f.mp4", lambda path: write_video(path, even(5, 5.4)), "is longer than 5 s"),
    "cut mp4": ("f.mp4", lambda path: cut(long_film(path), 0.7), "is damaged: it ends after"),
    "cut mp4 without index": (
        "f.mp4",
        lambda path: cut(write_video(path, even(25)), 0.3),
        "is damaged, or is not a video",
    ),
    "cut mkv": ("f.mkv", lambda path: cut(long_film(path), 0.4), "is damaged: it ends after"),
    "spoiled": ("f.mkv", lambda path: spoiled(long_film(path), 0.2, 0.8), "is damaged"),
    "pause": ("f.mkv", lambda path: write_video(path, [*even(25, 1.0), 2.5, 2.54, 2.58]), "no pictures between 1.0 s"),
}


@pytest.mark.parametrize("case", WRONG)
def test_import_when_the_file_is_wrong_then_a_sentence_and_no_files(tmp_path, case):
    name, write, sentence = WRONG[case]
    path = write(tmp_path / name)
    with pytest.raises(StudioError, match=sentence) as caught:
        import_video(path, tmp_path / "out", SHORT)
    assert caught.value.what_to_do
    assert not (tmp_path / "out" / "pictures.npy").exists()


def test_import_when_a_picture_is_spoiled_then_the_one_before_is_repeated(tmp_path):
    film = write_video(tmp_path / "f.mp4", even(25), codec_options={"crf": "10", "g": "1"}, sound_codec="pcm_s16le")
    imported = import_video(spoiled(film, 0.5, 0.504), tmp_path, SHORT)
    assert imported.n_frames == 35
    check_sync(imported, 0.2)


def test_decoded_when_a_frame_is_corrupt_or_has_no_time_then_left_out_or_after_the_one_before():
    times = {"pts": None, "dts": None, "time_base": Fraction(1, 25)}
    frames = [SimpleNamespace(**(times | {"is_corrupt": k == 2})) for k in range(40)]
    frames[1].pts, frames[5].dts = 3, 9
    frames = [SimpleNamespace(decode=lambda frame=frame: [frame]) for frame in frames]
    container = SimpleNamespace(start_time=1_000_000 // 25, demux=lambda stream: frames)
    found = [t_s for _, t_s in decoded(Path("f.avi"), container, SimpleNamespace(average_rate=25))]
    assert np.array(found[:5]) * 25 == pytest.approx([0, 2, 4, 5, 8])
    assert len(found) == 39


def test_import_when_many_pictures_are_spoiled_then_refused(tmp_path):
    film = write_video(
        tmp_path / "f.mov", even(25), codec="png", pix_fmt="rgb24", codec_options={}, sound_codec="pcm_s16le"
    )
    data = bytearray(film.read_bytes())
    for at in [at for at in range(len(data)) if data[at : at + 4] == b"IHDR"][5:25:5]:
        data[at : at + 12] = bytes(12)
    film.write_bytes(data)
    with pytest.raises(StudioError, match="is damaged: 4 of its pictures cannot be read"):
        import_video(film, tmp_path, SHORT)


def test_import_when_a_stream_begins_between_key_pictures_then_in_sync_from_the_first_intact_one(tmp_path):
    options = {"codec_options": {"crf": "10", "g": "10", "bf": "0", "sc_threshold": "0"}, "sound_codec": "mp2"}
    film = write_video(tmp_path / "f.ts", even(25), **options)
    data = film.read_bytes()
    n_packets = len(data) // 188
    # The tables of the first packets remain.
    film.write_bytes(data[: 3 * 188] + data[n_packets // 4 * 188 :])
    imported = import_video(film, tmp_path, SHORT)
    shown_s = [time_of(frame) for frame in np.load(imported.pictures)]
    assert imported.n_frames > 12
    check_sync(imported, 1 / 25, shown_s[0] - 0.02, CLICKS_S[-1:])


def test_import_then_progress_counts_the_pictures(tmp_path):
    counted = []
    import_video(write_video(tmp_path / "f.mp4", even(30)), tmp_path, SHORT, lambda *args: counted.append(args))
    assert counted == [(k, 35) for k in range(1, 36)]


def test_import_when_progress_raises_then_no_pictures_are_left(tmp_path):
    def cancel(n_done, n_all):
        if n_done == 3:
            raise KeyboardInterrupt

    film = write_video(tmp_path / "f.mp4", even(30))
    with pytest.raises(KeyboardInterrupt):
        import_video(film, tmp_path / "out", SHORT, cancel)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sound.npy"]


REAL = [*sorted(SHARED.glob("real_clips/*.mpg"))[:2], *sorted(SHARED.glob("grid_s1/full/*.mpg"))[:2]]


@pytest.mark.skipif(not REAL, reason="the recordings are not on this machine")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_import_when_a_real_recording_then_as_decoded(tmp_path, path):
    imported = import_video(path, tmp_path, Limits(min_s=2.0))
    assert (imported.n_frames, imported.size) == (75, (360, 288))
    assert np.abs(np.load(imported.sound)).max() > 0.02
    frames = np.load(imported.pictures, mmap_mode="r")
    with av.open(str(path)) as container:
        for k, frame in enumerate(container.decode(video=0)):
            assert np.abs(frames[k].astype(int) - frame.to_ndarray(format="bgr24")).mean() < 2
