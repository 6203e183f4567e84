"""`avatar-app studio speak`: the texts of the training recordings in synthetic voices, with phone times.

The speech encoder learns from them too (`studio train speech-encoder --sounds`). Phone times come from forced alignment
as those of the recordings do; without the extra `align` there are none, and an offline teacher must give the mouth. A
sound that exists is not made again.
"""

from __future__ import annotations

import argparse
import itertools
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from avatar_app.contracts.atomic_file import replacing
from avatar_app.contracts.errors import StudioError, UserError
from avatar_app.studio.corpus.alignment import Aligner
from avatar_app.studio.corpus.cli import reporter
from avatar_app.studio.corpus.sentences import TEXTS
from avatar_app.studio.corpus.voices import build_voices
from avatar_app.studio.data.flite import Flite
from avatar_app.studio.data.speech_corpus import librispeech_recordings, texts_of
from avatar_app.studio.data.tts import RATE_HZ, Engine, Voice, available_engines, choose_voices

log = logging.getLogger(__name__)

# Words of a phrase; a last piece of fewer than half is left out.
N_WORDS = 15
SILENCE_BEFORE_S, SILENCE_AFTER_S = 0.25, 0.4
ORDER_SEED = 7


@dataclass(frozen=True, slots=True)
class SpokenText:
    """A sound of a synthetic voice; see `voices.Spoken`."""

    name: str
    file: Path
    text: str
    speaker: int = -1

    @property
    def id(self) -> str:
        """The name."""
        return self.name


def phrases(texts: Iterable[str], n_words: int = N_WORDS) -> list[str]:
    """Cut texts into phrases of about `n_words` words, in a fixed random order."""
    found: list[str] = []
    for text in texts:
        words = text.split()
        starts = range(0, max(1, len(words) - n_words // 2), n_words)
        found += [" ".join(words[start : start + n_words]).rstrip(".,;:") + "." for start in starts if words]
    order = np.random.default_rng(ORDER_SEED).permutation(len(found))
    return [found[k] for k in order]


def speak(
    voices: Sequence[Voice], engines: Mapping[str, Engine], texts: Sequence[str], n_each: int, out: Path
) -> Iterator[SpokenText]:
    """Speak `n_each` texts with each voice, no text twice before all were spoken once.

    Args:
        voices: in order.
        engines: by name.
        texts: what to say.
        n_each: sounds of each voice.
        out: folder of the sounds, made when missing.

    Yields:
        The sounds, in files `<voice>_<number>.flac`, 16 kHz.

    Raises:
        StudioError: a file cannot be written.
    """
    numbered = itertools.cycle(enumerate(texts))
    try:
        out.mkdir(parents=True, exist_ok=True)
        for voice in voices:
            for number, text in itertools.islice(numbered, n_each):
                file = out / f"{voice.id}_{number:04d}.flac"
                if not file.exists():
                    _write(file, engines[voice.engine].speak(text, voice))
                yield SpokenText(file.stem, file, text)
    except OSError as error:
        raise StudioError(f"The sounds cannot be written to {out}: {error}.", "Free some space.") from error


def _write(file: Path, samples: NDArray[np.float32]) -> None:
    silences = (np.zeros(int(s * RATE_HZ), dtype=np.float32) for s in (SILENCE_BEFORE_S, SILENCE_AFTER_S))
    before, after = silences
    with replacing(file) as temporary, temporary.open("wb") as opened:
        soundfile.write(opened, np.concatenate([before, samples, after]), RATE_HZ, format="FLAC")


def training_texts(data: Path) -> list[str]:
    """Texts of the training recordings whose words are certain, and our own sentences.

    Raises:
        StudioError: the recordings are missing.
    """
    speech = data / "speech" / "librispeech"
    names = [r.name for r in librispeech_recordings(speech) if r.split == "train" and r.trust >= 1]
    return [*(text.lower() for _, text in texts_of(speech, names)), *TEXTS]


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of `avatar-app studio speak`.

    Raises:
        StudioError: no synthesizer is installed, or the texts are missing.
    """
    parser = argparse.ArgumentParser(prog="avatar-app studio speak", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds speech/")
    parser.add_argument("--out", type=Path, required=True, help="folder of the sounds")
    parser.add_argument("--voices", type=int, default=8, help="number of voices (default: 8)")
    parser.add_argument("--sounds", type=int, default=40, help="sounds of each voice (default: 40)")
    arguments = parser.parse_args(argv)
    engines = available_engines()
    voices = choose_voices("en", arguments.voices, engines)
    if not voices:
        raise StudioError("No English voice is installed.", "Install the extra tts, or the program flite.")
    texts = phrases(training_texts(arguments.data))
    found, report = [], reporter("sounds")
    for spoken in speak(voices, engines, texts, arguments.sounds, arguments.out):
        found.append(spoken)
        report(len(found), len(voices) * arguments.sounds)
    _align(found, arguments.out)
    return 0


def _align(found: Sequence[SpokenText], out: Path) -> None:
    """Write the phone times, if the aligner and flite, which knows how words are pronounced, are installed."""
    try:
        align = Aligner(Flite().pronounce).align
    except UserError as error:
        log.warning("%s Without phone times the sounds need a teacher: --offline-teacher.", error.what)
        return
    n_aligned = build_voices(found, out, align, reporter("phone times"))
    log.info("%d of %d sounds have phone times", n_aligned, len(found))
