"""Speech synthesis: engines, the choice of voices, the cache, and pairing with a recording."""

import shutil
import sys

import numpy as np
import pytest

from avatar_app.contracts.errors import MissingExtraError, StudioError
from avatar_app.studio.data.tts import RATE_HZ, SpeechCache, Voice, choose_voices
from avatar_app.studio.data.tts.engine import import_package, normalised
from avatar_app.studio.data.tts.networks import HibariEngine, KokoroEngine, PiperEngine
from avatar_app.studio.data.tts.pairing import fit_to_recording, speech_bounds
from avatar_app.studio.data.tts.programs import EspeakEngine, FestivalEngine, FliteEngine

ENGINES = (FliteEngine, FestivalEngine, EspeakEngine, HibariEngine, PiperEngine, KokoroEngine)


class FakeEngine:
    """Speaks a tone, and counts how often."""

    def __init__(self, name, voices):
        self.name, self._voices, self.n_spoken = name, voices, 0

    def is_available(self):
        return True

    def voices(self, language):
        return [voice for voice in self._voices if voice.language == language]

    def speak(self, text, voice):
        self.n_spoken += 1
        return np.sin(np.arange(1600 * len(text)) * 0.1).astype(np.float32) * 0.5


def voice(engine, name, sex, naturalness, language="en"):
    return Voice(engine, name, language, sex, naturalness)


@pytest.mark.parametrize("make", ENGINES)
def test_engine_when_installed_then_speaks_at_16_khz(make):
    engine = make()
    if not engine.is_available() or not engine.voices("en"):
        pytest.skip(f"{engine.name} is not installed")
    spoken = engine.speak("Place blue by B two now.", engine.voices("en")[0])
    assert spoken.dtype == np.float32 and spoken.ndim == 1
    assert 1.0 < len(spoken) / RATE_HZ < 5.0
    assert 0.02 < np.sqrt(np.mean(spoken**2)) < 0.1


@pytest.mark.parametrize("make", (FliteEngine, FestivalEngine, EspeakEngine))
def test_program_when_missing_then_has_no_voices_and_says_what_to_install(make, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda program: None)
    engine = make()
    assert not engine.is_available()
    assert not engine.voices("en")
    with pytest.raises((MissingExtraError, StudioError), match="apt install"):
        engine.speak("Hello.", voice(engine.name, "slt", "f", 3.0))


def test_package_when_missing_then_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "hibari", None)
    with pytest.raises(MissingExtraError, match=r"needs the package hibari\. Install the extra tts"):
        import_package("hibari", "Install the extra tts.")


def test_kokoro_without_voices_then_is_not_available(tmp_path):
    engine = KokoroEngine(tmp_path)
    assert not engine.is_available()
    assert not engine.voices("en")


def test_program_when_it_fails_then_says_so(monkeypatch, tmp_path):
    false = shutil.which("false")
    if false is None:
        pytest.skip("no program that fails")
    monkeypatch.setattr(shutil, "which", lambda program: false)
    with pytest.raises(StudioError, match="espeak-ng failed"):
        EspeakEngine().speak("Hello.", voice("espeak", "en-us", "m", 3.0))


def test_choose_voices_then_alternates_sexes_and_engines_and_is_nested():
    a = FakeEngine("a", [voice("a", f"f{k}", "f", 3.4) for k in range(4)])
    b = FakeEngine("b", [voice("b", "m0", "m", 3.2), voice("b", "m1", "m", 3.2)])
    engines = {"a": a, "b": b}
    chosen = choose_voices("en", 4, engines)
    assert [one.id for one in chosen[:2]] == ["a-f0", "b-m0"]
    assert {one.sex for one in chosen[2:4]} == {"f", "m"}
    assert choose_voices("en", 2, engines) == chosen[:2]
    assert len(choose_voices("en", 99, engines)) == 6
    assert choose_voices("xx", 3, engines) == []


def test_cache_then_speaks_each_text_once(tmp_path):
    engine = FakeEngine("a", [])
    cache = SpeechCache(tmp_path, {"a": engine})
    first, second = voice("a", "one", "f", 3.0), voice("a", "two", "f", 3.0)
    spoken = cache.speak("hello", first)
    assert np.array_equal(cache.speak("hello", first), spoken) and engine.n_spoken == 1
    assert np.array_equal(SpeechCache(tmp_path, {}).speak("hello", first), spoken)
    cache.speak("hello", second)
    cache.speak("other", first)
    assert engine.n_spoken == 3


def test_cache_with_a_damaged_file_then_speaks_again(tmp_path):
    engine = FakeEngine("a", [])
    cache = SpeechCache(tmp_path, {"a": engine})
    cache.speak("hello", voice("a", "one", "f", 3.0))
    next(tmp_path.glob("*.npy")).write_bytes(b"\x93NUMPY")
    cache.speak("hello", voice("a", "one", "f", 3.0))
    assert engine.n_spoken == 2


def test_cache_with_an_unknown_engine_then_says_so(tmp_path):
    with pytest.raises(StudioError, match="no speech synthesizer 'b'"):
        SpeechCache(tmp_path, {}).speak("hello", voice("b", "one", "f", 3.0))


def test_normalised_then_has_16_khz_and_one_level():
    t = np.arange(24_000) / 24_000
    quiet, loud = (normalised(level * np.sin(2 * np.pi * 200 * t), 24_000) for level in (0.01, 0.9))
    assert len(quiet) == 16_000
    assert np.allclose(quiet, loud, atol=1e-3)
    assert np.sqrt(np.mean(quiet**2)) == pytest.approx(10 ** (-26 / 20), rel=0.02)
    assert not normalised(np.zeros(100), 16_000).any()


def burst(before, speech, after, level):
    tone = np.sin(np.arange(speech) * 0.3) * level
    return np.concatenate([np.zeros(before), tone, np.zeros(after)]).astype(np.float32)


def test_fit_to_recording_then_has_its_silence_and_level():
    recording, synthetic = burst(8000, 16_000, 4000, 0.1), burst(1600, 12_000, 800, 0.5)
    fitted = fit_to_recording(synthetic, recording)
    assert len(fitted) % 640 == 0
    first, end = speech_bounds(fitted)
    assert first == pytest.approx(8000, abs=400) and end - first == pytest.approx(12_000, abs=800)
    assert np.abs(fitted).max() == pytest.approx(0.1, rel=0.1)


def test_speech_bounds_of_silence_then_are_the_whole():
    assert speech_bounds(np.zeros(4000, np.float32)) == (0, 4000)
    assert speech_bounds(np.zeros(10, np.float32)) == (0, 10)
