"""Plans and renders the clips of a head at rest: the mouth of known speech, and nothing else moves."""

from __future__ import annotations

import json
import logging
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import soundfile
from numpy.typing import NDArray

from avatar_app.contracts.atomic_file import write_text
from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.input_file import read_object
from avatar_app.contracts.mouth import MOUTH_NAMES
from avatar_app.live.record.video_file import VideoFile, VideoFormat, to_i420
from avatar_app.studio.corpus import sentences
from avatar_app.studio.corpus.renderer import Kit, rendered, write_params
from avatar_app.studio.data.flite import Flite
from avatar_app.studio.mouth import Phone, curves_of

log = logging.getLogger(__name__)

FPS = 25
RATE_HZ = 16_000
CROP_PX = 256
# Beginning of the recording of each real speaker, and number of speakers in the data of the shipped models.
SPEAKER_S = 7.0
N_SPEAKERS = 24
CRF = 12


@dataclass(frozen=True, slots=True)
class Plan:
    """The content of one clip.

    Attributes:
        name: of its folder.
        samples: (n,) float32 at 16 kHz.
        phones: in order.
        about: further entries of `meta.json`: source, licence, split, text.
    """

    name: str
    samples: NDArray[np.float32]
    phones: Sequence[Phone]
    about: Mapping[str, str]

    @property
    def n_frames(self) -> int:
        """Pictures of the clip."""
        return int(len(self.samples) / RATE_HZ * FPS)


def plans_of_voices(voices: Path) -> Iterator[Plan]:
    """The beginning of one utterance of each of `N_SPEAKERS` speakers, the test speakers first.

    Raises:
        InputFileError: the voices were not built.
    """
    entries = read_object(voices / "phones.json")
    test = sorted(name for name, entry in entries.items() if entry["split"] == "test")
    trusted = [name for name, entry in entries.items() if entry["split"] != "test" and entry["trust"] == "high"]
    chosen = [*test, *sorted(trusted, key=lambda name: zlib.crc32(name.encode()))][:N_SPEAKERS]
    for k, name in enumerate(chosen):
        yield _plan_of_voice(f"still_{k:03d}_{name.rsplit('_', 1)[-1]}", voices / f"{name}.flac", entries[name], name)


def _plan_of_voice(clip: str, file: Path, entry: Mapping[str, Any], name: str) -> Plan:
    samples, _ = soundfile.read(str(file), dtype="float32", always_2d=True)
    phones = [Phone(str(phone), float(start_s), float(end_s)) for phone, start_s, end_s in entry["phones"]]
    about = {"source": f"LibriSpeech {name}", "licence": "CC BY 4.0", "split": str(entry["split"])}
    kept = samples[: round(SPEAKER_S * RATE_HZ), 0]
    return Plan(clip, kept, phones, {**about, "text": str(entry["text"])})


def plans_of_sentences(flite: Flite) -> Iterator[Plan]:
    """Our own sentences in flite's voices, in turn, and the test text at the end.

    Raises:
        StudioError: flite failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        for k, text in enumerate(sentences.TEXTS):
            voice = sentences.VOICES[k % len(sentences.VOICES)]
            yield _plan_of_text(f"still_tts_{k:03d}_{voice}", text, voice, "train", flite, wav)
        voice = sentences.TEST_VOICE
        yield _plan_of_text(f"still_tts_test_{voice}", sentences.TEST_TEXT, voice, "test", flite, wav)


def _plan_of_text(clip: str, text: str, voice: str, split: str, flite: Flite, wav: Path) -> Plan:
    phones = flite.speak(text, voice, wav)
    samples, _ = soundfile.read(str(wav), dtype="float32", always_2d=True)
    about = {"source": f"flite voice {voice}", "licence": "own text, synthetic voice", "split": split, "text": text}
    return Plan(clip, samples[:, 0], phones, about)


def build_clips(plans: Sequence[Plan], nova: Path, kit: Kit | None, report: Callable[[int, int], None]) -> int:
    """Write every clip: `audio.flac`, `params.npz`, `meta.json`, and `video.mp4` where a renderer is given.

    A clip with a video is kept, so an interrupted run continues.

    Args:
        plans: the clips.
        nova: the avatar's data folder.
        kit: renders; None leaves the videos out.
        report: called with the numbers of finished and of all clips.

    Returns:
        The number of clips with a video.

    Raises:
        StudioError: the renderer failed, or the folder cannot be written.
    """
    try:
        for k, plan in enumerate(plans):
            folder = nova / "clips" / plan.name
            if not (folder / "video.mp4").is_file():
                _write_clip(plan, folder, kit)
            report(k + 1, len(plans))
        rendered = [plan for plan in plans if (nova / "clips" / plan.name / "video.mp4").is_file()]
        write_text(nova / "clips.json", json.dumps([_entry(plan) for plan in rendered], indent=1) + "\n")
    except OSError as error:
        raise StudioError(f"The clips cannot be written to {nova}: {error}.", "Free some space.") from error
    return len(rendered)


def _entry(plan: Plan) -> dict[str, Any]:
    kept = {name: plan.about[name] for name in ("source", "licence", "split")}
    return {**kept, "n_frames": plan.n_frames, "max_turn_deg": 0.0, "clip": plan.name}


def _write_clip(plan: Plan, folder: Path, kit: Kit | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    mouth = curves_of(plan.phones, plan.n_frames, FPS)
    params = folder / "params.npz"
    write_params(params, dict(zip(MOUTH_NAMES, mouth.T, strict=True)), plan.n_frames)
    soundfile.write(str(folder / "audio.flac"), plan.samples[: round(plan.n_frames / FPS * RATE_HZ)], RATE_HZ)
    phones = [[phone.name, phone.start_s, phone.end_s] for phone in plan.phones]
    write_text(folder / "meta.json", json.dumps({**_entry(plan), **plan.about, "phones": phones}) + "\n")
    if kit is None:
        return
    layout = VideoFormat(FPS, CROP_PX, CROP_PX, n_channels=0, crf=CRF)
    with rendered(kit, params, plan.n_frames) as pictures, VideoFile(folder / "video.mp4", layout) as video:
        for picture in pictures:
            video.add_picture(to_i420(cv2.cvtColor(picture, cv2.COLOR_BGR2BGRA)))
        video.finish()
