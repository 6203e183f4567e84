"""The last steps of an enrolment: the avatar folder, the model folder, and the comparison with the recording."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from avatar_app.contracts.atomic_file import replacing_folder, write_text
from avatar_app.contracts.avatar_data import Split
from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.packets import UInt8
from avatar_app.live.frame import Avatar, Background, load_avatar
from avatar_app.live.library.own import alone
from avatar_app.live.student.loading import load_folder
from avatar_app.machine import hardware
from avatar_app.settings.paths import ProfilePaths
from avatar_app.studio.data.clips import FPS
from avatar_app.studio.enrol.avatar import write_avatar
from avatar_app.studio.enrol.person.alignment import eyes_distance_px
from avatar_app.studio.enrol.person.avatar import person_avatar_data
from avatar_app.studio.enrol.person.comparison import Sentence, write_comparison
from avatar_app.studio.enrol.person.enrol_input import EnrolInput
from avatar_app.studio.enrol.person.figures import PersonFigures, in_words
from avatar_app.studio.enrol.person.head_turn import write_head_turn
from avatar_app.studio.enrol.person.idle_loop import IdleLoop
from avatar_app.studio.enrol.person.material import FaceCrops, PersonClip, Take
from avatar_app.studio.enrol.person.person_mask import PersonFinder
from avatar_app.studio.enrol.person.portrait import composed
from avatar_app.studio.enrol.person.recorded import Recorded
from avatar_app.studio.enrol.person.steps import Count, Steps
from avatar_app.studio.metrics.person_scores import PersonTests
from avatar_app.studio.publish.person import PersonModel, publish_person
from avatar_app.studio.train.person_renderer import in_light_of

COMPARISON, REPORT = "comparison.mp4", "report.json"
# The video shows the first held-out sentences.
COMPARED_S = 30.0
BACKGROUND = "#3a3f47"


@dataclass(frozen=True)
class Networks:
    """Folders of a person's networks."""

    encoder: Path
    renderer: Path


def make_head(
    steps: Steps, recorded: Recorded, wanted: EnrolInput, avatar_id: str, find_person: PersonFinder | None
) -> Avatar:
    """Write the avatar folder inside the workspace, and open it.

    Raises:
        UserError: the recording has no quiet part, or the folder cannot be written.
    """
    folder = steps.workspace.folder("idle") / avatar_id

    def make(count: Count) -> Avatar:
        n = recorded.n_learned
        material = list(zip(recorded.takes[:n], recorded.crops[:n], strict=True))
        data = person_avatar_data(
            material,
            recorded.neutral,
            wanted.consent,
            title=wanted.name,
            find_person=find_person,
            progress=count,
        )
        write_avatar(data, folder, [avatar_id], count)
        # With the room in the picture, the room would turn with the head.
        if find_person is not None and isinstance(data.idle, IdleLoop):
            write_head_turn(folder, data.idle, material, recorded.neutral)
        steps.note({name: round(float(value), 4) for name, value in data.quality.items()})
        return Avatar.open(folder)

    return steps.run("idle", make, lambda: Avatar.open(folder))


def publish(
    steps: Steps,
    clips: Sequence[PersonClip],
    networks: Networks,
    avatar: Avatar,
    wanted: EnrolInput,
    paths: ProfilePaths,
) -> None:
    """Write the model folder, then the avatar folder, so that no avatar is offered without its model.

    Raises:
        StudioError: the model fails its checks, or a folder cannot be written.
    """
    workspace = steps.workspace

    def write(count: Count) -> None:
        facts = {"enrolment": {step: workspace.facts(step) for step in workspace.finished}}
        about = PersonModel(avatar.id, avatar.id, wanted.name, {**facts, **_facts_of(networks)})
        tests = PersonTests.of_clips(clips, avatar.reference, avatar.mask)
        renderer = in_light_of(networks.renderer.parent, avatar.reference)
        publish_person(networks.encoder, renderer, about, clips, tests, paths.models_dir)
        count(9, 10)
        source = workspace.folder("idle") / avatar.id
        try:
            with alone(paths), replacing_folder(paths.avatars_dir / avatar.id) as folder:
                shutil.copytree(source, folder, dirs_exist_ok=True)
        except OSError as error:
            raise StudioError(
                f"The avatar cannot be written to {paths.avatars_dir}: {error}.",
                "Free some space, then start again: it continues.",
            ) from error

    steps.run("publish", write, lambda: None)


def compare(
    steps: Steps, recorded: Recorded, clips: Sequence[PersonClip], avatar_id: str, paths: ProfilePaths
) -> tuple[Path, Path]:
    """Write the video of held-out sentences and the report; returns their files.

    Raises:
        UserError: the avatar cannot be opened, or a file cannot be written.
    """
    folder = steps.workspace.folder("report")
    comparison, report = folder / COMPARISON, folder / REPORT

    def write(count: Count) -> None:
        avatar = load_avatar(avatar_id, user_dir=paths.avatars_dir)
        assert isinstance(avatar, Avatar)  # noqa: S101  this kind was written
        renderer = avatar.renderer()
        renderer.set_background(Background.colour(BACKGROUND))
        student = load_folder(paths.models_dir / avatar_id)
        shown = _compared_clips(clips)
        sentences = [Sentence(_portraits(recorded, clip, avatar), clip.sound) for clip in shown]
        lookahead_ms = student.spec.best_lookahead_ms
        write_comparison(comparison, sentences, renderer, student, lookahead_ms)
        student.close()
        count(9, 10)
        held_out = student.spec.quality["held_out"]
        figures = figures_of(held_out[f"lookahead_{lookahead_ms}"], recorded)
        words = in_words(figures) + list(steps.workspace.facts("crop").get("advice", ()))
        content = {
            "sentences": words,
            "figures": asdict(figures),
            "held_out": held_out,
            "lookahead_ms": lookahead_ms,
            "learned_s": round(sum(len(take.pictures) for take in recorded.takes[: recorded.n_learned]) / FPS, 1),
            "steps": {step: steps.workspace.facts(step) for step in steps.workspace.finished},
            "machine": hardware(),
        }
        write_text(report, json.dumps(content, indent=1) + "\n")

    steps.run("report", write, lambda: None)
    return comparison, report


def figures_of(scores: Mapping[str, Any], recorded: Recorded) -> PersonFigures:
    """The figures of one look-ahead; unknown ones count as good."""
    eyes_px = eyes_distance_px(recorded.tracks[0].landmarks_px)
    return PersonFigures(
        opening_correlation=float(scores.get("opening_correlation", 1.0)),
        closed_ratio=float(scores.get("closed_ratio", 1.0)),
        n_closings=int(scores.get("n_closings", 0)),
        sharpness=float(scores["sharpness"]),
        rest_motion=float(scores["rest_motion"]),
        eyes_px=float(np.nanmedian(eyes_px)),
    )


def _facts_of(networks: Networks) -> dict[str, Any]:
    """What the training runs wrote about the networks."""
    files = [networks.encoder / "speech.json", networks.renderer / "picture.json"]
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


def _compared_clips(clips: Sequence[PersonClip]) -> list[PersonClip]:
    shown, n_pictures = [], 0
    for clip in clips:
        if clip.split is Split.TEST and n_pictures < COMPARED_S * FPS:
            shown.append(clip)
            n_pictures += len(clip.pictures)
    return shown


def _portraits(recorded: Recorded, clip: PersonClip, avatar: Avatar) -> Iterator[UInt8]:
    """The recording of a sentence, cut as the avatar's portrait."""
    take, crops = _take_of(recorded, clip)
    to_crop = cv2.invertAffineTransform(crops.crop_to_picture[clip.first].astype(np.float64))
    to_portrait = composed(avatar.spec.crop_to_portrait[0].astype(np.float64), to_crop)
    side_px = avatar.spec.size_px
    for picture in take.pictures[clip.first : clip.first + len(clip.pictures)]:
        yield cv2.warpAffine(
            picture, to_portrait, (side_px, side_px), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )


def _take_of(recorded: Recorded, clip: PersonClip) -> tuple[Take, FaceCrops]:
    number = [take.name for take in recorded.takes].index(clip.take)
    return recorded.takes[number], recorded.crops[number]
