"""The Python names that `packaging/interfaces.md` documents exist, and take what it says."""

import inspect

from avatar_app.live.frame import Avatar
from avatar_app.live.mel import melspectrogram
from avatar_app.live.student import Student, load


def test_python_names_when_documented_then_they_are_there():
    assert list(inspect.signature(melspectrogram).parameters)[:1] == ["samples"]
    assert list(inspect.signature(load).parameters)[:3] == ["model_id", "precision", "engine"]
    assert list(inspect.signature(Student.draw).parameters) == ["self", "mel", "lookahead_ms"]
    assert list(inspect.signature(Student.step).parameters) == ["self", "mel", "face", "lookahead_ms"]
    assert {"engine", "set_face", "close"} <= set(dir(Student))
    assert "spec" in inspect.signature(Student).parameters
    assert list(inspect.signature(Avatar.load).parameters)[:1] == ["avatar_id"]
    assert list(inspect.signature(Avatar.face_input).parameters) == ["self", "size_px"]
