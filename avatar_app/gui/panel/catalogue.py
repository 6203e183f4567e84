"""What is installed and plugged in, as entries for the choosers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from avatar_app.contracts.errors import InputFileError, UserError
from avatar_app.contracts.input_file import read_object
from avatar_app.gui.ports import Catalogue, Option
from avatar_app.live.audio.pulse import ALSA, HOST_API
from avatar_app.live.student.registry import find_model, list_models

log = logging.getLogger(__name__)

MAX_CHARACTERS = 300


class Device(Protocol):
    """A microphone or output as `live` lists it."""

    @property
    def label(self) -> str:
        """`NAME, HOST API`."""
        ...

    @property
    def title(self) -> str:
        """As other programs show it."""
        ...


class Camera(Protocol):
    """A camera as `live` lists it."""

    @property
    def name(self) -> str:
        """As the system has it, made unique."""
        ...


def catalogue(
    list_mics: Callable[[], Iterable[Device]],
    assets: Path,
    models: Path,
    user_models: Path | None = None,
    list_outputs: Callable[[], Iterable[Device]] = tuple,
    list_cameras: Callable[[], Iterable[Camera]] = tuple,
) -> Catalogue:
    """The catalogue of a machine."""
    return Catalogue(
        outputs=lambda: servers_first(device_options(list_outputs)),
        mics=lambda: servers_first(device_options(list_mics)),
        cameras=lambda: tuple(Option(camera.name, camera.name, camera.name) for camera in list_cameras()),
        avatars=lambda: avatar_options(assets),
        models=lambda avatar_id: model_options(models, avatar_id, user_models),
    )


def device_options(list_devices: Callable[[], Iterable[Device]]) -> tuple[Option, ...]:
    """All devices of a kind; none when the sound system cannot be asked."""
    try:
        return tuple(Option(device.label, device.title, device.label) for device in list_devices())
    except UserError as error:
        log.warning("no list of sound devices: %s", error)
        return ()


def servers_first(options: tuple[Option, ...]) -> tuple[Option, ...]:
    """Devices in the order in which they are likely to be meant: the sound server's, others, ALSA's own names."""

    def rank(option: Option) -> int:
        name, _, host_api = option.value.rpartition(", ")
        if host_api == HOST_API:
            return 0
        # A device names its card and number as `(hw:1,0)`; the rest of ALSA leads to one of those above.
        return 2 if host_api == ALSA and "(hw:" not in name else 1

    return tuple(sorted(options, key=rank))


def avatar_options(assets: Path) -> tuple[Option, ...]:
    """The avatars in `assets/avatars`, by title."""
    options = (_option(folder.parent, data) for folder, data in _described((assets / "avatars").glob("*/avatar.json")))
    return tuple(sorted(options, key=lambda option: option.text.lower()))


def model_options(models: Path, avatar_id: str, user_models: Path | None = None) -> tuple[Option, ...]:
    """The students that draw an avatar: the default, the other registered ones, the user's own."""
    try:
        ids = list_models(models, user_models)
        files = [find_model(name, models, user_models) / "manifest.json" for name in ids]
    except UserError as error:
        log.warning("no list of models: %s", error)
        return ()
    return tuple(_option(file.parent, data) for file, data in _described(files) if data.get("avatar_id") == avatar_id)


def _option(folder: Path, data: dict[str, Any]) -> Option:
    """An entry for a folder, by whose name it is found; the rest of its description is words."""
    title, credit, licence = (_words(data.get(name)) for name in ("title", "credit", "licence"))
    facts = (title, credit, f"Licence: {licence or 'not stated'}")
    return Option(folder.name, title or folder.name, ". ".join(fact for fact in facts if fact))


def _words(value: object) -> str:
    """What a description says, as it may stand in the window."""
    text = value if isinstance(value, str) else ""
    return "".join(character for character in text[:MAX_CHARACTERS] if character.isprintable())


def _described(files: Iterable[Path]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The descriptions that can be read; the others are lines in the log, and sentences once they are chosen."""
    for file in files:
        try:
            yield file, read_object(file)
        except InputFileError as error:  # noqa: PERF203
            log.warning("%s is left out: %s", file, error)
