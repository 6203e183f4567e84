"""Videos of unusual sound files: mouth and video use the same mix, and no existing file is destroyed."""

import os
import sys

import av
import numpy as np
import pytest
import soundfile

from avatar_app.cli import main
from tests.fakes.media import CASES, loudest_hz, tone

MOUTH = (slice(290, 370), slice(210, 300))


@pytest.fixture
def render(tmp_path, capsys):
    """Renders a file in a folder of its own; returns exit code and messages."""

    def render(audio, out, *flags):
        words = ("render", "--audio", audio, "--out", out, "--profile-dir", tmp_path / "profile", *flags)
        code = main([os.fspath(word) if isinstance(word, os.PathLike) else str(word) for word in words])
        said = capsys.readouterr()
        return code, said.out + said.err

    return render


def mouths(path):
    """The mouth of every picture, (n, h, w, 3) float32."""
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format="bgr24")[MOUTH].astype(np.float32) for f in container.decode(video=0)])


def sound(path):
    """The sound of a video, (channels, n) float32, and its rate."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    return np.concatenate([frame.to_ndarray() for frame in frames], axis=1), frames[0].sample_rate


def level(samples):
    return float(np.sqrt(np.square(samples).mean()))


@pytest.mark.parametrize(("name", "channel"), [("inv.wav", 0), ("p6_4th.wav", 3), ("ch9plain.wav", 0)])
def test_render_when_channels_are_odd_then_mouth_and_sound_are_of_the_voice_alone(tmp_path, render, name, channel):
    voice, rate_hz = soundfile.read(CASES / name, dtype="float32")
    soundfile.write(tmp_path / "alone.wav", voice[:, channel], rate_hz)
    for audio, out in ((CASES / name, "odd.mp4"), (tmp_path / "alone.wav", "alone.mp4")):
        code, said = render(audio, tmp_path / out, "--crf", 0)
        assert code == 0, said
    odd, alone = (mouths(tmp_path / out) for out in ("odd.mp4", "alone.mp4"))
    assert np.abs(odd - alone).max() <= 2
    assert np.abs(np.diff(odd, axis=0)).mean(axis=(1, 2, 3)).max() > 0.5
    odd, alone = (sound(tmp_path / out)[0] for out in ("odd.mp4", "alone.mp4"))
    assert (odd.shape, odd.shape[0]) == (alone.shape, 1)
    assert level(odd) == pytest.approx(level(voice[:, channel]), rel=0.2)
    assert np.corrcoef(odd[0], alone[0])[0, 1] > 0.99


def test_render_when_a_packet_is_damaged_then_a_video_and_a_message_how_much_is_missing(tmp_path, render):
    code, said = render(CASES / "corrupt.mp3", tmp_path / "out.mp4")
    assert code == 0, said
    assert "0.1 s of the sound of corrupt.mp3 cannot be read" in said
    assert len(mouths(tmp_path / "out.mp4")) == 50


def test_render_when_the_sound_begins_late_then_the_video_is_as_long_as_the_source_and_in_sync(tmp_path, render):
    code, said = render(CASES / "late.mp4", tmp_path / "out.mp4")
    assert code == 0, said
    pictures, (heard, rate_hz) = mouths(tmp_path / "out.mp4"), sound(tmp_path / "out.mp4")
    assert len(pictures) == 100
    assert heard.shape[1] == pytest.approx(4 * rate_hz, abs=1024)
    seconds = [level(heard[:, int(k * rate_hz) : int((k + 1) * rate_hz)]) for k in (0, 1, 2, 3)]
    assert min(seconds[1:3]) > 20 * max(seconds[0], seconds[3])


def test_render_when_the_rate_changes_within_the_file_then_one_video(tmp_path, render):
    code, said = render(CASES / "mixrate.mp3", tmp_path / "out.mp4")
    assert code == 0, said
    assert len(mouths(tmp_path / "out.mp4")) == 141


@pytest.mark.parametrize(
    ("out", "crf", "worst"), [("out.mp4", -1, 51), ("out.mkv", 52, 51), ("out.mov", 99, 51), ("out.webm", 64, 63)]
)
def test_render_when_quality_is_out_of_range_then_one_error(tmp_path, render, out, crf, worst):
    code, said = render(CASES / "inv.wav", tmp_path / out, f"--crf={crf}", "--background", "#203040")
    assert code == 2
    assert said == f"There is no quality --crf {crf}. Choose a number from 0 (best) to {worst}.\n"
    assert not (tmp_path / out).exists()


@pytest.mark.parametrize("background", [None, "transparent"])
@pytest.mark.parametrize(("out", "codec", "sound_codec"), [("a.mov", "prores", "aac"), ("a.webm", "vp9", "opus")])
def test_render_when_the_format_keeps_transparency_then_the_background_is_transparent(
    tmp_path, render, out, codec, sound_codec, background
):
    flags = () if background is None else ("--background", background)
    code, said = render(CASES / "inv.wav", tmp_path / out, *flags)
    assert code == 0, said
    with av.open(str(tmp_path / out)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, container.streams.audio[0].codec_context.name) == (codec, sound_codec)
        if codec == "vp9":
            assert stream.metadata["ALPHA_MODE"] == "1"
        decoder = av.CodecContext.create("libvpx-vp9" if codec == "vp9" else "prores", "r")
        decoder.extradata = stream.codec_context.extradata
        packets = list(container.demux(stream))
        frames = [frame for packet in packets if packet.size for frame in decoder.decode(packet)]
    assert len(packets) >= 10
    alpha = frames[0].reformat(format="bgra").to_ndarray()[..., 3]
    # The corner is empty, the mouth is not.
    assert alpha[:20, :20].max() < 8
    assert alpha[MOUTH].min() > 247


@pytest.mark.parametrize(("out", "codec"), [("a.mov", "h264"), ("a.webm", "vp9")])
def test_render_when_a_background_is_given_then_no_transparency(tmp_path, render, out, codec):
    code, said = render(CASES / "inv.wav", tmp_path / out, "--background", "#204060")
    assert code == 0, said
    with av.open(str(tmp_path / out)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == (codec, "yuv420p")
        assert "ALPHA_MODE" not in stream.metadata
        corner = next(container.decode(stream)).to_ndarray(format="bgr24")[:20, :20]
    assert corner.mean(axis=(0, 1)) == pytest.approx((0x60, 0x40, 0x20), abs=6)


def test_render_when_the_format_has_no_transparency_then_an_error(tmp_path, render):
    code, said = render(CASES / "inv.wav", tmp_path / "out.mp4", "--background", "transparent")
    assert (code, said) == (2, "This video format does not support transparency. End the name with .mov or .webm.\n")


@pytest.mark.parametrize("audio", ["mistyped.wav", "out.mp4", "a\0b.wav", "~nosuchuser/x.wav"])
def test_render_when_the_sound_cannot_be_used_then_the_video_that_was_there_stays(tmp_path, render, monkeypatch, audio):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out.mp4").write_bytes(b"the old video")
    code, said = render(audio, "out.mp4")
    assert code == 2
    assert len(said.splitlines()) == 1
    assert (tmp_path / "out.mp4").read_bytes() == b"the old video"
    assert os.listdir(tmp_path) == ["out.mp4"]


def test_render_when_the_video_would_overwrite_its_own_sound_then_an_error(tmp_path, render):
    soundfile.write(tmp_path / "t.flac", tone(16_000), 16_000)
    os.link(tmp_path / "t.flac", tmp_path / "t.mp4")
    code, said = render(tmp_path / "t.flac", tmp_path / "t.mp4")
    assert (code, "would overwrite its own sound" in said) == (2, True)


@pytest.mark.parametrize("name", ["Episode:1", "100%d", "ü" * 118, "a b'c\"d"])
def test_render_when_names_are_unusual_then_a_video_of_that_name(tmp_path, render, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    soundfile.write("t.wav", tone(16_000, 0.2), 16_000)
    os.rename("t.wav", f"{name}.wav")
    os.mkdir("Episode:2")
    out = os.path.join("Episode:2", f"{name}.mp4")
    code, said = render(f"{name}.wav", out)
    assert code == 0, said
    heard, rate_hz = sound(os.path.abspath(out))
    assert loudest_hz(heard[0, 2048:-2048], rate_hz) == pytest.approx(440, abs=10)
    assert os.listdir("Episode:2") == [f"{name}.mp4"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names of other systems are text")
def test_render_when_names_are_not_text_then_a_video_of_that_name(tmp_path, render):
    folder = os.fsencode(tmp_path) + b"/d\xe9"
    os.mkdir(folder)
    soundfile.write(tmp_path / "t.wav", tone(16_000, 0.2), 16_000)
    os.rename(tmp_path / "t.wav", folder + b"/caf\xe9.wav")
    code, said = render(os.fsdecode(folder + b"/caf\xe9.wav"), os.fsdecode(folder + b"/caf\xe9.mp4"))
    assert code == 0, said
    assert sorted(os.listdir(folder)) == [b"caf\xe9.mp4", b"caf\xe9.wav"]


@pytest.mark.parametrize(
    ("out", "sentence"), [("x" * 260 + ".mp4", "could not be written"), ("a\0.mp4", "could not be written"),
                          ("t.wav/out.mp4", "could not be written"), ("folder.mp4", "is a folder")],
)  # fmt: skip
def test_render_when_the_video_is_impossible_then_one_error(tmp_path, render, monkeypatch, out, sentence):
    monkeypatch.chdir(tmp_path)
    os.mkdir("folder.mp4")
    soundfile.write("t.wav", tone(16_000, 0.2), 16_000)
    code, said = render("t.wav", out)
    assert (code, len(said.splitlines())) == (2, 1)
    assert sentence in said
