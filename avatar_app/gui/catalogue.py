"""What is installed and plugged in, as entries for the choosers."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from avatar_app.contracts.errors import UserError
from avatar_app.gui.ports import Catalogue, Option
from avatar_app.live.pulse import ALSA, HOST_API

log = logging.getLogger(__name__)


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
    found = (_described(file) for file in sorted((assets / "avatars").glob("*/avatar.json")))
    options = [_option(data) for data in found if data is not None]
    return tuple(sorted(options, key=lambda option: option.text.lower()))


def model_options(models: Path, avatar_id: str, user_models: Path | None = None) -> tuple[Option, ...]:
    """The students that draw an avatar: the default, the other registered ones, the user's own."""
    registry = _described(models / "registry.json") or {}
    ids = [str(name) for name in registry.get("models", ())]
    default = registry.get("default")
    ids.sort(key=lambda name: name != default)
    files = [models / name / "manifest.json" for name in ids]
    if user_models is not None:
        own = sorted(user_models.glob("*/manifest.json"))
        files += [file for file in own if file.parent.name not in ids and not file.parent.name.endswith(".unfinished")]
    found = (_described(file) for file in files)
    return tuple(_option(data) for data in found if data is not None and data.get("avatar_id") == avatar_id)


def _option(data: dict[str, Any]) -> Option:
    facts = (data.get("title"), data.get("credit"), f"Licence: {data.get('licence', 'not stated')}")
    tip = ". ".join(str(fact) for fact in facts if fact)
    return Option(str(data["id"]), str(data.get("title", data["id"])), tip)


def _described(file: Path) -> dict[str, Any] | None:
    """A JSON file with an object in it; None, and a line in the log, when it cannot be used."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        log.warning("%s cannot be read: %s", file, error)
        return None
    return data if isinstance(data, dict) and ("id" in data or "models" in data) else None
