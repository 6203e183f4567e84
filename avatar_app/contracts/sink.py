"""The contract of a sink: something that sends pictures or sound out of the program.

The virtual camera, the browser source, the voice in sync and the recorder are sinks. A new sink is a class in a folder
of `live/` and one line in `parts.sink_list`; `live/sinks.py` starts and stops it like the others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.handoff import Fan, Mailboxes
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import Picture, VoiceBlock

# The settings of the program; this package does not know their class.
S = TypeVar("S")


class SinkSource(Protocol):
    """What the live path offers to sinks. Thread: any."""

    @property
    def pictures(self) -> Mailboxes[Picture]:
        """Finished pictures: each sink adds its own mailbox."""
        ...

    @property
    def voice(self) -> Fan[VoiceBlock]:
        """The microphone's sound at its own rate: each sink adds its own ring."""
        ...

    def latency_ms(self) -> tuple[float, float]:
        """Median times in ms: from capture to finished picture, and from there to the screen; NaN before the first."""
        ...

    def mic_source(self) -> str:
        """The sound server's source that the microphone records; "" while it is not known."""
        ...


@dataclass(frozen=True, slots=True)
class SinkContext(Generic[S]):
    """What every sink is made with.

    Attributes:
        clock: the program's.
        notices: where a sink posts what the user should know.
        settings: returns the current settings.
        source: the live path.
    """

    clock: Clock
    notices: NoticeBoard
    settings: Callable[[], S]
    source: SinkSource


class Sink(ABC, Generic[S]):
    """One kind of output, such as the virtual camera. The object lives as long as the program.

    Thread: `start` on the sink's own thread, where it may take long. `stop` on that thread or the owner's; `start`
    and `stop` never overlap. All others by the owner (the main thread), also while `start` runs.

    Attributes:
        name: unique among the sinks; the key of its status, and of the notice when `start` fails.
        title: the subject of notices about it, such as "The virtual camera".
        fields: names of the settings that it reads; a change of one restarts it, see `update`.
        stays_open: whether it stays open while the program is stopped, see `set_live`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    fields: ClassVar[tuple[str, ...]]
    stays_open: ClassVar[bool] = False

    @abstractmethod
    def is_on(self, settings: S) -> bool:
        """Whether these settings switch it on."""

    @abstractmethod
    def start(self, settings: S, pictures: Mailboxes[Picture], voice: Fan[VoiceBlock]) -> None:
        """Open it and begin to send.

        Args:
            settings: what to open.
            pictures: where to add a mailbox; `stop` removes it.
            voice: where to add a ring; `stop` removes it.

        Raises:
            UserError: it cannot be opened. Everything is released then; `stop` is not called.
        """

    @abstractmethod
    def stop(self) -> None:
        """End within a second and release everything; a second call does nothing."""

    @abstractmethod
    def status(self) -> object | None:
        """A frozen status; None while it is off. Cheap."""

    def update(self, settings: S) -> bool:
        """Use changed settings while it runs.

        Returns:
            Whether it uses them now. If not, it is restarted.
        """
        del settings
        return False

    def set_live(self, *, is_live: bool) -> None:
        """The program started or stopped while this sink stays open; called for `stays_open` alone."""

    def close(self) -> None:
        """After the last `stop`: wait for work in the background, so that the process can end."""


MakeSink = Callable[[SinkContext[S]], Sink[S]]
