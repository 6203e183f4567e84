"""The small network that turns mel columns into a mouth: its folder, its engines, and which of them is fastest."""

from avatar_app.live.student.engine import EngineInfo
from avatar_app.live.student.registry import default_model, list_models
from avatar_app.live.student.student import Student, load

__all__ = ["EngineInfo", "Student", "default_model", "list_models", "load"]
