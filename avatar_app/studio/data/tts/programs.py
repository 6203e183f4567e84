"""Synthesizers that are separate programs: flite, festival and espeak-ng."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from avatar_app.contracts.errors import MissingExtraError, StudioError
from avatar_app.contracts.packets import Float32
from avatar_app.studio.data.flite import Flite
from avatar_app.studio.data.tts.engine import Voice, normalised

TIMEOUT_S = 60
_FESTIVAL_FOLDER = Path("/usr/share/festival/voices")
# espeak-ng has one voice per language and many variants of it; these differ most in pitch and formants.
_ESPEAK_VARIANTS = {"": "m", "f3": "f", "m3": "m", "f5": "f"}
_ESPEAK_LANGUAGES = {
    "en": "en-us", "de": "de", "fr": "fr-fr", "es": "es", "pt": "pt-br", "it": "it", "nl": "nl", "pl": "pl",
    "hi": "hi", "zh": "cmn", "ja": "ja", "ru": "ru", "sv": "sv", "tr": "tr",
}  # fmt: skip


class FliteEngine:
    """flite: four usable English voices, 26 times as fast as real time."""

    name = "flite"
    _voices: Mapping[str, str] = {"slt": "f", "rms": "m", "awb": "m", "kal16": "m"}

    def is_available(self) -> bool:
        """See `Engine.is_available`."""
        return Flite.is_installed()

    def voices(self, language: str) -> Sequence[Voice]:
        """See `Engine.voices`."""
        if language != "en" or not self.is_available():
            return ()
        return tuple(Voice(self.name, voice, "en", sex, 2.90) for voice, sex in self._voices.items())

    def speak(self, text: str, voice: Voice) -> Float32:
        """See `Engine.speak`."""
        flite = Flite()
        with tempfile.TemporaryDirectory() as folder:
            wav = Path(folder) / "speech.wav"
            flite.speak(text, voice.name, wav)
            return _samples_of(wav, self.name)


class FestivalEngine:
    """festival: up to three English voices, twice as fast as real time."""

    name = "festival"
    _voices: Mapping[str, tuple[str, str]] = {
        "cmu_us_slt_arctic_hts": ("us", "f"),
        "kal_diphone": ("english", "m"),
        "ked_diphone": ("english", "m"),
    }

    def is_available(self) -> bool:
        """See `Engine.is_available`."""
        return shutil.which("text2wave") is not None

    def voices(self, language: str) -> Sequence[Voice]:
        """See `Engine.voices`."""
        if language != "en" or not self.is_available():
            return ()
        return tuple(
            Voice(self.name, voice, "en", sex, 2.93)
            for voice, (folder, sex) in self._voices.items()
            if (_FESTIVAL_FOLDER / folder / voice).is_dir()
        )

    def speak(self, text: str, voice: Voice) -> Float32:
        """See `Engine.speak`."""
        with tempfile.TemporaryDirectory() as folder:
            wav = Path(folder) / "speech.wav"
            run_program("text2wave", ["-eval", f"(voice_{voice.name})", "-o", str(wav)], text, "festival")
            return _samples_of(wav, self.name)


class EspeakEngine:
    """espeak-ng: many languages, 54 times as fast as real time, the least natural. GPL-3, run as a program only."""

    name = "espeak"

    def is_available(self) -> bool:
        """See `Engine.is_available`."""
        return shutil.which("espeak-ng") is not None

    def voices(self, language: str) -> Sequence[Voice]:
        """See `Engine.voices`."""
        if language not in _ESPEAK_LANGUAGES or not self.is_available():
            return ()
        base = _ESPEAK_LANGUAGES[language]
        return tuple(
            Voice(self.name, f"{base}+{variant}" if variant else base, language, sex, 2.72)
            for variant, sex in _ESPEAK_VARIANTS.items()
        )

    def speak(self, text: str, voice: Voice) -> Float32:
        """See `Engine.speak`."""
        with tempfile.TemporaryDirectory() as folder:
            wav = Path(folder) / "speech.wav"
            run_program("espeak-ng", ["-v", voice.name, "--stdin", "-w", str(wav)], text, "espeak-ng")
            return _samples_of(wav, self.name)


def espeak_phonemes(text: str, language: str) -> str:
    """A text in the International Phonetic Alphabet, by espeak-ng.

    Raises:
        MissingExtraError: espeak-ng is not installed.
        StudioError: espeak-ng failed.
    """
    voice = _ESPEAK_LANGUAGES.get(language, language)
    printed = run_program("espeak-ng", ["-q", "--ipa", "-v", voice, "--stdin"], text, "espeak-ng")
    return " ".join(printed.split())


def run_program(program: str, words: Sequence[str], text: str, package: str) -> str:
    """Run a synthesizer that reads the text from its standard input.

    Args:
        program: its name.
        words: command line.
        text: for its standard input; a text on the command line could be taken for an option.
        package: what to install if the program is missing.

    Returns:
        What it printed.

    Raises:
        MissingExtraError: the program is not installed.
        StudioError: it failed.
    """
    path = shutil.which(program)
    if path is None:
        raise MissingExtraError(
            f"The program {package} is not installed.",
            f"Install it, on Debian and Ubuntu with: sudo apt install {package}",
        )
    try:
        return subprocess.run(  # noqa: S603 - a program of the user's system, without a shell
            [path, *words], input=text, check=True, capture_output=True, text=True, encoding="utf-8", timeout=TIMEOUT_S
        ).stdout
    except (OSError, subprocess.SubprocessError, UnicodeError) as error:
        raise StudioError(f"{package} failed: {error}.", "Install it again, then give the same command.") from error


def _samples_of(wav: Path, engine: str) -> Float32:
    import soundfile

    try:
        samples, rate_hz = soundfile.read(str(wav), dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:
        raise StudioError(f"{engine} wrote no sound: {error}.", "Give a text with words.") from error
    if not len(samples):
        raise StudioError(f"{engine} found nothing to say.", "Give a text with words.")
    return normalised(samples.mean(1), int(rate_hz))
