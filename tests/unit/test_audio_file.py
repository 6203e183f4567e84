import os
import sys
import tracemalloc

import av
import cv2
import numpy as np
import pytest
import soundfile

from avatar_app.contracts.errors import AudioInputError
from avatar_app.live.mic.audio_file import SoundFile, missing_text, read_audio
from tests.fakes.media import CASES, loudest_hz, tone, write_sound


def read_all(path, rate_hz=16_000):
    """The whole sound, and its missing seconds."""
    with SoundFile(path, rate_hz) as sound:
        return np.concatenate(list(sound.pieces())), sound.missing_s


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_read_when_rate_differs_then_same_tone_at_16_khz(tmp_path, rate_hz):
    soundfile.write(tmp_path / "t.wav", tone(rate_hz), rate_hz)
    samples = read_audio(tmp_path / "t.wav")
    assert samples.dtype == np.float32
    assert abs(len(samples) - 16_000) <= 2
    assert np.abs(samples[800:15_200] - tone(16_000)[800:15_200]).max() < 0.01


@pytest.mark.parametrize("n_channels", [1, 2, 3, 6, 8, 9, 12, 33])
def test_read_when_the_sound_is_on_one_of_many_channels_then_at_its_original_level(tmp_path, n_channels):
    sound = np.zeros((16_000, n_channels))
    sound[:, n_channels // 2] = tone(16_000)
    soundfile.write(tmp_path / "t.wav", sound, 16_000, format="WAV")
    assert np.abs(read_audio(tmp_path / "t.wav") - tone(16_000)).max() < 0.001


@pytest.mark.parametrize(("name", "channel"), [("inv.wav", 0), ("p6_4th.wav", 3), ("ch9plain.wav", 0)])
def test_read_when_channels_are_unusual_then_as_the_channel_with_the_voice(name, channel):
    whole, rate_hz = soundfile.read(CASES / name, dtype="float32")
    assert rate_hz == 48_000
    assert np.abs(read_all(CASES / name, 48_000)[0] - whole[:, channel]).max() < 0.001


@pytest.mark.parametrize("name", ["t.flac", "t.ogg", "t.mp3"])
def test_read_when_compressed_then_same_tone(tmp_path, name):
    soundfile.write(tmp_path / name, tone(44_100), 44_100)
    samples = read_audio(tmp_path / name)
    spectrum = np.abs(np.fft.rfft(samples[:8_000] * np.hanning(8_000)))
    assert len(samples) > 15_500
    assert spectrum.argmax() == 220


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_read_when_sample_format_differs_then_same_tone(tmp_path, subtype):
    soundfile.write(tmp_path / "t.wav", tone(16_000), 16_000, subtype=subtype)
    assert np.abs(read_audio(tmp_path / "t.wav") - tone(16_000)).max() < 0.01


def test_read_when_samples_are_nan_then_silence(tmp_path):
    sound = tone(16_000)
    sound[100:200] = np.nan
    soundfile.write(tmp_path / "t.wav", sound, 16_000, subtype="FLOAT")
    samples = read_audio(tmp_path / "t.wav")
    assert np.isfinite(samples).all()
    assert not samples[100:200].any()


@pytest.mark.parametrize("content", [b"", b"no sound at all", bytes(5000)])
def test_read_when_file_is_no_sound_then_error_names_it(tmp_path, content):
    (tmp_path / "bad.wav").write_bytes(content)
    with pytest.raises(AudioInputError, match=r"bad\.wav"):
        read_audio(tmp_path / "bad.wav")


def test_read_when_file_is_truncated_then_the_rest_is_read(tmp_path):
    soundfile.write(tmp_path / "t.wav", tone(16_000), 16_000)
    (tmp_path / "cut.wav").write_bytes((tmp_path / "t.wav").read_bytes()[:10_000])
    assert 4_000 < len(read_audio(tmp_path / "cut.wav")) <= 5_000


def test_read_when_file_holds_no_samples_then_error(tmp_path):
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16_000)
    with pytest.raises(AudioInputError, match=r"empty\.wav"):
        read_audio(tmp_path / "empty.wav")


def test_read_when_there_is_no_file_then_error(tmp_path):
    with pytest.raises(AudioInputError, match="There is no file"):
        read_audio(tmp_path / "none.wav")
    with pytest.raises(AudioInputError, match="There is no file"):
        read_audio(tmp_path)


def test_read_when_video_without_sound_then_error(tmp_path):
    with av.open(str(tmp_path / "mute.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode())
    with pytest.raises(AudioInputError, match="holds no sound"):
        read_audio(tmp_path / "mute.mp4")


def test_read_when_a_packet_is_damaged_then_the_rest_is_used_and_the_missing_time_reported():
    samples, missing_s = read_all(CASES / "corrupt.mp3")
    # 76 packets of 26 ms, one of them silent.
    assert len(samples) == pytest.approx(76 * 1152 / 44_100 * 16_000, abs=2)
    assert missing_s == pytest.approx(1152 / 44_100, abs=1e-6)
    assert missing_text(missing_s) == "0.1 s"
    at = round(1.0188 * 16_000)
    assert np.abs(samples[at + 40 : at + 300]).max() < 1e-4
    assert np.abs(samples[at + 1600 : at + 4800]).max() > 0.01


def test_read_when_rate_changes_within_the_file_then_one_sound_in_order():
    samples, missing_s = read_all(CASES / "mixrate.mp3")
    # From the rates of the packets, not from FFmpeg's estimated times: 2.06 s, 1.55 s of silence, 2.01 s.
    assert len(samples) == pytest.approx(5.625 * 16_000, abs=16)
    assert missing_s == 0
    assert np.abs(samples[34_000:56_000]).max() < 0.001
    # The same sentence before and after the change, not reversed.
    first, last = (np.abs(samples[start:][:32_000]).reshape(20, -1).mean(axis=1) for start in (0, 57_664))
    assert np.corrcoef(first, last)[0, 1] > 0.9
    assert np.corrcoef(first, last[::-1])[0, 1] < 0.5


@pytest.mark.parametrize(
    ("kind", "codec", "sounds"),
    [("ogg", None, [(44_100, 1), (48_000, 2), (22_050, 1)]),
     ("opus", "libopus", [(48_000, 1), (48_000, 2), (24_000, 1)]),
     ("aac", "aac", [(44_100, 1), (48_000, 2), (22_050, 1)]), ("flac", "flac", [(48_000, 1)] * 3),
     ("mkv", "aac", [(48_000, 1)] * 2), ("ts", "aac", [(48_000, 1)] * 3)],
)  # fmt: skip
def test_read_when_files_were_appended_to_each_other_then_all_of_them_in_order(tmp_path, kind, codec, sounds):
    for number, (rate_hz, n_channels) in enumerate(sounds):
        sound = np.repeat(tone(rate_hz, hz=400 * (number + 1))[:, None], n_channels, axis=1)
        if codec is None:
            soundfile.write(tmp_path / f"part.{kind}", sound, rate_hz)
        else:
            write_sound(tmp_path / f"part.{kind}", sound, rate_hz, codec)
        with open(tmp_path / f"whole.{kind}", "ab") as whole:
            whole.write((tmp_path / f"part.{kind}").read_bytes())
    samples, missing_s = read_all(tmp_path / f"whole.{kind}")
    assert len(samples) == pytest.approx(16_000 * len(sounds), abs=1_100 * len(sounds))
    assert missing_s == 0
    found_hz = [loudest_hz(part[1600:-1600]) for part in np.array_split(samples, len(sounds))]
    assert found_hz == pytest.approx([400 * (number + 1) for number in range(len(sounds))], abs=3)


@pytest.mark.parametrize(("kind", "codec"), [("mkv", "aac"), ("mp4", "aac"), ("mkv", "libopus"), ("ts", "aac")])
def test_read_when_sound_begins_late_and_has_a_gap_then_silence_and_as_long_as_the_video(tmp_path, kind, codec):
    sound = tone(48_000, 2.0)
    path = write_sound(tmp_path / f"f.{kind}", sound, codec=codec, starts_s=(0.5, 2.0), pictures_s=4.0)
    samples, missing_s = read_all(path)
    assert len(samples) == pytest.approx(4 * 16_000, abs=32)
    assert missing_s == pytest.approx(0.5, abs=0.03)
    loud = np.sqrt(np.square(samples[: 40 * 1600].reshape(40, 1600)).mean(axis=1)) > 0.3
    # Within a block, because encoders smear edges.
    assert loud[6:14].all() and loud[21:29].all()
    assert not loud[:4].any() and not loud[16:19].any() and not loud[31:].any()


def test_read_when_video_begins_before_its_sound_then_in_sync_with_it():
    samples, missing_s = read_all(CASES / "late.mp4")
    assert (len(samples), missing_s) == (4 * 16_000, 0)
    assert np.flatnonzero(np.abs(samples) > 0.01)[0] == pytest.approx(0.99 * 16_000, abs=320)
    assert not samples[int(3.05 * 16_000) :].any()


def test_read_when_there_are_two_tracks_then_the_default_one():
    samples, _ = read_all(CASES / "two.mkv")
    with av.open(str(CASES / "two.mkv")) as container:
        frames = [frame.to_ndarray() for frame in container.decode(container.streams.audio[1])]
    voice = np.concatenate(frames, axis=1)[0]
    assert np.corrcoef(samples[:16_000], voice[:48_000:3])[0, 1] > 0.98


@pytest.mark.parametrize(
    "name", ["Episode:1.wav", "concat:a|b.wav", "100%d.wav", "pipe:0", "ü" * 118 + ".wav", "~", "~x.wav"]
)
def test_read_when_the_name_looks_like_a_url_or_pattern_then_it_is_a_file_name(tmp_path, monkeypatch, name):
    soundfile.write(tmp_path / "t.wav", tone(16_000), 16_000)
    monkeypatch.chdir(tmp_path)
    os.rename("t.wav", name)
    assert len(read_audio(name)) == 16_000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have Unicode names")
def test_read_when_the_name_is_not_utf8_then_read_and_the_error_can_be_printed(tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    soundfile.write(tmp_path / "t.wav", tone(16_000), 16_000)
    os.rename(tmp_path / "t.wav", name)
    assert len(read_audio(os.fsdecode(name))) == 16_000
    os.truncate(name, 3)
    with pytest.raises(AudioInputError) as caught:
        read_audio(os.fsdecode(name))
    assert "caf\N{REPLACEMENT CHARACTER}.wav" in str(caught.value).encode().decode()


@pytest.mark.parametrize("name", ["~nosuchuser/t.wav", "a\0b.wav", "x" * 300 + ".wav", "t.wav/t.wav", "pipe"])
def test_read_when_the_file_name_is_impossible_then_error(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.wav").write_bytes(b"")
    if hasattr(os, "mkfifo"):
        os.mkfifo("pipe")
    with pytest.raises(AudioInputError, match=r"There is no file|cannot be read"):
        read_audio(name)


def test_read_when_in_the_home_folder_then_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    soundfile.write(tmp_path / "t.wav", tone(16_000), 16_000)
    assert len(read_audio("~/t.wav")) == 16_000


def test_read_when_tags_are_not_unicode_then_read(tmp_path):
    soundfile.write(tmp_path / "t.wav", tone(16_000), 16_000)
    whole = (tmp_path / "t.wav").read_bytes()
    info = b"LIST" + (18).to_bytes(4, "little") + b"INFOINAM" + (6).to_bytes(4, "little") + b"caf\xe9s\0"
    (tmp_path / "t.wav").write_bytes(whole + info)
    assert len(read_audio(tmp_path / "t.wav")) == 16_000


@pytest.mark.parametrize("rate_hz", [1, 7, 999])
def test_read_when_rate_is_too_low_then_error_and_no_endless_silence(tmp_path, rate_hz):
    soundfile.write(tmp_path / "t.wav", tone(16_000), rate_hz)
    with pytest.raises(AudioInputError, match=r"t\.wav.*samples a second"):
        read_audio(tmp_path / "t.wav")


def peak_bytes(path):
    """Number of samples, and peak memory while reading."""
    tracemalloc.start()
    with SoundFile(path, 48_000) as sound:
        n_samples = sum(len(piece) for piece in sound.pieces())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return n_samples, peak


def test_read_when_ten_times_as_long_then_same_memory(tmp_path):
    peaks = []
    for seconds in (30, 300):
        path = tmp_path / f"{seconds}.wav"
        soundfile.write(path, np.zeros((16_000 * seconds, 1), np.int16), 16_000)
        n_samples, peak = peak_bytes(path)
        assert n_samples == 48_000 * seconds
        peaks.append(peak)
    assert peaks[1] < 1.2 * peaks[0] + 100_000


def test_read_when_an_album_has_a_cover_then_it_is_no_video(tmp_path):
    soundfile.write(tmp_path / "t.mp3", tone(44_100), 44_100)
    cover = cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1].tobytes()
    body = b"\0image/png\0\3\0" + cover
    frame = b"APIC" + len(body).to_bytes(4, "big") + b"\0\0" + body
    size = bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0))
    (tmp_path / "c.mp3").write_bytes(b"ID3\3\0\0" + size + frame + (tmp_path / "t.mp3").read_bytes())
    with av.open(str(tmp_path / "c.mp3")) as container:
        assert len(container.streams.video) == 1
    assert np.array_equal(read_audio(tmp_path / "c.mp3"), read_audio(tmp_path / "t.mp3"))


def test_read_when_another_stream_begins_in_the_middle_then_the_sound_continues(tmp_path):
    sound = write_sound(tmp_path / "s.flv", tone(48_000, 30.0), codec="aac").read_bytes()
    video = write_sound(tmp_path / "f.flv", tone(48_000), codec="aac", pictures_s=1.0).read_bytes()
    # The packets of the video follow those of the sound, without a header.
    (tmp_path / "t.flv").write_bytes(sound + video[13:])
    samples, _ = read_all(tmp_path / "t.flv")
    assert len(samples) == pytest.approx(31 * 16_000, abs=1_600)
