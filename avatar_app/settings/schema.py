"""All settings of the program, each declared once with its default and range."""

from __future__ import annotations

import dataclasses
import difflib
import enum
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from avatar_app.contracts.errors import SettingsError
from avatar_app.contracts.fields import shown

SETTINGS_VERSION = 1
# The limit of a path.
MAX_TEXT_CHARACTERS = 4096
MAX_NAME_CHARACTERS = 100

# Prefix of a path: this file replaces the microphone or the webcam.
FILE_PREFIX = "file:"


class BackgroundKind(str, enum.Enum):
    """Values of `Settings.background`: transparent, shown as a checkerboard; one colour; a picture."""

    CHECKER = "checker"
    COLOUR = "colour"
    PICTURE = "picture"


AUTO = "auto"
PRECISIONS = (AUTO, "int8", "fp16", "mixed", "fp32")
FRAME_RATES_FPS = (25, 30, 50, 60)
LOOKAHEADS_MS = (0, 40, 80, 160)
BACKGROUNDS = tuple(kind.value for kind in BackgroundKind)
THEMES = ("system", "light", "dark")
MIC_GAIN_RANGE_DB = (-20.0, 30.0)
FOLLOW_RANGE = (0.0, 2.0)
SHARE_RANGE = (0.0, 1.0)
CAMERA_SIZES = ("meeting", "square-512", "square-720", "square-1080")
RECORD_FORMATS = ("mp4", "prores", "webm")
NOISE_SUPPRESSIONS = ("off", "mild", "strong")
# Below 1024 only administrators may listen.
PORT_RANGE = (1024, 65_535)


@dataclass(frozen=True, slots=True)
class Settings:
    """The user's settings. Immutable: `replace` makes a copy.

    Attributes:
        avatar: id of an installed avatar.
        model: id of an installed model; empty means the default of the registry.
        precision: one of `PRECISIONS`.
        engine: name of an inference engine, or `auto` for the fastest measured one.
        fps: pictures per second, one of `FRAME_RATES_FPS`.
        lookahead_ms: how much later sound the mouth may use, one of `LOOKAHEADS_MS`.
        mic: `NAME, HOST API`, `file:PATH` or `demo`; empty means the system's default microphone.
        mic_gain_db: within `MIC_GAIN_RANGE_DB`.
        background: one of `BACKGROUNDS`.
        background_colour: `#rrggbb`.
        background_picture: path of a picture; empty if none was chosen yet.
        voice_output: `NAME, HOST API` of the device that plays the voice in sync; empty means none.
        is_following: whether the head follows the webcam.
        webcam: the webcam's name, or `file:PATH`; empty means the first one.
        follow_head, follow_gaze, follow_blinks, follow_brows: gain of each motion, within `FOLLOW_RANGE`; 1 is natural.
        is_mirrored: whether the avatar moves like a mirror image.
        idle_share: share of the idle motion that remains while the head follows, 0..1.
        is_camera_on: whether the virtual camera is on.
        camera_size: one of `CAMERA_SIZES`.
        camera_device: which camera, such as `/dev/video10`; empty means the first one that can be opened.
        is_browser_on: whether the browser source is on.
        browser_port: of the browser source, within `PORT_RANGE`.
        obs_port: where the WebSocket server of OBS answered last, within `PORT_RANGE`.
        record_folder: folder of recordings and snapshots; empty means the user's video folder.
        record_format: one of `RECORD_FORMATS`; the last two keep the transparency.
        has_badge: whether every picture carries the mark that the avatar is AI-generated, in all outputs.
        noise_suppression: of the sound that drives the mouth, one of `NOISE_SUPPRESSIONS`.
        is_auto_gain_on: whether a quiet voice is amplified automatically.
        has_global_keys: whether the keys work while another program has the focus.
        is_kiosk: full screen without controls, for an event booth.
        profile: name of the profile or preset in use; empty means the user's own settings.
        theme: one of `THEMES`.
        window_geometry: the window's place and size, base64 as Qt saves it.
    """

    avatar: str = "nova"
    model: str = ""
    precision: str = AUTO
    engine: str = AUTO
    fps: int = 25
    lookahead_ms: int = 80
    mic: str = ""
    mic_gain_db: float = 0.0
    is_muted: bool = False
    background: str = "checker"
    background_colour: str = "#1f2430"
    background_picture: str = ""
    voice_output: str = ""
    is_following: bool = False
    webcam: str = ""
    follow_head: float = 1.0
    follow_gaze: float = 1.0
    follow_blinks: float = 1.0
    follow_brows: float = 0.5
    is_mirrored: bool = True
    idle_share: float = 0.3
    is_camera_on: bool = False
    camera_size: str = "meeting"
    camera_device: str = ""
    is_browser_on: bool = False
    browser_port: int = 18750
    obs_port: int = 4455
    record_folder: str = ""
    record_format: str = "mp4"
    has_badge: bool = False
    noise_suppression: str = "off"
    is_auto_gain_on: bool = False
    has_global_keys: bool = False
    is_kiosk: bool = False
    profile: str = ""
    is_hud_visible: bool = True
    is_panel_visible: bool = True
    theme: str = "system"
    window_geometry: str = ""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = check(field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, value)

    def replace(self, **changes: Any) -> Settings:
        """A copy with some values changed.

        Raises:
            SettingsError: a name is unknown or a value is out of range; the sentence suggests the nearest one.
        """
        for name in changes:
            if name not in DEFAULTS:
                raise _unknown("setting", name, DEFAULTS)
        return dataclasses.replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """All values with the version of their layout."""
        return {"version": SETTINGS_VERSION, **dataclasses.asdict(self)}


def check(name: str, value: Any) -> Any:
    """Check and normalize one value.

    Raises:
        SettingsError: the name is unknown, or the value has a wrong type or is out of range.
    """
    if name not in DEFAULTS:
        raise _unknown("setting", name, DEFAULTS)
    if name in _CHECKS:
        return _CHECKS[name](name, value)
    return _bool(name, value) if isinstance(DEFAULTS[name], bool) else _text(name, value)


def _unknown(kind: str, value: Any, known: Iterable[Any]) -> SettingsError:
    options, text = [str(option) for option in known], value if isinstance(value, str) else shown(value)
    near = difflib.get_close_matches(text[:MAX_NAME_CHARACTERS], options, n=1)
    advice = f"Did you mean {near[0]!r}?" if near else f"Use one of: {', '.join(options)}."
    return SettingsError(f"There is no {kind} {shown(text)}.", advice)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise SettingsError(f"The setting {name} cannot be {shown(value)}.", "Write text.")
    if len(value) > MAX_TEXT_CHARACTERS or "\0" in value:
        advice = f"Write at most {MAX_TEXT_CHARACTERS} characters, none of them NUL."
        raise SettingsError(f"The setting {name} cannot be {shown(value)}.", advice)
    return value


def _bool(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise SettingsError(f"The setting {name} cannot be {shown(value)}.", "Write true or false.")
    return value


def _choice(options: tuple[Any, ...]) -> Callable[[str, Any], Any]:
    def check_choice(name: str, value: Any) -> Any:
        # In Python True == 1 and 25.0 == 25, but a settings file should contain neither.
        if type(value) is not type(options[0]) or value not in options:
            raise _unknown(f"{name} setting", value, options)
        return value

    return check_choice


def _number(limits: tuple[float, float], unit: str = "") -> Callable[[str, Any], Any]:
    low, high = limits

    def check_number(name: str, value: Any) -> float:
        # NaN is in no range; an integer may be too large for a float.
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not low <= value <= high:
            raise SettingsError(f"The setting {name} cannot be {shown(value)}.", f"Use {low:g} to {high:g}{unit}.")
        return float(value)

    return check_number


def _port(name: str, value: Any) -> int:
    low, high = PORT_RANGE
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise SettingsError(
            f"The setting {name} cannot be {shown(value)}.", f"Use a whole number from {low} to {high}."
        )
    return value


def _colour(name: str, value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        raise SettingsError(
            f"The setting {name} cannot be {shown(value)}.", "Write a colour as #rrggbb, such as #1f2430."
        )
    return value.lower()


def _id(name: str, value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*|", value):
        raise SettingsError(f"The setting {name} cannot be {shown(value)}.", "Use the name of an installed one.")
    return value


_CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "avatar": _id,
    "model": _id,
    "engine": _id,
    "precision": _choice(PRECISIONS),
    "fps": _choice(FRAME_RATES_FPS),
    "lookahead_ms": _choice(LOOKAHEADS_MS),
    "mic_gain_db": _number(MIC_GAIN_RANGE_DB, " dB"),
    "follow_head": _number(FOLLOW_RANGE),
    "follow_gaze": _number(FOLLOW_RANGE),
    "follow_blinks": _number(FOLLOW_RANGE),
    "follow_brows": _number(FOLLOW_RANGE),
    "idle_share": _number(SHARE_RANGE),
    "background": _choice(BACKGROUNDS),
    "background_colour": _colour,
    "camera_size": _choice(CAMERA_SIZES),
    "browser_port": _port,
    "obs_port": _port,
    "record_format": _choice(RECORD_FORMATS),
    "noise_suppression": _choice(NOISE_SUPPRESSIONS),
    "theme": _choice(THEMES),
}
DEFAULTS: Mapping[str, Any] = {field.name: field.default for field in dataclasses.fields(Settings)}
