"""Splits of the speech corpus and its cache."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.data import speech_corpus
from avatar_app.studio.data.speech_corpus import Recording, librispeech_recordings, load_utterance
from avatar_app.studio.data.synthetic_voices import VOICES, synthesize
from avatar_app.studio.data.utterances import cached
from avatar_app.studio.mouth import Phone

pytestmark = pytest.mark.studio
REAL_FOLDER = Path(__file__).parents[3] / "shared" / "data" / "speech" / "librispeech"


@pytest.fixture
def folder(tmp_path):
    """A phone list of eighty speakers, three of them in the test split."""
    entries = {}
    for i in range(80):
        name = f"voice_{'FM'[i % 2]}_{i}"
        trust = "low" if i % 10 == 9 else "high"
        entries[name] = {"text": "oh", "phones": [["ow", 0.0, 0.5]], "trust": trust}
        if i < 3:
            entries[name]["split"] = "test"
        soundfile.write(tmp_path / f"{name}.flac", np.zeros(160), 16000)
    (tmp_path / "phones.json").write_text(json.dumps(entries))
    return tmp_path


def test_recordings_when_split_then_no_speaker_is_in_two_splits(folder):
    recordings = librispeech_recordings(folder)
    parts = {split: {r.name for r in recordings if r.split == split} for split in ("train", "held_out", "test")}
    assert sum(map(len, parts.values())) == 80 == len(set.union(*parts.values()))
    assert parts["test"] == {"voice_F_0", "voice_M_1", "voice_F_2"}


def test_recordings_when_held_out_then_half_women_with_reliable_phone_times(folder):
    held_out = [r for r in librispeech_recordings(folder) if r.split == "held_out"]
    assert len(held_out) == 24
    assert sum("_F_" in r.name for r in held_out) == 12
    assert all(r.trust == 1.0 for r in held_out)


def test_recordings_when_read_twice_then_the_same_speakers_are_held_out(folder):
    first, second = ([r.name for r in librispeech_recordings(folder) if r.split == "held_out"] for _ in range(2))
    assert first == second


def test_recordings_when_some_are_not_usable_then_left_out_with_the_reason(folder, caplog):
    entries = json.loads((folder / "phones.json").read_text())
    entries["voice_M_3"]["phones"] = []
    del entries["voice_F_4"]["trust"]
    (folder / "phones.json").write_text(json.dumps(entries))
    (folder / "voice_M_5.flac").write_bytes(b"no sound")
    (folder / "voice_F_6.flac").unlink()
    soundfile.write(folder / "voice_M_7.flac", np.zeros(441), 44100)
    found = {r.name for r in librispeech_recordings(folder)}
    bad = {"voice_M_3": "phones", "voice_F_4": "trust", "voice_M_5": "cannot be read", "voice_F_6": "cannot be read",
           "voice_M_7": "44100 Hz"}  # fmt: skip
    assert found == set(entries) - set(bad)
    for name, reason in bad.items():
        assert any(name in line and reason in line for line in caplog.messages)


def test_recordings_when_none_is_usable_then_error(folder):
    for file in folder.glob("*.flac"):
        file.unlink()
    with pytest.raises(StudioError, match="No recording in"):
        librispeech_recordings(folder)


@pytest.mark.skipif(not REAL_FOLDER.exists(), reason="the recordings are not beside the repository")
def test_recordings_when_real_then_no_test_speaker_is_trained_on():
    entries = json.loads((REAL_FOLDER / "phones.json").read_text())
    clips = json.loads((REAL_FOLDER.parents[1] / "nova" / "clips.json").read_text())
    test_names = {name for name, entry in entries.items() if entry.get("split") == "test"}
    test_names |= {clip["source"].removeprefix("LibriSpeech ") for clip in clips if clip["split"] == "test"}
    recordings = librispeech_recordings(REAL_FOLDER)
    assert len({r.name for r in recordings} & test_names) == 4
    assert not {r.name for r in recordings if r.split == "train"} & test_names


def test_recordings_when_folder_is_missing_then_error_with_advice(tmp_path):
    with pytest.raises(StudioError, match="--data"):
        librispeech_recordings(tmp_path / "nothing")


def test_load_utterance_when_read_then_columns_and_curves_cover_the_sound(tmp_path):
    samples = np.random.default_rng(0).standard_normal(16000).astype(np.float32) * 0.1
    soundfile.write(tmp_path / "a.flac", samples, 16000)
    recording = Recording("a", tmp_path / "a.flac", (Phone("aa", 0.0, 1.0),), 1.0, "train")
    utterance = load_utterance(recording)
    assert utterance.magnitudes.shape == (81, 401)
    assert utterance.mouth.shape == (100, 14)


def test_load_utterance_when_rate_differs_then_error(tmp_path):
    soundfile.write(tmp_path / "a.flac", np.zeros(100, dtype=np.float32), 8000)
    with pytest.raises(StudioError, match="8000 Hz"):
        load_utterance(Recording("a", tmp_path / "a.flac", (), 1.0, "train"))


def test_cached_when_called_again_then_reads_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(speech_corpus.noises, "DURATION_S", 2.0)
    made = cached(tmp_path / "quiet.npz", speech_corpus.quiet_utterances)
    read = cached(tmp_path / "quiet.npz", lambda: pytest.fail("made again"))
    assert [u.name for u in read] == [u.name for u in made]
    assert all(np.array_equal(a.magnitudes, b.magnitudes) for a, b in zip(read, made, strict=True))


def test_cached_when_names_differ_then_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(speech_corpus.noises, "DURATION_S", 2.0)
    quiet = speech_corpus.quiet_utterances()
    names = [utterance.name for utterance in quiet]
    cached(tmp_path / "train.npz", lambda: quiet, names)
    assert len(cached(tmp_path / "train.npz", lambda: pytest.fail("made again"), names)) == 11
    for _ in range(2):
        assert [u.name for u in cached(tmp_path / "train.npz", lambda: quiet[:2], names[:2])] == names[:2]


def test_voices_when_the_folder_changes_then_read_again(data, tmp_path):
    speech = data / "speech" / "librispeech"
    before = speech_corpus.load_voices(speech, tmp_path)
    entries = json.loads((speech / "phones.json").read_text())
    new = [name for name, entry in entries.items() if name != before.corpus.real[0].name]
    (speech / "phones.json").write_text(json.dumps({name: entries[name] for name in new}))
    after = speech_corpus.load_voices(speech, tmp_path)
    assert [u.name for u in after.corpus.real] == [u.name for u in before.corpus.real[1:]]


def test_cached_when_empty_then_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(speech_corpus.noises, "DURATION_S", 2.0)
    assert cached(tmp_path / "synthetic.npz", list) == []
    assert len(cached(tmp_path / "synthetic.npz", speech_corpus.quiet_utterances)) == 11


def test_cached_when_another_process_writes_the_same_file_then_both_succeed(tmp_path, monkeypatch):
    monkeypatch.setattr(speech_corpus.noises, "DURATION_S", 2.0)
    save = np.savez

    def save_beside_another(file, **arrays):
        save(file, **arrays)
        monkeypatch.setattr(np, "savez", save)
        assert len(cached(tmp_path / "quiet.npz", speech_corpus.quiet_utterances)) == 11

    monkeypatch.setattr(np, "savez", save_beside_another)
    assert len(cached(tmp_path / "quiet.npz", speech_corpus.quiet_utterances)) == 11
    assert [path.name for path in tmp_path.iterdir()] == ["quiet.npz"]


@pytest.mark.skipif(shutil.which("flite") is None, reason="needs flite")
def test_synthesize_when_flite_is_installed_then_voices_take_turns_and_speech_moves_the_mouth():
    utterances = synthesize([(name, "Pass me the map.") for name in "abcde"])
    voices = [*VOICES, VOICES[0]]
    assert [u.name for u in utterances] == [
        f"flite_{voice}_{name}" for voice, name in zip(voices, "abcde", strict=True)
    ]
    assert all(np.ptp(u.mouth[:, 0]) > 0.3 and u.trust == 1.0 for u in utterances)
    # The same voice, once at 0.85 and once at 1.0 of its length.
    assert len(utterances[0].magnitudes) < len(utterances[4].magnitudes)


def test_synthesize_when_flite_is_missing_then_empty_with_a_warning(monkeypatch, caplog):
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert synthesize([("a", "hello")]) == []
    assert "flite" in caplog.text
