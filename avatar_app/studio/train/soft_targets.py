"""Further voices, and targets from the offline speech teacher, for the training of the speech encoder.

The mouth of a recording with phone times becomes a mixture of the curves of its phones and the teacher's; the mouth of
a recording whose phone times are uncertain, and of a sound without phone times, is the teacher's. The inputs of the
speech encoder are augmented afterwards, those of the teacher never: it hears the clean sound.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.data.speech_corpus import Corpus, librispeech_recordings, load_utterance
from avatar_app.studio.data.teacher_inputs import teacher_inputs
from avatar_app.studio.data.utterances import Utterance, make_utterance, read_16khz
from avatar_app.studio.nets.offline_teacher import OfflineTeacher, load_offline_teacher
from avatar_app.studio.provenance import origin

log = logging.getLogger(__name__)

SOUND_SUFFIXES = (".flac", ".wav")


@dataclass(frozen=True, slots=True)
class SoftTargetPlan:
    """Where targets come from.

    Attributes:
        teacher: `best` folder of `studio train offline-speech-teacher`; None for phone times only.
        share: of the teacher in the mouth of recordings with phone times, 0..1.
        sounds: folders of further 16 kHz speech; a folder with `phones.json` has phone times.
    """

    teacher: Path | None = None
    share: float = 0.5
    sounds: tuple[Path, ...] = ()


class Labeller:
    """Runs the teacher. Thread: any.

    Args:
        folder: of the teacher.
        cache: folder of computed features.

    Raises:
        StudioError: the teacher cannot be read.
    """

    def __init__(self, folder: Path, cache: Path) -> None:
        self._net, self._features = load_offline_teacher(folder)
        self._cache = cache

    def mouth_and_phones(
        self, samples: NDArray[np.float32], n_values: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The teacher's outputs for a sound.

        Args:
            samples: (n,) float32 at 16 kHz.
            n_values: wanted values at 100 Hz.

        Returns:
            Mouth (n_values, 14) float32 in 0..1, and the most likely phones (n_values,).

        Raises:
            MissingExtraError: the package of a feature that the teacher hears is not installed.
        """
        inputs = teacher_inputs(samples, self._features, self._cache)
        return outputs(self._net, inputs, n_values)


@torch.no_grad()
def outputs(
    net: OfflineTeacher, inputs: NDArray[np.float32], n_values: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Mouth (n_values, 14) float32 in 0..1 and phones (n_values,); the last value repeats at the end."""
    mouth, phones = net(torch.from_numpy(inputs)[None])
    at = np.minimum(np.arange(n_values), mouth.shape[-1] - 1)
    return mouth[0].T.clamp(0, 1).numpy()[at], phones[0].argmax(0).numpy()[at]


def with_soft_targets(corpus: Corpus, speech: Path, plan: SoftTargetPlan, cache: Path) -> Corpus:
    """The corpus with targets of the teacher, and with the sounds of the plan among its synthetic voices.

    Args:
        corpus: for training.
        speech: the folder `speech/librispeech`.
        plan: where targets come from.
        cache: folder of computed features.

    Raises:
        StudioError: the teacher or a sound cannot be read, or sounds without phone times have no teacher.
        MissingExtraError: the package of a feature that the teacher hears is not installed.
    """
    more = [load_utterance(r) for folder in plan.sounds if _has_phones(folder) for r in librispeech_recordings(folder)]
    real = list(corpus.real)
    if plan.teacher is not None:
        labeller = Labeller(plan.teacher, cache)
        files = {r.name: r.file for r in librispeech_recordings(speech)}
        real = [_mixed(u, labeller.mouth_and_phones(read_16khz(files[u.name]), len(u.mouth)), plan) for u in real]
        more += [_labelled(file, labeller) for file in _files_without_phones(plan)]
    elif _files_without_phones(plan):
        raise StudioError("Sounds without phone times need a teacher.", "Name one with --offline-teacher.")
    log.info("training has %d further sounds", len(more))
    return replace(corpus, real=real, synthetic=[*corpus.synthetic, *more])


def _mixed(
    utterance: Utterance, found: tuple[NDArray[np.float32], NDArray[np.int64]], plan: SoftTargetPlan
) -> Utterance:
    mouth, phones = found
    if utterance.trust < 1:
        return replace(utterance, mouth=mouth, phones=phones, trust=1.0)
    return replace(utterance, mouth=(1 - plan.share) * utterance.mouth + plan.share * mouth)


def _labelled(file: Path, labeller: Labeller) -> Utterance:
    samples = read_16khz(file)
    empty = make_utterance(file.stem, samples, (), 1.0)
    mouth, phones = labeller.mouth_and_phones(samples, len(empty.mouth))
    return replace(empty, mouth=mouth, phones=phones)


def _has_phones(folder: Path) -> bool:
    return (folder / "phones.json").is_file()


def _files_without_phones(plan: SoftTargetPlan) -> list[Path]:
    return [file for folder in plan.sounds if not _has_phones(folder) for file in _sound_files(folder)]


def _sound_files(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.glob("*") if file.suffix in SOUND_SUFFIXES)
    if not files:
        raise StudioError(f"There is no sound in {folder}.", "Name a folder with .flac or .wav files of 16 kHz.")
    return files


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the plan."""
    parser.add_argument("--offline-teacher", type=Path, help="`best` folder of `studio train offline-speech-teacher`")
    parser.add_argument(
        "--teacher-share", type=float, default=0.5, help="share of the teacher where phone times are known"
    )
    parser.add_argument("--sounds", type=Path, nargs="+", default=(), help="folders of further 16 kHz speech")


def plan_of(arguments: argparse.Namespace) -> SoftTargetPlan | None:
    """The plan of a command line; None for the phones of the recordings alone."""
    sounds: Sequence[Path] = arguments.sounds
    if arguments.offline_teacher is None and not sounds:
        return None
    return SoftTargetPlan(arguments.offline_teacher, arguments.teacher_share, tuple(sounds))


def request_of(plan: SoftTargetPlan | None) -> dict[str, object]:
    """The plan for a request file."""
    if plan is None:
        return {}
    teacher = {} if plan.teacher is None else {"offline_teacher": str(plan.teacher), "teacher_share": plan.share}
    return {**teacher, "sounds": [str(folder) for folder in plan.sounds]}


def facts_of(plan: SoftTargetPlan | None) -> dict[str, object]:
    """The plan for the facts of a network, without paths."""
    if plan is None:
        return {}
    teacher: dict[str, object] = {}
    if plan.teacher is not None:
        teacher = {"offline_teacher": origin(plan.teacher / "teacher.json"), "teacher_share": plan.share}
    return {**teacher, "n_sounds": sum(len(_sound_files(folder)) for folder in plan.sounds)}
