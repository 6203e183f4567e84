"""The training data made from its sources, with a small LibriSpeech folder and a stand-in for the renderer."""

import json
import sys

import av
import numpy as np
import pytest
import soundfile

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.mouth import MOUTH_NAMES
from avatar_app.studio.corpus import cli
from avatar_app.studio.corpus.alignment import Aligner, Alignment, AlignmentError
from avatar_app.studio.corpus.clips import Plan, build_clips, plans_of_sentences, plans_of_voices
from avatar_app.studio.corpus.flite import Flite
from avatar_app.studio.corpus.librispeech import first_of_each_speaker, read_librispeech
from avatar_app.studio.corpus.portrait import build_portrait
from avatar_app.studio.corpus.renderer import Kit
from avatar_app.studio.corpus.voices import build_voices
from avatar_app.studio.data.clips import read_frames, read_params, still_clips
from avatar_app.studio.data.speech_corpus import librispeech_recordings
from avatar_app.studio.enrol.pose_grid import read_grid
from avatar_app.studio.enrol.rendered import idle_pictures
from avatar_app.studio.mouth import Phone, curves_of

RATE_HZ = 16_000

RENDERER = """
import argparse, pathlib, cv2, numpy as np
parser = argparse.ArgumentParser()
for name in ("mh", "mpfb", "assets", "cache", "identity", "params", "out", "crop", "preset", "threads"):
    parser.add_argument("--" + name)
parser.add_argument("--transparent", action="store_true")
a = parser.parse_args()
data = np.load(a.params)
jaw = data["params"][:, list(data["names"]).index("jawOpen")]
out = pathlib.Path(a.out)
out.mkdir()
size = 256 if a.crop == "face" else 512
for k, value in enumerate(jaw):
    picture = np.full((size, size, 4 if a.transparent else 3), 60 + round(100 * float(value)), np.uint8)
    cv2.imwrite(str(out / f"{k:06d}.png"), picture)
"""
SEQUENCES = """
import sys
out = sys.argv[sys.argv.index("--out") + 1]
open(out, "w").write("blink,headYaw,headPitch,headRoll\\n" + "0,0.1,0,0\\n" * 3)
"""
RIG = """
import sys
open(sys.argv[sys.argv.index("--out") + 1], "wb").write(b"rig")
"""


@pytest.fixture
def flite():
    try:
        return Flite()
    except StudioError:
        pytest.skip("flite is not installed")


@pytest.fixture
def librispeech(tmp_path):
    """Two speakers, one of them with two utterances; a line of a transcript whose sound is missing."""
    root = tmp_path / "LibriSpeech"
    for chapter, texts in {"103/1240": ["HELLO THERE", "GOOD BYE"], "26/495": ["PLEASE STOP"]}.items():
        folder = root / "train-clean-100" / chapter
        folder.mkdir(parents=True)
        first = chapter.replace("/", "-")
        lines = [f"{first}-{k:04d} {text}" for k, text in enumerate(texts)]
        (folder / f"{first}.trans.txt").write_text("\n".join([*lines, f"{first}-9999 NOT THERE"]) + "\n")
        for k in range(len(texts)):
            noise = np.random.default_rng(k).normal(0, 0.05, RATE_HZ)
            soundfile.write(str(folder / f"{first}-{k:04d}.flac"), noise, RATE_HZ)
    (root / "SPEAKERS.TXT").write_text("; ID |SEX|\n103 | F | train-clean-100 |\n26 | M | train-clean-100 |\n")
    return root


def align(samples, text):
    """Half a second of an open mouth, whatever is said."""
    return Alignment((Phone("sil", 0.0, 0.25), Phone("aa", 0.25, 0.75), Phone("sil", 0.75, 1.0)), -5.0, 0)


@pytest.fixture
def voices(librispeech, tmp_path):
    folder = tmp_path / "data" / "speech" / "librispeech"
    build_voices(first_of_each_speaker(read_librispeech(librispeech)), folder, align, lambda done, of: None)
    return folder


@pytest.fixture
def kit(tmp_path):
    folder = tmp_path / "kit"
    for name in ("kit", "mh", "mpfb", "assets"):
        (folder / name).mkdir(parents=True)
    for name, text in {"render_avatar.py": RENDERER, "sequences.py": SEQUENCES, "export_rig.py": RIG}.items():
        (folder / "kit" / name).write_text(text)
    return Kit(folder, sys.executable, "nova", tmp_path / "cache", 1)


def test_librispeech_when_read_then_one_utterance_for_each_speaker(librispeech):
    chosen = first_of_each_speaker(read_librispeech(librispeech))
    names = ["librispeech_train-clean-100_M_26-495-0000", "librispeech_train-clean-100_F_103-1240-0000"]
    assert [utterance.name for utterance in chosen] == names
    assert chosen[1].text == "hello there"


def test_librispeech_when_it_is_another_folder_then_says_what_to_download(tmp_path):
    with pytest.raises(StudioError, match="no LibriSpeech transcripts"):
        read_librispeech(tmp_path)


def test_librispeech_when_one_subset_is_named_then_the_speakers_above_it_are_read(librispeech):
    assert {u.sex for u in read_librispeech(librispeech / "train-clean-100")} == {"F", "M"}
    (librispeech / "SPEAKERS.TXT").unlink()
    with pytest.raises(StudioError, match=r"SPEAKERS\.TXT"):
        read_librispeech(librispeech)


def test_voices_when_built_then_training_reads_them(voices):
    recordings = {r.name: r for r in librispeech_recordings(voices)}
    assert recordings["librispeech_train-clean-100_F_103-1240-0000"].split == "test"
    assert recordings["librispeech_train-clean-100_M_26-495-0000"].split in ("train", "held_out")
    assert recordings["librispeech_train-clean-100_M_26-495-0000"].phones[1] == Phone("aa", 0.25, 0.75)
    with np.load(voices / "curves.npz") as curves:
        assert list(curves["names"]) == list(MOUTH_NAMES)
        curve = curves["librispeech_train-clean-100_M_26-495-0000"]
        assert np.allclose(curve, curves_of(align(None, "").phones, 100), atol=1e-3)


def test_voices_when_given_again_then_nothing_is_aligned_twice(voices, librispeech):
    def refuse(samples, text):
        raise AssertionError

    chosen = first_of_each_speaker(read_librispeech(librispeech))
    assert build_voices(chosen, voices, refuse, lambda done, of: None) == 2


def test_voices_when_one_does_not_fit_its_text_then_left_out_with_a_line(librispeech, tmp_path, caplog):
    def fit(samples, text):
        if "hello" in text:
            raise AlignmentError("the sound and the text do not fit")
        return align(samples, text)

    out = tmp_path / "out"
    assert build_voices(read_librispeech(librispeech), out, fit, lambda done, of: None) == 2
    assert "103-1240-0000 is left out: the sound and the text do not fit" in caplog.text
    assert not (out / "librispeech_train-clean-100_F_103-1240-0000.flac").exists()


def test_voices_when_none_fits_then_says_so(librispeech, tmp_path):
    def refuse(samples, text):
        raise AlignmentError("no")

    with pytest.raises(StudioError, match="No recording could be aligned"):
        build_voices(read_librispeech(librispeech), tmp_path / "out", refuse, lambda done, of: None)


def test_align_when_the_speech_is_synthetic_then_the_phones_begin_where_they_were_spoken(flite, tmp_path):
    pytest.importorskip("pocketsphinx")
    text = "please move the microphone a little closer and speak to me about pilcrowns"
    spoken = flite.speak(text, "slt", tmp_path / "speech.wav")
    samples, _ = soundfile.read(str(tmp_path / "speech.wav"), dtype="int16")
    aligner = Aligner(flite.pronounce)
    found = aligner.align(samples, text)
    assert found.n_unknown == 1  # pilcrowns
    starts_s = np.array([phone.start_s for phone in spoken])
    errors_s = [np.abs(starts_s - phone.start_s).min() for phone in found.phones]
    assert np.median(errors_s) < 0.02
    assert np.quantile(errors_s, 0.9) < 0.06
    with pytest.raises(AlignmentError):
        aligner.align(np.zeros(1600, np.int16), text)


def test_plans_when_from_voices_then_the_test_speakers_come_first(voices):
    plans = list(plans_of_voices(voices))
    assert [(plan.name, plan.about["split"]) for plan in plans] == [
        ("still_000_103-1240-0000", "test"),
        ("still_001_26-495-0000", "train"),
    ]


def test_plans_when_of_sentences_then_the_last_is_the_test_clip(flite):
    plans = list(plans_of_sentences(flite))
    assert [plan.about["split"] for plan in plans] == ["train"] * 10 + ["test"]
    assert plans[-1].name == "still_tts_test_rms"
    assert plans[-1].n_frames == pytest.approx(291, abs=8)  # the shipped models were tested on 291


def test_clips_when_rendered_then_training_reads_pictures_and_parameters(voices, kit, tmp_path):
    nova = tmp_path / "data" / "nova"
    assert build_clips(list(plans_of_voices(voices)), nova, kit, lambda done, of: None) == 2
    clips = still_clips(nova)
    assert [(clip.name, clip.is_train) for clip in clips] == [
        ("still_000_103-1240-0000", False),
        ("still_001_26-495-0000", True),
    ]
    params, frames = read_params(clips[1]), list(read_frames(clips[1]))
    assert len(params) == len(frames) == 25
    assert np.allclose([frame.mean() for frame in frames], 60 + 100 * params[:, 0], atol=4)
    meta = json.loads((clips[1].folder / "meta.json").read_text())
    assert (meta["licence"], meta["text"]) == ("CC BY 4.0", "please stop")


def test_clips_when_the_renderer_fails_then_says_why_and_continues_later(voices, kit, tmp_path):
    nova, plans = tmp_path / "data" / "nova", list(plans_of_voices(voices))
    script = kit.folder / "kit" / "render_avatar.py"
    script.write_text("raise SystemExit('no memory')")
    with pytest.raises(StudioError, match="no memory"):
        build_clips(plans, nova, kit, lambda done, of: None)
    script.write_text(RENDERER)
    assert build_clips(plans, nova, kit, lambda done, of: None) == 2


def test_clips_when_there_is_no_renderer_then_everything_but_the_video(voices, tmp_path):
    nova = tmp_path / "data" / "nova"
    assert build_clips(list(plans_of_voices(voices)), nova, None, lambda done, of: None) == 0
    folder = nova / "clips" / "still_001_26-495-0000"
    assert {file.name for file in folder.iterdir()} == {"audio.flac", "params.npz", "meta.json"}


def test_video_when_written_then_25_pictures_a_second_of_256_px(kit, tmp_path):
    plan = Plan("still_000", np.zeros(RATE_HZ, np.float32), (), dict.fromkeys(("source", "licence", "split"), ""))
    build_clips([plan], tmp_path, kit, lambda done, of: None)
    with av.open(str(tmp_path / "clips" / "still_000" / "video.mp4")) as video:
        stream = video.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate, stream.frames) == (256, 256, 25, 25)


def test_portrait_when_rendered_then_enrolment_reads_it(kit, tmp_path):
    build_portrait(tmp_path, kit)
    files, pose = idle_pictures(tmp_path / "idle")
    assert (len(files), pose.shape) == (3, (3, 3))
    grid = read_grid(tmp_path / "pose_grid")
    assert (grid.yaws.min(), grid.yaws.max(), grid.pitches.max()) == pytest.approx((-15, 15, 9), abs=1e-3)
    assert (tmp_path / "rig.npz").read_bytes() == b"rig"


def test_kit_when_a_part_is_missing_then_named(kit):
    (kit.folder / "mpfb").rmdir()
    with pytest.raises(StudioError, match="lacks mpfb"):
        kit.check()


def test_kit_when_the_python_has_no_blender_then_says_so(kit):
    with pytest.raises(StudioError, match="bpy"):
        kit.check()


def test_command_when_voices_are_wanted_without_librispeech_then_says_what_to_name(tmp_path):
    with pytest.raises(StudioError, match="need LibriSpeech"):
        cli.main(["--out", str(tmp_path)])
