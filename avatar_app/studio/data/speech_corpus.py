"""The speech corpus: recordings with phone times, synthetic speech, and sounds without speech."""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.mel_spec import MEL
from avatar_app.studio.data import noises
from avatar_app.studio.data.synthetic_voices import synthesize, synthetic_names
from avatar_app.studio.data.utterances import Utterance, cached, make_utterance, read_16khz
from avatar_app.studio.mouth import Phone

log = logging.getLogger(__name__)

N_HELD_OUT = 24
N_SYNTHETIC = 160
TRUST = {"high": 1.0, "medium": 1.0, "low": 0.25}


@dataclass(frozen=True, slots=True)
class Recording:
    """One utterance on disk, with its phones.

    Attributes:
        name: unique; contains the speaker.
        file: the sound.
        phones: in order.
        trust: reliability of the phone times, 0..1.
        split: `train`, `held_out` (speakers for validation) or `test` (speakers for the final scores).
    """

    name: str
    file: Path
    phones: tuple[Phone, ...]
    trust: float
    split: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """Training utterances by kind; `quiet` are sounds without speech."""

    real: Sequence[Utterance]
    synthetic: Sequence[Utterance]
    quiet: Sequence[Utterance]


@dataclass(frozen=True, slots=True)
class Voices:
    """All voices by split.

    Attributes:
        corpus: for training.
        held_out: speakers for validation.
        test: speakers for the final scores.
    """

    corpus: Corpus
    held_out: Sequence[Utterance]
    test: Sequence[Utterance]


def librispeech_recordings(folder: Path) -> list[Recording]:
    """All usable recordings of `speech/librispeech` with their split; the others are left out with a warning.

    Raises:
        StudioError: the phone list cannot be read, or no recording is usable.
    """
    try:
        entries = json.loads((folder / "phones.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StudioError(
            f"The phone list in {folder} cannot be read: {error}.", "Point --data at the folder that holds speech/."
        ) from error
    faults = {name: _fault(folder / f"{name}.flac", entry) for name, entry in entries.items()}
    for name, fault in faults.items():
        if fault:
            log.warning("%s is left out: %s", name, fault)
    entries = {name: entry for name, entry in entries.items() if not faults[name]}
    if not entries:
        raise StudioError(f"No recording in {folder} is usable.", "Read the warnings above.")
    held_out = _held_out_names(entries)
    recordings = []
    for name, entry in sorted(entries.items()):
        split = "test" if entry.get("split") == "test" else "held_out" if name in held_out else "train"
        phones = tuple(Phone(str(p), float(start_s), float(end_s)) for p, start_s, end_s in entry["phones"])
        recordings.append(Recording(name, folder / f"{name}.flac", phones, TRUST[entry["trust"]], split))
    return recordings


def _fault(file: Path, entry: Mapping[str, Any]) -> str:
    """Why a recording is not usable, from its entry and the header of its file; empty if it is."""
    import soundfile

    if not entry.get("phones"):
        return "it has no phones"
    if entry.get("trust") not in TRUST:
        return f"its trust is none of {', '.join(TRUST)}"
    try:
        about = soundfile.info(str(file))
    except (OSError, RuntimeError) as error:
        return f"{file.name} cannot be read: {error}"
    return "" if about.samplerate == MEL.rate_hz else f"it has {about.samplerate} Hz, not {MEL.rate_hz}"


def load_utterance(recording: Recording) -> Utterance:
    """Prepare one recording."""
    samples = read_16khz(recording.file)
    return make_utterance(recording.name, samples, recording.phones, recording.trust)


def texts_of(folder: Path, names: Iterable[str]) -> list[tuple[str, str]]:
    """Transcripts of recordings, as (name, text)."""
    entries = json.loads((folder / "phones.json").read_text(encoding="utf-8"))
    return [(name, str(entries[name]["text"])) for name in names]


def load_voices(speech: Path, cache: Path) -> Voices:
    """The recordings of `speech/librispeech`, synthetic voices with the same texts, and sounds without speech.

    Args:
        speech: that folder.
        cache: where prepared sounds are kept for the next run.

    Raises:
        StudioError: something in the folder is missing.
    """
    recordings = librispeech_recordings(speech)
    by_split = {
        split: cached(
            cache / f"{split}.npz",
            lambda split=split: [load_utterance(r) for r in recordings if r.split == split],  # type: ignore[misc]
            [r.name for r in recordings if r.split == split],
        )
        for split in ("train", "held_out", "test")
    }
    names = [u.name for u in by_split["train"]][:N_SYNTHETIC]
    synthetic = cached(
        cache / "synthetic.npz",
        lambda: synthesize(texts_of(speech, names)),
        synthetic_names(names),
    )
    quiet = cached(cache / "quiet.npz", quiet_utterances)
    return Voices(Corpus(by_split["train"], synthetic, quiet), by_split["held_out"], by_split["test"])


def quiet_utterances(seed: int = 5) -> list[Utterance]:
    """Noises for which the mouth stays at rest."""
    rng = np.random.default_rng(seed)
    return [make_utterance(f"noise_{name}", samples, (), 1.0) for name, samples in noises.all_noises(rng)]


def _held_out_names(entries: dict[str, dict[str, object]]) -> set[str]:
    """Half women, half men, with reliable phone times, in an order that depends on the names only."""
    names = sorted(entries, key=lambda name: zlib.crc32(name.encode()))
    usable = [n for n in names if entries[n]["trust"] == "high" and entries[n].get("split") != "test"]
    women, men = ([n for n in usable if f"_{sex}_" in n] for sex in "FM")
    return {*women[: N_HELD_OUT // 2], *men[: N_HELD_OUT // 2]}
