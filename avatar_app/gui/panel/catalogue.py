"""Devices, avatars and models, as options of the drop-down lists."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from avatar_app.contracts.errors import InputFileError, UserError
from avatar_app.contracts.input_file import read_object
from avatar_app.gui.ports import Catalogue, Option
from avatar_app.live.audio.pulse import ALSA, HOST_API
from avatar_app.live.avatar_models import models_of
from avatar_app.live.frame import list_avatars
from avatar_app.live.student.registry import find_model

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
        """The name that other programs show."""
        ...


class Camera(Protocol):
    """A camera as `live` lists it."""

    @property
    def name(self) -> str:
        """The name in the system, made unique."""
        ...


def catalogue(
    list_mics: Callable[[], Iterable[Device]],
    assets: Path,
    models: Path,
    user_models: Path | None = None,
    user_avatars: Path | None = None,
    list_outputs: Callable[[], Iterable[Device]] = tuple,
    list_cameras: Callable[[], Iterable[Camera]] = tuple,
) -> Catalogue:
    """The catalogue of this computer.

    Args:
        list_mics: lists microphones.
        assets: the folder of the program's assets.
        models: the folder of the program's models.
        user_models: the folder of the user's models.
        user_avatars: the folder of the user's avatars.
        list_outputs: lists sound outputs.
        list_cameras: lists webcams.
    """
    return Catalogue(
        outputs=lambda: servers_first(device_options(list_outputs)),
        mics=lambda: servers_first(device_options(list_mics)),
        cameras=lambda: tuple(Option(camera.name, camera.name, camera.name) for camera in list_cameras()),
        avatars=lambda: avatar_options(assets, user_avatars),
        models=lambda avatar_id: model_options(models, avatar_id, user_models, assets, user_avatars),
    )


def device_options(list_devices: Callable[[], Iterable[Device]]) -> tuple[Option, ...]:
    """All devices of a kind; none when the sound system does not answer."""
    try:
        return tuple(Option(device.label, device.title, device.label) for device in list_devices())
    except UserError as error:
        log.warning("cannot list sound devices: %s", error)
        return ()


def servers_first(options: tuple[Option, ...]) -> tuple[Option, ...]:
    """Devices ordered by likely use: of the sound server, other devices, plugins of ALSA."""

    def rank(option: Option) -> int:
        name, _, host_api = option.value.rpartition(", ")
        if host_api == HOST_API:
            return 0
        # A device ends with its card and number, as `(hw:1,0)`; other ALSA names are plugins that open one of those.
        return 2 if host_api == ALSA and "(hw:" not in name else 1

    return tuple(sorted(options, key=rank))


def avatar_options(assets: Path, user_avatars: Path | None = None) -> tuple[Option, ...]:
    """The shipped avatars and the user's own, by title."""
    files = (folder / "avatar.json" for folder in list_avatars(assets, user_avatars))
    options = (_option(file.parent, data) for file, data in _described(files))
    return tuple(sorted(options, key=lambda option: option.text.lower()))


def model_options(
    models: Path,
    avatar_id: str,
    user_models: Path | None = None,
    assets: Path | None = None,
    user_avatars: Path | None = None,
) -> tuple[Option, ...]:
    """The models of an avatar, best first."""
    folders = {"user_avatars": user_avatars, "user_models": user_models, "assets_dir": assets, "models_dir": models}
    try:
        ids = models_of(avatar_id, **folders)
        files = [find_model(name, models, user_models) / "manifest.json" for name in ids]
    except UserError as error:
        log.warning("cannot list models: %s", error)
        return ()
    return tuple(_option(file.parent, data) for file, data in _described(files))


def _option(folder: Path, data: dict[str, Any]) -> Option:
    """The option of a folder; title, credit, licence and consent are its texts."""
    title, credit, licence = (_text(data.get(name)) for name in ("title", "credit", "licence"))
    facts = (title, credit, f"Licence: {licence or 'not stated'}", _consent(data.get("consent")))
    return Option(folder.name, title or folder.name, ". ".join(fact for fact in facts if fact))


def _consent(data: object) -> str:
    """Who permitted the avatar, and when; empty for one that shows no real person."""
    if not isinstance(data, dict):
        return ""
    person, date = _text(data.get("person")), _text(data.get("date"))
    return f"Consent: {person}, {date}" if person and date else ""


def _text(value: object) -> str:
    """A text of a description, safe to display."""
    text = value if isinstance(value, str) else ""
    return "".join(character for character in text[:MAX_CHARACTERS] if character.isprintable())


def _described(files: Iterable[Path]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The descriptions that can be read; the others are logged, and reported when they are chosen."""
    for file in files:
        try:
            yield file, read_object(file)
        except InputFileError as error:  # noqa: PERF203
            log.warning("skipped %s: %s", file, error)
