"""The base class of the panel's sections of sinks, and the services that they use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from avatar_app.gui.panel.group import Group
from avatar_app.gui.ports import Dialogs, Option
from avatar_app.gui.widgets.rows import hint, set_state
from avatar_app.settings.schema import Settings

if TYPE_CHECKING:
    from PySide6.QtWidgets import QLabel

    from avatar_app.live.sinks import SinksStatus

BEHIND = {"colour": "a colour", "picture": "a picture"}
OPAQUE = "Not transparent: the background is {}. Set Background to Transparent."


@dataclass(frozen=True, slots=True)
class SinkServices:
    """Services for the sections of sinks.

    Attributes:
        outputs: lists the sound outputs.
        dialogs: asks the user.
        page_url: URL of the browser source with its token; empty while it is off.
        ask_obs: opens the dialog that sets the delay in OBS.
    """

    outputs: Callable[[], tuple[Option, ...]]
    dialogs: Dialogs
    page_url: Callable[[], str]
    ask_obs: Callable[[], None]


class SinkSection(Group):
    """The section of one sink: its settings, and its status beside the heading."""

    def show_status(self, status: SinksStatus, *, has_mic: bool) -> None:
        """Show the status of the sink; the layout does not move.

        Args:
            status: of all sinks.
            has_mic: whether the microphone delivers sound.
        """

    def refresh(self) -> None:
        """List devices again."""


def opaque_warning() -> QLabel:
    """A hidden warning that the output loses its transparency."""
    label = hint()
    set_state(label, "warning")
    label.hide()
    return label


def show_opacity(label: QLabel, settings: Settings, *, is_wanted: bool) -> None:
    """Show the warning if transparency is wanted but the background covers it."""
    background = BEHIND.get(settings.background, "")
    label.setText(OPAQUE.format(background))
    label.setVisible(bool(background) and is_wanted)
