"""The side panel: two pages of sections, which scroll when the window is low."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QScrollArea, QStackedWidget, QVBoxLayout, QWidget

from avatar_app.gui.panel.avatar_menu import AvatarMenu
from avatar_app.gui.panel.group import SECTION_GAP_PX, Group
from avatar_app.gui.panel.picture_sections import AvatarGroup, BackgroundGroup, BadgeGroup, QualityGroup
from avatar_app.gui.panel.profile_section import ProfileSection
from avatar_app.gui.panel.sink_section import SinkSection, SinkServices
from avatar_app.gui.panel.sink_sections import SECTIONS
from avatar_app.gui.panel.sound_section import CleaningGroup, SoundSection
from avatar_app.gui.panel.system_section import MachineGroup, ThemeGroup
from avatar_app.gui.panel.webcam_section import WebcamGroup
from avatar_app.gui.ports import Catalogue, Dialogs
from avatar_app.gui.widgets.segments import Choice, Segments
from avatar_app.gui.widgets.theme import PANEL_WIDTH_PX, Tokens
from avatar_app.gui.widgets.wheel import WheelGuard
from avatar_app.settings.schema import Settings

if TYPE_CHECKING:
    from avatar_app.live.pipeline import LiveStatus
    from avatar_app.live.sinks import SinksStatus

PAGE_CHOICES = (
    Choice("avatar", "Avatar", "Microphone, head tracking, avatar and picture"),
    Choice("output", "Output", "Profiles, recordings, virtual camera, OBS and voice"),
)
MARGIN_PX, HEAD_GAP_PX = 24, 10
S = TypeVar("S", bound=SinkSection)


class Panel(QFrame):
    """All settings. Thread: main.

    Args:
        catalogue: lists the choices.
        dialogs: asks the user.
        avatars, profile, machine, webcam: parts with other dependencies.
        page_url: URL of the browser source with its token; empty while it is off.
        sections: makes the sections of the sinks, in the order of the page.

    Signals:
        changed(dict): settings that the user changed.
        obs_asked(): the user wants to set the delay in OBS.
    """

    changed = Signal(dict)
    obs_asked = Signal()

    def __init__(
        self,
        catalogue: Catalogue,
        dialogs: Dialogs,
        avatars: AvatarMenu,
        profile: ProfileSection,
        machine: MachineGroup,
        webcam: WebcamGroup,
        page_url: Callable[[], str],
        sections: Sequence[Callable[[SinkServices], SinkSection]] = SECTIONS,
    ) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setFixedWidth(PANEL_WIDTH_PX)
        self.profile, self.machine, self.webcam = profile, machine, webcam
        self.sound = SoundSection(catalogue, dialogs)
        self.avatar = AvatarGroup(catalogue, avatars)
        self.quality = QualityGroup()
        self.background = BackgroundGroup(dialogs)
        self.theme = ThemeGroup()
        services = SinkServices(catalogue.outputs, dialogs, page_url, self.obs_asked.emit)
        self.sinks = tuple(make(services) for make in sections)
        self.badge, self.cleaning = BadgeGroup(), CleaningGroup()
        avatar_page = (self.sound, self.webcam, self.avatar, self.quality, self.background, self.theme)
        output_page = (*self.sinks, self.badge, self.cleaning, self.machine)
        self._parts: tuple[Group, ...] = (*avatar_page, *output_page)
        for part in self._parts:
            part.changed.connect(self.changed)
        self.pages = Segments("Settings", PAGE_CHOICES)
        self._stack = QStackedWidget()
        self._head = QVBoxLayout()
        for parts in (avatar_page, (self.profile, *output_page)):
            page = _scroll(_body(parts))
            page.verticalScrollBar().rangeChanged.connect(self._align_head)
            self._stack.addWidget(page)
        self.pages.chosen.connect(self.show_page)
        self._lay_out()
        WheelGuard(self)

    def sink(self, kind: type[S]) -> S:
        """The section of a sink by its class.

        Raises:
            LookupError: the panel has none.
        """
        for section in self.sinks:
            if isinstance(section, kind):
                return section
        raise LookupError(kind.__name__)

    def show_page(self, name: str) -> None:
        """Show the page `avatar` or `output`."""
        self.pages.set_value(name)
        self._stack.setCurrentIndex([choice.value for choice in PAGE_CHOICES].index(name))
        self._align_head()

    def show_settings(self, settings: Settings) -> None:
        """Show settings without emitting `changed`."""
        self.profile.show_settings(settings)
        for part in self._parts:
            part.show_settings(settings)

    def show_status(self, live: LiveStatus, sinks: SinksStatus) -> None:
        """Show what is in use."""
        self.sound.show_mic(live.mic)
        self.webcam.show_status(live)
        self.quality.show_status(live)
        has_mic = bool(live.mic.device and live.mic.rate_hz)
        for section in self.sinks:
            section.show_status(sinks, has_mic=has_mic)

    def refresh_devices(self) -> None:
        """List microphones and outputs again."""
        self.sound.refresh()
        for section in self.sinks:
            section.refresh()

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self.sound.set_tokens(tokens)
        self.webcam.set_tokens(tokens)
        self.quality.set_tokens(tokens)

    def _align_head(self) -> None:
        """End the page switch where the sections end, left of a scroll bar."""
        page = self._stack.currentWidget()
        bar = page.verticalScrollBar() if isinstance(page, QScrollArea) else None
        bar_px = bar.sizeHint().width() if bar is not None and bar.maximum() else 0
        self._head.setContentsMargins(MARGIN_PX, MARGIN_PX, MARGIN_PX + bar_px, HEAD_GAP_PX)

    def _lay_out(self) -> None:
        head = QWidget()
        head.setObjectName("panelBody")
        head.setLayout(self._head)
        self._head.addWidget(self.pages)
        self._align_head()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(1, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(head)
        outer.addWidget(self._stack, 1)


def _body(parts: Sequence[QWidget]) -> QWidget:
    body = QWidget()
    body.setObjectName("panelBody")
    column = QVBoxLayout(body)
    column.setContentsMargins(MARGIN_PX, HEAD_GAP_PX, MARGIN_PX, MARGIN_PX)
    column.setSpacing(SECTION_GAP_PX)
    for part in parts:
        column.addWidget(part)
    column.addStretch(1)
    return body


def _scroll(body: QWidget) -> QScrollArea:
    scroll = QScrollArea()
    scroll.setWidget(body)
    scroll.setWidgetResizable(True)
    scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return scroll
