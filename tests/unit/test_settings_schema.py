import dataclasses

import pytest

from avatar_app.contracts.errors import SettingsError
from avatar_app.settings.schema import DEFAULTS, Settings


def test_settings_when_new_then_hold_the_documented_defaults():
    settings = Settings()
    assert (settings.avatar, settings.model, settings.precision, settings.fps) == ("nova", "", "auto", 25)
    assert (settings.lookahead_ms, settings.mic, settings.background) == (80, "", "checker")


def test_replace_when_valid_then_makes_a_new_object():
    old = Settings()
    new = old.replace(fps=60, precision="int8")
    assert (new.fps, new.precision, old.fps) == (60, "int8", 25)
    with pytest.raises(dataclasses.FrozenInstanceError):
        new.fps = 30


@pytest.mark.parametrize(
    ("changes", "suggestion"),
    [
        ({"precison": "int8"}, "precision"),
        ({"precision": "fp61"}, "fp16"),
        ({"background": "color"}, "colour"),
        ({"fps": 24}, "25"),
        ({"lookahead_ms": 100}, "160"),
        ({"theme": "drak"}, "dark"),
        ({"camera_size": "meetings"}, "meeting"),
        ({"record_format": "mp3"}, "mp4"),
    ],
)
def test_replace_when_name_or_value_is_unknown_then_suggests_one(changes, suggestion):
    with pytest.raises(SettingsError) as caught:
        Settings().replace(**changes)
    assert suggestion in caught.value.what_to_do


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fps", True),
        ("fps", 25.0),
        ("fps", [25]),
        ("is_muted", 1),
        ("mic", 3),
        ("mic_gain_db", 31.0),
        ("mic_gain_db", float("nan")),
        ("mic_gain_db", 10**400),
        ("mic_gain_db", -float("inf")),
        ("mic", "a\0b"),
        ("record_folder", "a" * 5000),
        pytest.param("fps", 10**5000, id="endless"),
        ("window_geometry", ["a"] * 10_000),
        ("mic_gain_db", True),
        ("background_colour", "red"),
        ("avatar", "../../etc"),
        ("model", "a/b"),
        ("precision", None),
        ("browser_port", 80),
        ("browser_port", 18750.0),
        ("browser_port", True),
    ],
)
def test_replace_when_value_has_a_wrong_type_then_refuses_it(name, value):
    with pytest.raises(SettingsError) as caught:
        Settings().replace(**{name: value})
    assert len(str(caught.value)) < 500


def test_replace_when_value_has_another_spelling_then_normalises_it():
    settings = Settings().replace(mic_gain_db=3, background_colour="#ABCDEF")
    assert isinstance(settings.mic_gain_db, float)
    assert settings.background_colour == "#abcdef"


def test_to_json_when_read_back_then_gives_the_same_settings():
    settings = Settings().replace(fps=50, mic="Mic, ALSA", theme="dark")
    data = settings.to_json()
    assert data.pop("version") == 1
    assert set(data) == set(DEFAULTS)
    assert Settings(**data) == settings
