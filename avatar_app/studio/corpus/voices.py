"""Builds `speech/librispeech` of a data folder: recordings, texts, phone times and mouth curves."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from avatar_app.contracts.atomic_file import replacing, write_text
from avatar_app.contracts.errors import InputFileError, StudioError
from avatar_app.contracts.input_file import read_object
from avatar_app.contracts.mouth import MOUTH_NAMES
from avatar_app.studio.corpus.alignment import Alignment, AlignmentError
from avatar_app.studio.mouth import CURVE_HZ, Phone, curves_of

log = logging.getLogger(__name__)

RATE_HZ = 16_000
# Test speakers, never used in training: those of the rendered test clips and one more.
TEST_SPEAKERS = frozenset({103, 5808, 6019, 6181})
# Share of recordings with an uncertain alignment; they have a quarter of the weight in training.
LOW_TRUST_SHARE = 0.1
SAVE_EVERY = 20


class Spoken(Protocol):
    """A recording with its text: an utterance of LibriSpeech, or a synthetic voice."""

    @property
    def id(self) -> str:
        """As in its source."""
        ...

    @property
    def name(self) -> str:
        """Name in our data folder."""
        ...

    @property
    def speaker(self) -> int:
        """Number of the speaker in LibriSpeech; negative for others."""
        ...

    @property
    def file(self) -> Path:
        """FLAC, 16 kHz, mono."""
        ...

    @property
    def text(self) -> str:
        """The transcript."""
        ...


Align = Callable[[NDArray[np.int16], str], Alignment]
Report = Callable[[int, int], None]


def build_voices(utterances: Sequence[Spoken], out: Path, align: Align, report: Report) -> int:
    """Copy, align and describe recordings; recordings of an earlier run are kept.

    Writes `NAME.flac`, `phones.json` (text, phones, duration, trust, split) and `curves.npz` (the mouth at 100 Hz).

    Args:
        utterances: the recordings.
        out: the folder, made when missing.
        align: finds the phones of int16 samples at 16 kHz.
        report: called with the numbers of finished and of all recordings.

    Returns:
        The number of recordings in the folder.

    Raises:
        StudioError: nothing could be aligned, or the folder cannot be written.
    """
    entries = _kept(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for k, utterance in enumerate(utterances):
            if utterance.name not in entries:
                entry = _add(utterance, out, align)
                if entry is not None:
                    entries[utterance.name] = entry
            if k % SAVE_EVERY == SAVE_EVERY - 1:
                _write(out, entries)
            report(k + 1, len(utterances))
        if not entries:
            raise StudioError("No recording could be aligned with its text.", "The lines above say why.")
        _write(out, _with_trust(entries))
        _write_curves(out, entries)
    except OSError as error:
        raise StudioError(f"The voices cannot be written to {out}: {error}.", "Free some space.") from error
    return len(entries)


def _kept(out: Path) -> dict[str, dict[str, Any]]:
    """Entries of an earlier run whose recordings exist."""
    try:
        entries = read_object(out / "phones.json")
    except InputFileError:
        return {}
    return {name: entry for name, entry in entries.items() if (out / f"{name}.flac").is_file()}


def _add(utterance: Spoken, out: Path, align: Align) -> dict[str, Any] | None:
    """Copy the sound of a recording and return its entry; None, with a warning, if it cannot be used."""
    try:
        samples, rate_hz = soundfile.read(str(utterance.file), dtype="int16", always_2d=True)
        if rate_hz != RATE_HZ:
            raise AlignmentError(f"it has {rate_hz} Hz, not {RATE_HZ}")
        found = align(np.ascontiguousarray(samples[:, 0]), utterance.text)
    except (AlignmentError, RuntimeError) as error:
        log.warning("%s is left out: %s", utterance.id, error)
        return None
    with replacing(out / f"{utterance.name}.flac") as temporary:
        shutil.copyfile(utterance.file, temporary)
    return {
        "text": utterance.text,
        "phones": [[phone.name, round(phone.start_s, 3), round(phone.end_s, 3)] for phone in found.phones],
        "duration_s": round(len(samples) / RATE_HZ, 2),
        "score": round(found.score, 3),
        "n_unknown": found.n_unknown,
        "trust": "high",
        "split": "test" if utterance.speaker in TEST_SPEAKERS else "train",
    }


def _with_trust(entries: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Low trust for the recordings that agree least with their text, medium for guessed pronunciations."""
    scored = [float(entry["score"]) for entry in entries.values() if "score" in entry]
    limit = float(np.quantile(scored, LOW_TRUST_SHARE)) if scored else -np.inf
    for entry in entries.values():
        if "score" not in entry:
            continue
        is_low = len(scored) > 1 / LOW_TRUST_SHARE and float(entry["score"]) < limit
        entry["trust"] = "low" if is_low else "medium" if entry["n_unknown"] else "high"
    return entries


def _write(out: Path, entries: dict[str, dict[str, Any]]) -> None:
    write_text(out / "phones.json", json.dumps(entries) + "\n")


def _write_curves(out: Path, entries: dict[str, dict[str, Any]]) -> None:
    """(n, 14) float16 per recording, value k at (k + 0.5) / 100 s."""
    curves = {name: _curves(entry["phones"], float(entry["duration_s"])) for name, entry in entries.items()}
    with replacing(out / "curves.npz") as temporary, temporary.open("wb") as opened:
        np.savez(opened, names=np.array(MOUTH_NAMES), **curves)  # type: ignore[arg-type]  # numpy's stub: names as flags


def _curves(phones: Iterable[Sequence[Any]], duration_s: float) -> NDArray[np.float16]:
    spoken = [Phone(str(name), float(start_s), float(end_s)) for name, start_s, end_s in phones]
    return curves_of(spoken, int(np.ceil(duration_s * CURVE_HZ))).astype(np.float16)
