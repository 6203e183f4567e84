"""Layout of the camera's picture: size, rate, and the fill beside the square avatar."""

from __future__ import annotations

from dataclasses import dataclass, replace

from avatar_app.contracts.colour import parse_bgr
from avatar_app.contracts.errors import SettingsError

FILLS = ("extend", "colour")
MAX_SIDE_PX = 4096
FPS_RANGE = (1, 120)


@dataclass(frozen=True, slots=True)
class Layout:
    """Fixed while a camera runs, because programs that read it do not expect a change.

    Attributes:
        width_px, height_px: of every picture, even numbers, at least 64.
        fps: pictures a second, independent of the rate of the avatar.
        fill: beside the square; "extend" continues its edges as a blurred backdrop, "colour" is plain.
        colour: `#rrggbb`, behind a transparent avatar, and the fill of that name.
        keeps_alpha: keep transparency if the camera supports it (Unity Capture); others use the colour.

    Raises:
        SettingsError: a value that no camera supports.
    """

    width_px: int = 1280
    height_px: int = 720
    fps: int = 30
    fill: str = "extend"
    colour: str = "#2b3440"
    keeps_alpha: bool = False

    def __post_init__(self) -> None:
        sides = (self.width_px, self.height_px)
        if any(side % 2 or not 64 <= side <= MAX_SIDE_PX for side in sides):
            raise SettingsError(
                f"A camera cannot have {sides[0]}x{sides[1]} pixels.", f"Use even numbers from 64 to {MAX_SIDE_PX}."
            )
        if not FPS_RANGE[0] <= self.fps <= FPS_RANGE[1]:
            raise SettingsError(
                f"A camera cannot show {self.fps} pictures a second.", "Use 1 to 120; 30 suits most programs."
            )
        if self.fill not in FILLS:
            raise SettingsError(f"There is no fill {self.fill!r}.", f"Use one of: {', '.join(FILLS)}.")
        self.colour_bgr()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width_px, self.height_px

    def colour_bgr(self) -> tuple[int, int, int]:
        """The colour as blue, green, red."""
        return parse_bgr(self.colour)


# The choices in settings and command line; meetings expect a wide picture, OBS crops by itself.
LAYOUTS = {
    "meeting": Layout(1280, 720),
    "square-512": Layout(512, 512),
    "square-720": Layout(720, 720),
    "square-1080": Layout(1080, 1080),
}


def layout_of(name: str, *, colour: str = "", keeps_alpha: bool = False) -> Layout:
    """A layout by its name, with an optional colour and alpha.

    Raises:
        SettingsError: there is no such layout or colour.
    """
    if name not in LAYOUTS:
        raise SettingsError(f"There is no camera size {name!r}.", f"Use one of: {', '.join(LAYOUTS)}.")
    layout = replace(LAYOUTS[name], keeps_alpha=keeps_alpha)
    return replace(layout, colour=colour) if colour else layout
