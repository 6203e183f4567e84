"""What every streaming stage can do."""

from __future__ import annotations

from typing import Protocol, TypeVar

In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)


class Stage(Protocol[In, Out]):
    """A step of the live path that answers the same fed whole or in pieces."""

    @property
    def lookahead_ms(self) -> float:
        """How far beyond an instant the stage must hear before it can answer for it."""
        ...

    def feed(self, item: In) -> Out:
        """Take what is new and return what became known through it."""
        ...

    def reset(self) -> None:
        """Forget all that was fed."""
        ...
