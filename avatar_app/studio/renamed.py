"""Old names and their present ones: commands, flags, steps of a recipe, folders of a run and their content.

Files and command lines that use the old names keep working: every reader passes them through this module.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

COMMANDS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("train", "speech"): ("train", "speech-encoder"),
    ("train", "picture"): ("train", "mouth-renderer"),
    ("distil", "ears"): ("distil", "speech-encoder"),
}
FLAGS = {
    "--speech": "--speech-encoder",
    "--picture": "--mouth-renderer",
    "--judge": "--test-expert",
    "--hear-steps": "--encoder-steps",
    "--draw-steps": "--decoder-steps",
    "--speak-steps": "--joint-steps",
    "--n-takes": "--n-clips",
    "--opening-share": "--opening-weight",
    "--velocity-share": "--velocity-weight",
    "--phone-share": "--phone-weight",
    "--edge-share": "--edge-weight",
    "--pair-share": "--pair-weight",
}
# By the present name of the flag.
VALUES = {"--part": {"hear": "encoder", "draw": "decoder"}}
# Steps of `studio all`; each but those of the teacher's parts has a run folder of its name.
STEPS = {
    "speech": "speech-encoder",
    "picture": "mouth-renderer",
    "ears": "distil-speech-encoder",
    "judge": "test-expert",
    "teacher-hear": "teacher-encoder",
    "teacher-draw": "teacher-decoder",
    "distil": "distil-student",
}
# Folders in the run of a teacher or a student.
PARTS = {"hear": "encoder", "draw": "decoder", "speak": "joint"}
# In `request.json` and in the JSON file beside the weights of a network.
KEYS = {
    "pressures": "loss_weights",
    "truth": "ground_truth",
    "outputs": "teacher_outputs",
    "disc_width": "discriminator_width",
    "n_takes": "n_clips",
    "pool_lessons": "pool_batches",
    "steps_per_lesson": "steps_per_batch",
    "opening_share": "opening_weight",
    "velocity_share": "velocity_weight",
    "phone_share": "phone_weight",
    "edge_share": "edge_weight",
    "pair_share": "pair_weight",
    "pixel_share": "pixel_weight",
    "closing_share": "closing_weight",
    "changes": "augmentation",
    "speech": "speech_encoder",
    "begun_at": "first_step",
    "may_judge": "is_reliable",
}
# Parts of the names of tensors and optimizers.
TENSORS = {
    "ear": "shared_audio_encoder",
    "judge": "discriminator",
    "speak": "generator",
    "draw": "generator",
    "maps": "projections",
}

_RUN_CONTENTS = ("request.json", "best", "pixels")
_STEP_FOLDER = re.compile(rf"(?<=[\\/])({'|'.join(STEPS)})(?=(?:[\\/]best)?(?: |$))")
_TENSOR_PART = re.compile(rf"(?<![^. ])({'|'.join(TENSORS)})(?=\.|$)")


def current_words(words: Sequence[str]) -> list[str]:
    """A studio command line in the present names.

    Args:
        words: what follows `avatar-app studio`; flags may carry their value after an equals sign.
    """
    head = COMMANDS.get(tuple(words[:2]), tuple(words[:1]))
    current = list(head)
    for word in words[len(head) :]:
        flag, equals, value = word.partition("=")
        flag = FLAGS.get(flag, flag)
        if equals:
            value = VALUES.get(flag, {}).get(value, value)
        elif current[-1] in VALUES:
            flag = VALUES[current[-1]].get(flag, flag)
        current.append(flag + equals + value)
    return current


def current_path(path: str) -> str:
    """A path, or a command line with paths, whose step folders have their present names."""
    return _STEP_FOLDER.sub(lambda found: STEPS[found[1]], path)


def current_step(name: str) -> str:
    """The present name of a step of `studio all`."""
    return STEPS.get(name, name)


def current_tensor(name: str) -> str:
    """The present name of a tensor or of an optimizer in a checkpoint or a file of weights."""
    return _TENSOR_PART.sub(lambda found: TENSORS[found[1]], name)


def current_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """JSON facts of a run or a network with the present keys and paths, at any depth."""
    return {KEYS.get(key, key): _current_value(value) for key, value in facts.items()}


def _current_value(value: Any) -> Any:
    if isinstance(value, str):
        return current_path(value)
    return current_facts(value) if isinstance(value, Mapping) else value


def rename_parts(run: Path) -> None:
    """Give the folders in a teacher's or a student's run their present names.

    Raises:
        OSError: one of them cannot be renamed.
    """
    _rename(run, PARTS)


def rename_steps(runs: Path) -> None:
    """Give the run folders of `studio all` their present names.

    Raises:
        OSError: one of them cannot be renamed.
    """
    _rename(runs, STEPS)


def _rename(folder: Path, names: Mapping[str, str]) -> None:
    for old, new in names.items():
        # Folders of other programs may have these names; only run folders have such contents.
        is_run = any((folder / old / mark).exists() for mark in _RUN_CONTENTS)
        if is_run and not (folder / new).exists():
            (folder / old).rename(folder / new)
