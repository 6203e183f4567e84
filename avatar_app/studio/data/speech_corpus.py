"""The speech corpus: recordings with phone times, synthetic speech, and sounds without speech."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.mel_spec import MEL
from avatar_app.studio.data import noises
from avatar_app.studio.data.cache_file import written
from avatar_app.studio.data.mel import linear_magnitudes
from avatar_app.studio.mouth import CURVE_HZ, Phone, curves_of, phones_over_time

log = logging.getLogger(__name__)

N_HELD_OUT = 24
N_SYNTHETIC = 160
_FIELDS = ("magnitudes", "mouth", "phones")
TRUST = {"high": 1.0, "medium": 1.0, "low": 0.25}
SYNTHETIC_VOICES = ("rms", "slt", "awb", "kal16")


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


@dataclass(frozen=True, slots=True)
class Utterance:
    """One utterance ready for training.

    Attributes:
        name: as in `Recording`.
        magnitudes: (T, 401) float16, a row per mel column.
        mouth: (N, 14) float32, value k at (k + 0.5) / 100 s.
        phones: (N,) int64, index into `mouth.PHONES` at the same instants.
        trust: 0..1.
    """

    name: str
    magnitudes: NDArray[np.float16]
    mouth: NDArray[np.float32]
    phones: NDArray[np.int64]
    trust: float


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


def read_16khz(file: Path) -> NDArray[np.float32]:
    """Samples of a recording at 16 kHz, (n,) float32.

    Raises:
        StudioError: the file cannot be read, or has another rate.
    """
    import soundfile

    try:
        samples, rate_hz = soundfile.read(str(file), dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:
        raise StudioError(f"The recording {file} cannot be read: {error}.", "Check the data folder.") from error
    if rate_hz != MEL.rate_hz:
        raise StudioError(f"The recording {file} has {rate_hz} Hz.", f"Convert it to {MEL.rate_hz} Hz.")
    return np.asarray(samples.mean(1), dtype=np.float32)


def load_utterance(recording: Recording) -> Utterance:
    """Prepare one recording."""
    samples = read_16khz(recording.file)
    return _utterance(recording.name, samples, recording.phones, recording.trust)


def synthesize(texts: Sequence[tuple[str, str]]) -> list[Utterance]:
    """Synthesize texts with the voices of flite, in turn; their phone times are exact.

    Args:
        texts: (name, text) pairs.

    Returns:
        One utterance per text; none, with a warning, when flite is not installed.
    """
    flite = shutil.which("flite")
    if flite is None:
        log.warning("flite is not installed: training uses no synthetic voices")
        return []
    with tempfile.TemporaryDirectory() as folder:
        return [_speak(flite, i, name, text, Path(folder) / "speech.wav") for i, (name, text) in enumerate(texts)]


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
        [_synthetic_name(i, name) for i, name in enumerate(names)],
    )
    quiet = cached(cache / "quiet.npz", quiet_utterances)
    return Voices(Corpus(by_split["train"], synthetic, quiet), by_split["held_out"], by_split["test"])


def quiet_utterances(seed: int = 5) -> list[Utterance]:
    """Noises for which the mouth stays at rest."""
    rng = np.random.default_rng(seed)
    return [_utterance(f"noise_{name}", samples, (), 1.0) for name, samples in noises.all_noises(rng)]


def cached(file: Path, make: Callable[[], list[Utterance]], names: Sequence[str] | None = None) -> list[Utterance]:
    """Utterances from a cache file, which is written when it is missing or has other utterances.

    Args:
        file: an `.npz` file; its folder is made.
        make: makes the utterances; an empty list is not stored, because flite may be installed later.
        names: of the wanted utterances; None when they never change.

    Raises:
        StudioError: the file cannot be written.
    """
    if file.exists():
        with np.load(file) as packed:
            kept = packed["names"].tolist()
            if kept and names in (None, kept):
                return _unpack(packed)
    utterances = make()
    if utterances:
        with written(file) as opened:
            np.savez(opened, **_pack(utterances))  # type: ignore[arg-type]  # numpy's stub takes the names for flags
    return utterances


def _held_out_names(entries: dict[str, dict[str, object]]) -> set[str]:
    """Half women, half men, with reliable phone times, in an order that depends on the names only."""
    names = sorted(entries, key=lambda name: zlib.crc32(name.encode()))
    usable = [n for n in names if entries[n]["trust"] == "high" and entries[n].get("split") != "test"]
    women, men = ([n for n in usable if f"_{sex}_" in n] for sex in "FM")
    return {*women[: N_HELD_OUT // 2], *men[: N_HELD_OUT // 2]}


def _utterance(name: str, samples: NDArray[np.float32], phones: Sequence[Phone], trust: float) -> Utterance:
    n_values = int(np.ceil(len(samples) / MEL.rate_hz * CURVE_HZ))
    return Utterance(
        name=name,
        magnitudes=linear_magnitudes(samples).astype(np.float16),
        mouth=curves_of(phones, n_values),
        phones=phones_over_time(phones, n_values),
        trust=trust,
    )


def _synthetic_voice(index: int) -> str:
    return SYNTHETIC_VOICES[index % len(SYNTHETIC_VOICES)]


def _synthetic_name(index: int, name: str) -> str:
    return f"flite_{_synthetic_voice(index)}_{name}"


def _speak(flite: str, index: int, name: str, text: str, wav: Path) -> Utterance:
    voice = _synthetic_voice(index)
    duration_ratio = (0.85, 1.0, 1.15)[index % 3]
    command = [
        flite,
        "-voice",
        voice,
        "--setf",
        f"duration_stretch={duration_ratio}",
        "-t",
        text,
        "-psdur",
        "-o",
        str(wav),
    ]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
    phones, start_s = [], 0.0
    for item in printed.split():
        phone, end_s = item.rsplit(":", 1)
        phones.append(Phone(phone, start_s, float(end_s)))
        start_s = float(end_s)
    return _utterance(_synthetic_name(index, name), read_16khz(wav), phones, 1.0)


def _pack(utterances: Sequence[Utterance]) -> dict[str, NDArray[np.generic]]:
    return {
        "names": np.array([u.name for u in utterances]),
        "trust": np.array([u.trust for u in utterances]),
        "n_columns": np.array([len(u.magnitudes) for u in utterances]),
        "n_values": np.array([len(u.mouth) for u in utterances]),
        **{field: np.concatenate([getattr(u, field) for u in utterances]) for field in _FIELDS},
    }


def _unpack(packed: np.lib.npyio.NpzFile) -> list[Utterance]:
    columns, values = (np.cumsum(packed[name])[:-1] for name in ("n_columns", "n_values"))
    parts = zip(
        packed["names"],
        np.split(packed["magnitudes"], columns),
        np.split(packed["mouth"], values),
        np.split(packed["phones"], values),
        packed["trust"],
        strict=True,
    )
    return [Utterance(str(name), m, mouth, phones, float(trust)) for name, m, mouth, phones, trust in parts]
