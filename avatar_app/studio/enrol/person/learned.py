"""The steps that learn: the mouth's parameters, the sentences, the mouth renderer and the speech encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from avatar_app.contracts.packets import Float32
from avatar_app.settings.paths import models_dir
from avatar_app.studio.data.clips import CROP_PX, FPS
from avatar_app.studio.data.tts import SpeechCache, available_engines, choose_voices
from avatar_app.studio.enrol.mask import mouth_mask
from avatar_app.studio.enrol.person.alignment import lip_gap_ratio
from avatar_app.studio.enrol.person.enrol_input import EnrolInput
from avatar_app.studio.enrol.person.material import PersonClip
from avatar_app.studio.enrol.person.mouth_parameters import fit_person
from avatar_app.studio.enrol.person.mouth_prediction import predicted_parameters
from avatar_app.studio.enrol.person.recorded import Recorded
from avatar_app.studio.enrol.person.sentences import clips_of
from avatar_app.studio.enrol.person.steps import Count, Steps
from avatar_app.studio.enrol.person.sync_offset import (
    measure_offsets,
    opening_predictor,
    require_offset,
    shift_sound,
)
from avatar_app.studio.enrol.person.takes import video_of
from avatar_app.studio.nets.speech_encoder import load_speech_encoder
from avatar_app.studio.publish.person import ARCHETYPE
from avatar_app.studio.publish.unpack import unpack
from avatar_app.studio.train.person_encoder import PRESETS, adapt_encoder
from avatar_app.studio.train.person_renderer import STEPS, PersonRecipe, train_person_renderer


@dataclass(frozen=True)
class Published:
    """Folders of the shipped networks, from which a person's networks start."""

    encoder: Path
    renderer: Path

    @classmethod
    def unpacked(cls, folder: Path) -> Published:
        """The networks of the shipped model, unpacked to a folder unless they are there.

        Raises:
            UserError: the shipped model is damaged, or the folder cannot be written.
        """
        found = cls(folder / "speech-encoder" / "best", folder / "mouth-renderer" / "best")
        if not (found.encoder.is_dir() and found.renderer.is_dir()):
            unpack(models_dir() / ARCHETYPE, folder)
        return found


def measure_mouth(steps: Steps, recorded: Recorded, published: Published, text: str) -> list[PersonClip]:
    """Correct the offset of the sound, read the mouth parameters and cut the takes into sentences.

    Raises:
        StudioError: the sound does not fit the picture or the text, or there are too few sentences.
    """

    def measure(count: Count) -> list[PersonClip]:
        net = load_speech_encoder(published.encoder)
        takes = recorded.takes
        gaps = [lip_gap_ratio(track.landmarks_px) for track in recorded.tracks]
        videos, heard = [video_of(take.name) for take in takes], [take.samples for take in takes]
        offsets = measure_offsets(videos, gaps, heard, opening_predictor(net), recorded.n_learned)
        steps.note({"offset_ms": [round(one.ms, 1) for one in offsets]})
        steps.note({"offset_correlation": [round(one.correlation, 3) for one in offsets]})
        count(1, 2)
        sounds = [
            shift_sound(samples, require_offset(offset, "the recording"))
            for samples, offset in zip(heard, offsets, strict=True)
        ]
        params = _parameters(recorded, [predicted_parameters(net, sound, FPS) for sound in sounds])
        return clips_of(recorded, sounds, params, gaps, text)

    return steps.run("mouth", measure)


def _parameters(recorded: Recorded, predicted: Sequence[Float32]) -> list[Float32]:
    """(n, 14) mouth parameters of each take."""
    n = recorded.n_learned
    landmarks_px = [crops.landmarks_px for crops in recorded.crops]
    mouth = fit_person(landmarks_px[:n], [crops.pose_deg for crops in recorded.crops[:n]], predicted[:n])
    return [mouth.parameters(marks) for marks in landmarks_px]


def learn_renderer(steps: Steps, clips: Sequence[PersonClip], published: Published, quality: str) -> Path:
    """Train the mouth renderer; returns its folder.

    Raises:
        StudioError: there are too few usable pictures, or the folder cannot be written.
    """
    folder = steps.workspace.folder("renderer")

    def train(count: Count) -> Path:
        def progress(n_done: int, n_all: int) -> None:
            samples = sorted((folder / "samples").glob("*.png"))
            if samples:
                steps.show(samples[-1])
            count(n_done, n_all)

        recipe, mask = PersonRecipe(n_steps=STEPS[quality]), mouth_mask(CROP_PX)
        return train_person_renderer(clips, folder, recipe, published.renderer, mask=mask, progress=progress)

    return steps.run("renderer", train, lambda: folder / "best")


def learn_encoder(steps: Steps, clips: Sequence[PersonClip], published: Published, wanted: EnrolInput) -> Path:
    """Adapt the speech encoder; returns its folder.

    Raises:
        StudioError: there are too few sentences, or the folder cannot be written.
    """
    folder, recipe = steps.workspace.folder("encoder"), PRESETS[wanted.quality]

    def train(count: Count) -> Path:
        speak = _voices(steps, wanted, recipe.n_voices) if any(clip.text for clip in clips) else []
        steps.note({"n_voices": len(speak)})
        return adapt_encoder(clips, published.encoder, folder, recipe, speak=speak, progress=count)

    return steps.run("encoder", train, lambda: folder / "best")


def _voices(steps: Steps, wanted: EnrolInput, n_voices: int) -> list[Callable[[str], Float32]]:
    """Synthetic voices of the person's language: from a text to (n,) samples at 16 kHz."""
    engines = available_engines()
    cache = SpeechCache(steps.workspace.root / "synthetic", engines)
    return [partial(cache.speak, voice=voice) for voice in choose_voices(wanted.language, n_voices, engines)]
