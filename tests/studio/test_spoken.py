"""Training texts in synthetic voices, with fake synthesizers."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.corpus import spoken
from avatar_app.studio.corpus.alignment import Alignment
from avatar_app.studio.data.speech_corpus import librispeech_recordings
from avatar_app.studio.data.tts import Voice
from avatar_app.studio.mouth import Phone

pytestmark = pytest.mark.studio


class FakeEngine:
    def __init__(self):
        self.spoken = []

    def speak(self, text, voice):
        self.spoken.append((voice.name, text))
        return np.full(1600, 0.1, dtype=np.float32)


VOICES = [Voice("fake", "ann", "en"), Voice("fake", "bob", "en")]


def test_phrases_when_texts_are_long_then_cut_into_pieces_of_words():
    found = spoken.phrases(["one two three four five six seven,", "eight", ""], n_words=4)
    assert sorted(found) == ["eight.", "five six seven.", "one two three four."]
    assert "nine." not in spoken.phrases(["a b c d nine"], n_words=4)


def test_speak_when_called_then_voices_say_different_texts(tmp_path):
    engine = FakeEngine()
    files = list(spoken.speak(VOICES, {"fake": engine}, ["a.", "b.", "c."], 2, tmp_path / "out"))
    assert engine.spoken == [("ann", "a."), ("ann", "b."), ("bob", "c."), ("bob", "a.")]
    assert [f.file.name for f in files] == [
        f"fake-{v}_{k:04d}.flac" for v, k in zip(["ann", "ann", "bob", "bob"], (0, 1, 2, 0), strict=True)
    ]
    samples, rate_hz = soundfile.read(files[0].file)
    assert (len(samples), rate_hz) == (4000 + 1600 + 6400, 16_000)
    assert samples[:4000].max() == samples[5600:].max() == 0


def test_speak_when_continued_then_only_missing_sounds_are_made(tmp_path):
    first, second = FakeEngine(), FakeEngine()
    files = list(spoken.speak(VOICES, {"fake": first}, ["a.", "b."], 1, tmp_path))
    files[1].file.unlink()
    assert list(spoken.speak(VOICES, {"fake": second}, ["a.", "b."], 1, tmp_path)) == files
    assert second.spoken == [("bob", "b.")]


def test_main_when_a_voice_is_installed_then_speaks_texts_of_training_recordings_only(data, tmp_path, monkeypatch):
    engine = FakeEngine()
    monkeypatch.setattr(spoken, "available_engines", lambda: {"fake": engine})
    monkeypatch.setattr(spoken, "choose_voices", lambda _language, n, _engines: VOICES[:n])
    assert spoken.main(["--data", str(data), "--out", str(tmp_path), "--voices", "1", "--sounds", "3"]) == 0
    assert len(engine.spoken) == len(list(tmp_path.glob("fake-ann_*.flac"))) == 3
    n_train = sum(text == "um" for text in spoken.training_texts(data))
    assert n_train == 30 - 2 - 24
    assert not (tmp_path / "phones.json").exists()


def test_main_when_the_aligner_is_installed_then_phone_times(data, tmp_path, monkeypatch):
    class FakeAligner:
        def __init__(self, _pronounce):
            pass

        def align(self, samples, text):
            assert len(samples) == 4000 + 1600 + 6400
            return Alignment((Phone("aa", 0.0, 0.1),), -1.0, 0)

    monkeypatch.setattr(spoken, "available_engines", lambda: {"fake": FakeEngine()})
    monkeypatch.setattr(spoken, "choose_voices", lambda _language, n, _engines: VOICES[:n])
    monkeypatch.setattr(spoken, "Aligner", FakeAligner)
    monkeypatch.setattr(spoken, "Flite", lambda: SimpleNamespace(pronounce=None))
    assert spoken.main(["--data", str(data), "--out", str(tmp_path / "out"), "--voices", "2", "--sounds", "1"]) == 0
    recordings = librispeech_recordings(tmp_path / "out")
    assert sorted(r.name.split("_")[0] for r in recordings) == ["fake-ann", "fake-bob"]
    assert recordings[0].phones == (Phone("aa", 0.0, 0.1),)


def test_main_when_no_voice_is_installed_then_one_sentence(data, tmp_path, monkeypatch):
    monkeypatch.setattr(spoken, "available_engines", dict)
    with pytest.raises(StudioError, match="No English voice is installed"):
        spoken.main(["--data", str(data), "--out", str(tmp_path)])


def test_speak_when_the_folder_cannot_be_made_then_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StudioError, match="cannot be written"):
        list(spoken.speak(VOICES, {"fake": FakeEngine()}, ["a."], 1, tmp_path / "file" / "out"))
