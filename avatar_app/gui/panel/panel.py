"""The side panel: two pages, each a column of choices that scrolls when the window is low."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QScrollArea, QStackedWidget, QVBoxLayout, QWidget

from avatar_app.gui.panel.output_section import OnAirGroup
from avatar_app.gui.panel.picture_sections import SECTION_GAP_PX, AvatarGroup, BackgroundGroup, Group, QualityGroup
from avatar_app.gui.panel.profile_section import ProfileSection
from avatar_app.gui.panel.sound_section import SoundSection
from avatar_app.gui.panel.system_section import MachineGroup
from avatar_app.gui.panel.webcam_section import WebcamGroup
from avatar_app.gui.ports import Catalogue, Dialogs, LiveFigures, OnAirFigures
from avatar_app.gui.widgets.rows import Section
from avatar_app.gui.widgets.segments import Choice, Segments
from avatar_app.gui.widgets.theme import PANEL_WIDTH_PX, Tokens
from avatar_app.gui.widgets.wheel import WheelGuard
from avatar_app.settings.schema import Settings

THEME_CHOICES = (
    Choice("system", "System", "As the system looks"),
    Choice("light", "Light", "Dark letters on a light ground"),
    Choice("dark", "Dark", "Light letters on a dark ground"),
)
PAGE_CHOICES = (
    Choice("avatar", "Avatar", "How it looks, listens and moves"),
    Choice("on-air", "On air", "What others see and hear: profiles, recordings, camera, OBS, voice"),
)


class Panel(QFrame):
    """All settings that the user sees.

    Signals:
        changed(dict): settings that the user changed.
    """

    changed = Signal(dict)

    def __init__(
        self,
        catalogue: Catalogue,
        dialogs: Dialogs,
        profile: ProfileSection,
        machine: MachineGroup,
        webcam: WebcamGroup,
        page_url: Callable[[], str],
    ) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setFixedWidth(PANEL_WIDTH_PX)
        self.profile, self.machine = profile, machine
        self.webcam = webcam
        self.sound = SoundSection(catalogue, dialogs)
        self.avatar = AvatarGroup(catalogue)
        self.quality = QualityGroup()
        self.background = BackgroundGroup(dialogs)
        self.on_air = OnAirGroup(catalogue.outputs, dialogs, page_url)
        self.theme = Segments("Theme", THEME_CHOICES)
        self.theme.setToolTip("Light or dark (Alt+T)")
        for part in (*self._parts(), self.webcam):
            part.changed.connect(self.changed)
        self.theme.chosen.connect(lambda value: self.changed.emit({"theme": value}))
        self.pages = Segments("Settings", PAGE_CHOICES)
        self._stack = QStackedWidget()
        own = Section("&Theme", self.theme)
        avatar_page = (self.sound, self.webcam, self.avatar, self.quality, self.background, own)
        on_air_page = (self.profile, self.on_air, self.machine)
        for parts in (avatar_page, on_air_page):
            self._stack.addWidget(self._scroll(self._body(parts)))
        self.pages.chosen.connect(self.show_page)
        self._lay_out()
        WheelGuard(self)

    def show_page(self, name: str) -> None:
        """Show the page of the avatar, or of what is on air."""
        self.pages.set_value(name)
        self._stack.setCurrentIndex([choice.value for choice in PAGE_CHOICES].index(name))

    def show_settings(self, settings: Settings) -> None:
        """Show settings without telling of a change."""
        self.profile.show_settings(settings)
        for part in self._parts():
            part.show_settings(settings)
        self.webcam.show_settings(settings)
        self.theme.set_value(settings.theme)

    def show_figures(self, figures: LiveFigures, on_air: OnAirFigures) -> None:
        """Say what really runs."""
        self.sound.show_mic(figures.mic)
        self.webcam.show_figures(figures)
        self.quality.show_figures(figures)
        self.on_air.show_figures(on_air, has_mic=bool(figures.mic.device and figures.mic.rate_hz))

    def _parts(self) -> tuple[SoundSection | Group, ...]:
        return self.sound, self.avatar, self.quality, self.background, self.on_air, self.machine

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self.sound.set_tokens(tokens)
        self.webcam.set_tokens(tokens)
        self.quality.set_tokens(tokens)

    def _lay_out(self) -> None:
        head = QWidget()
        head.setObjectName("panelBody")
        row = QVBoxLayout(head)
        row.setContentsMargins(24, 24, 24, 0)
        row.addWidget(self.pages)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(1, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(head)
        outer.addWidget(self._stack, 1)

    @staticmethod
    def _body(parts: Sequence[QWidget]) -> QWidget:
        body = QWidget()
        body.setObjectName("panelBody")
        column = QVBoxLayout(body)
        column.setContentsMargins(24, 20, 24, 24)
        column.setSpacing(SECTION_GAP_PX)
        for part in parts:
            column.addWidget(part)
        column.addStretch(1)
        return body

    @staticmethod
    def _scroll(body: QWidget) -> QScrollArea:
        scroll = QScrollArea()
        scroll.setWidget(body)
        scroll.setWidgetResizable(True)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        return scroll
