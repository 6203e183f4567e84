"""The contract of renderers: from an avatar, a mouth and a head pose to a picture.

`live/frame/renderers.py` lists the kinds of avatar.
"""

from __future__ import annotations

from typing import Protocol

from avatar_app.contracts.head_pose import AvatarPose
from avatar_app.contracts.mouth import Mouth
from avatar_app.contracts.packets import Float32, UInt8


class BackgroundSource(Protocol):
    """A background for pictures of any size."""

    def pixels(self, size_px: int) -> UInt8 | None:
        """(size, size, 3) uint8 BGR; None leaves the avatar transparent."""
        ...


class Renderer(Protocol):
    """Renders the pictures of one avatar. Thread: one at a time; it may be made on one thread and used on another.

    The avatar's idle motion is a seamless loop of `n_idle` steps, `idle_fps` a second; an avatar without one has a
    single step.
    """

    @property
    def size_px(self) -> int:
        """Side of the square picture."""
        ...

    @property
    def idle_fps(self) -> int:
        """Steps of the idle loop in a second."""
        ...

    @property
    def n_idle(self) -> int:
        """Steps of the idle loop."""
        ...

    @property
    def turns_head(self) -> bool:
        """Whether `render` uses the pose."""
        ...

    def set_background(self, background: BackgroundSource) -> None:
        """Use another background from the next picture on."""
        ...

    def render(self, idle_index: int, mouth: Mouth | None = None, pose: AvatarPose | None = None) -> UInt8:
        """Render one picture.

        Args:
            idle_index: step of the idle loop, 0..n_idle - 1.
            mouth: None for the avatar's own resting mouth; a shape that this renderer cannot use counts as at rest.
            pose: of the head; None for the idle motion alone.

        Returns:
            (size, size, 4) uint8 BGRA, straight alpha, newly allocated.
        """
        ...

    def prepare(self, idle_index: int) -> None:
        """Do the work of the next picture that depends on the idle step alone."""
        ...

    def empty(self) -> UInt8:
        """The background without the avatar, as `render` returns it."""
        ...


class Renderable(Protocol):
    """An opened avatar of any kind. Thread: any."""

    @property
    def id(self) -> str:
        """Name of its folder."""
        ...

    def face_input(self, size_px: int) -> Float32:
        """The face at rest as a student reads it.

        Args:
            size_px: the student's S.

        Returns:
            (1, 6, S, S) float32 in 0..1, BGR: the face without its lower half, then the whole face.

        Raises:
            AvatarError: this kind of avatar has no such face.
        """
        ...

    def renderer(self, *, turns_head: bool = False) -> Renderer:
        """Make a renderer. Without `turns_head` this cannot fail: opening the avatar has checked its files.

        Args:
            turns_head: load what turning the head needs, which can take a second and 60 MB.

        Raises:
            AvatarError: the head cannot be turned, or the files for that are missing or damaged.
        """
        ...
