"""Which models there are: `models/registry.json`, and whatever lies in the user's own models folder."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

from avatar_app.contracts.errors import ModelError
from avatar_app.live.student.folder import INSTALL_AGAIN
from avatar_app.settings.paths import models_dir as shipped_models_dir

REGISTRY_SCHEMA = 1
UNFINISHED = ".unfinished"


def list_models(models_dir: Path | None = None, user_dir: Path | None = None) -> tuple[str, ...]:
    """Ids of the registered models, the default first, then the user's own.

    Args:
        models_dir: holds the registry; None means the shipped models.
        user_dir: holds model folders of the user, none of which is ever the default.

    Raises:
        ModelError: the registry cannot be used.
    """
    registry = _read(models_dir or shipped_models_dir())
    default = str(registry["default"])
    return (default, *(str(name) for name in registry["models"] if name != default), *_own(registry, user_dir))


def default_model(models_dir: Path | None = None) -> str:
    """Id of the model that is used when none is named.

    Raises:
        ModelError: the registry cannot be used.
    """
    return list_models(models_dir)[0]


def find_model(model_id: str, models_dir: Path | None = None, user_dir: Path | None = None) -> Path:
    """Folder of a model; "" means the default. A shipped model hides one of the user's with the same name.

    Raises:
        ModelError: there is no such model; the sentence names those that exist.
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


def _own(registry: dict[str, Any], user_dir: Path | None) -> tuple[str, ...]:
    """Names of the user's model folders, but for those that are registered already."""
    found = sorted(file.parent.name for file in user_dir.glob("*/manifest.json")) if user_dir else []
    # A folder that is still being written ends in `.unfinished`.
    return tuple(name for name in found if name not in registry["models"] and not name.endswith(UNFINISHED))


def _read(root: Path) -> dict[str, Any]:
    path = root / "registry.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] != REGISTRY_SCHEMA or data["default"] not in data["models"]:
            raise ValueError("unknown schema, or a default that is not among the models")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"The list of models {path} cannot be used: {error}.", INSTALL_AGAIN) from error
    return dict(data)
