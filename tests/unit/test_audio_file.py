import numpy as np
import pytest
import soundfile

from avatar_app.contracts.errors import AudioInputError
from avatar_app.live.mic.audio_file import read_audio


def tone(rate_hz: int, seconds: float = 1.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(rate_hz * seconds)) / rate_hz)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_read_when_rate_differs_then_same_tone_at_16_khz(tmp_path, rate_hz):
    soundfile.write(tmp_path / "t.wav", tone(rate_hz), rate_hz)
    samples = read_audio(tmp_path / "t.wav")
    assert samples.dtype == np.float32
    assert abs(len(samples) - 16_000) <= 2
    assert np.abs(samples[800:15_200] - tone(16_000)[800:15_200]).max() < 0.01


@pytest.mark.parametrize("n_channels", range(1, 9))
def test_read_when_many_channels_then_their_mean(tmp_path, n_channels):
    sound = np.zeros((16_000, n_channels))
    sound[:, 0] = tone(16_000)
    soundfile.write(tmp_path / "t.wav", sound, 16_000)
    assert np.abs(read_audio(tmp_path / "t.wav") - tone(16_000) / n_channels).max() < 0.001


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
def test_read_when_file_is_rubbish_then_sentence_names_it(tmp_path, content):
    (tmp_path / "bad.wav").write_bytes(content)
    with pytest.raises(AudioInputError, match=r"bad\.wav"):
        read_audio(tmp_path / "bad.wav")


def test_read_when_file_is_cut_short_then_what_is_there(tmp_path):
    soundfile.write(tmp_path / "t.wav", tone(16_000), 16_000)
    (tmp_path / "cut.wav").write_bytes((tmp_path / "t.wav").read_bytes()[:10_000])
    assert 4_000 < len(read_audio(tmp_path / "cut.wav")) <= 5_000


def test_read_when_file_holds_no_samples_then_sentence(tmp_path):
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16_000)
    with pytest.raises(AudioInputError, match=r"empty\.wav"):
        read_audio(tmp_path / "empty.wav")


def test_read_when_there_is_no_file_then_sentence(tmp_path):
    with pytest.raises(AudioInputError, match="There is no file"):
        read_audio(tmp_path / "none.wav")
    with pytest.raises(AudioInputError, match="There is no file"):
        read_audio(tmp_path)


def test_read_when_video_without_sound_then_sentence(tmp_path):
    import av

    with av.open(str(tmp_path / "mute.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode())
    with pytest.raises(AudioInputError, match="holds no sound"):
        read_audio(tmp_path / "mute.mp4")
