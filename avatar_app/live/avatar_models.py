"""Which models generate the mouth of an avatar."""

from __future__ import annotations

import contextlib
from pathlib import Path

from avatar_app.contracts.errors import AvatarError, ModelError
from avatar_app.live.frame.avatar_folder import find_avatar, read_description
from avatar_app.live.student import find_model, list_models, read_avatar_id
from avatar_app.settings.paths import ProfilePaths


def models_of(
    avatar_id: str,
    *,
    user_avatars: Path | None = None,
    user_models: Path | None = None,
    assets_dir: Path | None = None,
    models_dir: Path | None = None,
) -> tuple[str, ...]:
    """Ids of the models of an avatar, best first: those that its description lists, then others that were made for it.

    Args:
        avatar_id: a shipped avatar, or one of the user's.
        user_avatars: holds avatars of the user, if any.
        user_models: holds models of the user, if any.
        assets_dir: holds the shipped avatars; None means those of the program.
        models_dir: holds the shipped models; None means those of the program.

    Raises:
        ModelError: the list of models cannot be used.
    """
    known = list_models(models_dir, user_models)
    listed = (name for name in _listed(avatar_id, assets_dir, user_avatars) if name in known)
    others = (name for name in known if _owner(name, models_dir, user_models) == avatar_id)
    return tuple(dict.fromkeys((*listed, *others)))


def choose_model(avatar_id: str, model_id: str, paths: ProfilePaths) -> str:
    """The model that an avatar uses.

    Args:
        avatar_id: a shipped avatar, or one of the user's.
        model_id: the wanted model, which may be missing; "" means the avatar's best one.
        paths: the user's folders.

    Raises:
        ModelError: the model was made for another avatar, or the avatar has none.
    """
    models = models_of(avatar_id, user_avatars=paths.avatars_dir, user_models=paths.models_dir)
    if model_id and (model_id in models or not _owner(model_id, None, paths.models_dir)):
        return model_id
    if model_id:
        hint = f"Choose one of: {', '.join(models)}." if models else "Choose another avatar."
        raise ModelError(f"The model {model_id} was made for another avatar than {avatar_id}.", hint)
    if models:
        return models[0]
    missing = _listed(avatar_id, None, paths.avatars_dir)
    why = f": {missing[0]} is missing" if missing else ""
    raise ModelError(
        f"The avatar {avatar_id} has no model that generates its mouth{why}.",
        "Import or make the avatar again, or choose another one.",
    )


def _listed(avatar_id: str, assets_dir: Path | None, user_avatars: Path | None) -> tuple[str, ...]:
    """The models that the description of an avatar lists; none if it cannot be read."""
    with contextlib.suppress(AvatarError):
        models = read_description(find_avatar(avatar_id, assets_dir, user_avatars)).get("models")
        return tuple(name for name in models if isinstance(name, str)) if isinstance(models, list) else ()
    return ()


def _owner(model_id: str, models_dir: Path | None, user_models: Path | None) -> str | None:
    """The avatar that a model was made for; "" if it fits every avatar, None if its manifest cannot be read."""
    with contextlib.suppress(ModelError):
        return read_avatar_id(find_model(model_id, models_dir, user_models))
    return None
