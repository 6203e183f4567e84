"""The data of a mouth, and the contract of the drivers that generate it, such as a student."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Protocol

from avatar_app.contracts.fields import Within, check_fields, check_id
from avatar_app.contracts.packets import Float32, UInt8

# The shape parameters, in the order of every array of them; 0 at rest to 1.
MOUTH_NAMES = (
    "jawOpen", "mouthClose", "mouthPucker", "mouthFunnel", "mouthStretch", "mouthSmile", "mouthFrown", "mouthUpperUp",
    "mouthLowerDown", "mouthPress", "mouthRollLower", "tongueUp", "tongueOut", "tongueBack",
)  # fmt: skip
N_MOUTH = len(MOUTH_NAMES)
MAX_LOOKAHEADS = 16


@dataclass(frozen=True, slots=True)
class PatchBox:
    """Rectangle of a square face crop, in pixels of the crop."""

    x: Annotated[int, Within(0, 2048)]
    y: Annotated[int, Within(0, 2048)]
    w: Annotated[int, Within(2, 2048)]
    h: Annotated[int, Within(2, 2048)]

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class PatchPlace:
    """Where a patch belongs in the face.

    Attributes:
        box: rectangle of the face crop that the patch fills.
        crop_px: side of the crop; an avatar scales its own crop to it.
    """

    box: PatchBox
    crop_px: int


@dataclass(frozen=True, slots=True)
class Patch:
    """A mouth as pixels: (h, w, 3) uint8 BGR, the inside of `place.box`."""

    pixels: UInt8
    place: PatchPlace


@dataclass(frozen=True, slots=True)
class MouthShape:
    """The mouth of one instant as a patch, as parameters, or as both; a renderer uses the one it can render.

    Attributes:
        patch: the mouth as pixels.
        parameters: (14,) float32 in 0..1, in the order of `MOUTH_NAMES`.
    """

    patch: Patch | None = None
    parameters: Float32 | None = None


@dataclass(frozen=True, slots=True)
class Mouth:
    """A mouth with its time stamps.

    Attributes:
        t_capture_ns: capture instant of the sound that this mouth belongs to.
        t_ready_ns: instant at which it was finished.
        index: frame number on the sound's own grid (instant = index / fps).
        shape: None when the mouth is at rest.
        weight: 0..1, how much of the shape replaces the avatar's own resting mouth.
    """

    t_capture_ns: int
    t_ready_ns: int
    index: int
    shape: MouthShape | None
    weight: float

    @property
    def patch(self) -> Patch | None:
        """The patch; None when the mouth is at rest or has parameters alone."""
        return None if self.shape is None or self.weight <= 0 else self.shape.patch


@dataclass(frozen=True, slots=True)
class DriverSpec:
    """Properties of a mouth driver that the live path uses.

    Attributes:
        id: of the model folder.
        title: display name.
        n_mel_columns: length of the mel window that the driver reads; the live path keeps 512 columns.
        lookahead_ms: every look-ahead that the driver supports.
        best_lookahead_ms: a longer one gains nothing.

    Raises:
        ValueError: a field is out of its range.
    """

    id: str
    title: str
    n_mel_columns: Annotated[int, Within(1, 400)]
    lookahead_ms: Annotated[tuple[int, ...], Within(0, 1000)]
    best_lookahead_ms: Annotated[int, Within(0, 1000)]

    def __post_init__(self) -> None:
        check_fields(self)
        check_id("id", self.id)
        if not 1 <= len(set(self.lookahead_ms)) == len(self.lookahead_ms) <= MAX_LOOKAHEADS:
            raise ValueError(f"lookahead_ms does not hold 1 to {MAX_LOOKAHEADS} different numbers")

    def nearest_lookahead_ms(self, wanted_ms: int) -> int:
        """The supported look-ahead that is nearest to a wanted one."""
        return min(self.lookahead_ms, key=lambda ms: abs(ms - wanted_ms))


class MouthDriver(Protocol):
    """Generates the mouth of an instant. `live/mouth_drivers.py` lists the kinds.

    Thread: one at a time; it may be opened on one thread and used on another.
    """

    @property
    def spec(self) -> DriverSpec:
        """Its description."""
        ...

    @property
    def engine_name(self) -> str:
        """The engine that runs it, such as "openvino"; "" for none."""
        ...

    @property
    def precision_label(self) -> str:
        """Display name of its arithmetic, such as "INT8"; "" for none."""
        ...

    def drive(self, mel: Float32, lookahead_ms: int) -> MouthShape:
        """The mouth of one instant.

        Args:
            mel: (80, n_mel_columns) float32 in -4..4; its newest column lies `lookahead_ms` after the instant. Valid
                during the call alone.
            lookahead_ms: one of `spec.lookahead_ms`.
        """
        ...

    def close(self) -> None:
        """Release what it holds."""
        ...
