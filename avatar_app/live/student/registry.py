"""Lists and finds models: those in `models/registry.json`, then those in the user's models folder."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from avatar_app.contracts.atomic_file import REPLACED_FOLDER, UNFINISHED_FOLDER
from avatar_app.contracts.errors import InputFileError, ModelError
from avatar_app.contracts.fields import check_fields, check_id, problem
from avatar_app.contracts.input_file import read_object
from avatar_app.live.student.folder import INSTALL_AGAIN
from avatar_app.settings.paths import models_dir as shipped_models_dir

REGISTRY_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Registry:
    """`registry.json`: the shipped models and the default one."""

    default: str
    models: tuple[str, ...]

    def __post_init__(self) -> None:
        check_fields(self)
        for name in self.models:
            check_id("a model", name)
        if self.default not in self.models:
            raise ValueError("the default is not among the models")


def list_models(models_dir: Path | None = None, user_dir: Path | None = None) -> tuple[str, ...]:
    """Ids of the registered models, the default first, then the user's own.

    Args:
        models_dir: holds the registry; None means the shipped models.
        user_dir: holds model folders of the user, which are never the default.

    Raises:
        ModelError: the registry cannot be used.
    """
    registry = _read(models_dir or shipped_models_dir())
    default = registry.default
    return (default, *(name for name in registry.models if name != default), *_own(registry, user_dir))


def default_model(models_dir: Path | None = None) -> str:
    """Id of the default model.

    Raises:
        ModelError: the registry cannot be used.
    """
    return list_models(models_dir)[0]


def find_model(model_id: str, models_dir: Path | None = None, user_dir: Path | None = None) -> Path:
    """Folder of a model; "" means the default. A shipped model hides one of the user's with the same name.

    Raises:
        ModelError: there is no such model; the message lists those that exist.
    """
    root = models_dir or shipped_models_dir()
    known = list_models(root, user_dir)
    wanted = model_id or known[0]
    if wanted not in known:
        near = difflib.get_close_matches(wanted, known, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
        raise ModelError(f"There is no model named {wanted!r}.", hint)
    own = _own(_read(root), user_dir)
    return user_dir / wanted if user_dir and wanted in own else root / wanted


def _own(registry: Registry, user_dir: Path | None) -> tuple[str, ...]:
    """Names of the user's model folders that are not registered."""
    found = sorted(file.parent.name for file in user_dir.glob("*/manifest.json")) if user_dir else []
    temporary = (UNFINISHED_FOLDER, REPLACED_FOLDER)
    return tuple(name for name in found if name not in registry.models and not name.endswith(temporary))


def _read(root: Path) -> Registry:
    path = root / "registry.json"
    try:
        data = read_object(path)
        if data["schema"] != REGISTRY_SCHEMA:
            raise ValueError(f"schema {data['schema']!r}, this program reads {REGISTRY_SCHEMA}")
        return Registry(data["default"], tuple(data["models"]))
    except (InputFileError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"The list of models {path} cannot be used: {problem(error)}.", INSTALL_AGAIN) from error
