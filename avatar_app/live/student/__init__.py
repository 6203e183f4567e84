"""The small network that turns mel columns into a mouth: its folder, its engines, and which of them is fastest."""

from avatar_app.live.student.engine import EngineInfo
from avatar_app.live.student.folder import read_avatar_id, read_kind
from avatar_app.live.student.loading import AUTO, load, load_folder
from avatar_app.live.student.registry import default_model, find_model, list_models
from avatar_app.live.student.student import Student

__all__ = ["AUTO", "EngineInfo", "Student", "default_model", "find_model", "list_models", "load", "load_folder",
           "read_avatar_id", "read_kind"]  # fmt: skip
