"""The picture: avatar and model, precision and frame rate, background, AI label."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import QPushButton

from avatar_app.gui.panel.avatar_menu import AvatarMenu
from avatar_app.gui.panel.group import Group
from avatar_app.gui.ports import Catalogue, Dialogs, Option
from avatar_app.gui.widgets.dial import NAMES, LookaheadDial
from avatar_app.gui.widgets.engines import engine_title
from avatar_app.gui.widgets.rows import Chooser, OneLine, Section
from avatar_app.gui.widgets.segments import Choice, Segments
from avatar_app.gui.widgets.theme import Tokens
from avatar_app.settings.schema import FRAME_RATES_FPS, BackgroundKind, Settings

if TYPE_CHECKING:
    from avatar_app.live.pipeline import LiveStatus

PRECISION_NAMES = {
    "auto": "Fastest",
    "int8": "8-bit integer",
    "fp16": "Half precision",
    "mixed": "INT8 and FP16",
    "fp32": "Full precision",
}
PRECISION_CHOICES = (
    Choice("auto", "Auto", "The fastest precision on this computer, measured at the first start"),
    Choice("int8", "INT8", "8-bit integers: smallest, usually fastest"),
    Choice("fp16", "FP16", "Half precision"),
    Choice("mixed", "Mixed", "INT8 where the quality allows it, else half precision"),
    Choice("fp32", "FP32", "Full precision: the reference"),
)
LOADING = "Loading the model …"
FRAME_RATE_CHOICES = tuple(Choice(fps, str(fps), f"{fps} frames per second") for fps in FRAME_RATES_FPS)
BACKGROUND_CHOICES = (
    Choice("checker", "Transparent", "No background; the window shows a checkerboard"),
    Choice("colour", "Colour", "A solid colour"),
    Choice("picture", "Picture", "A picture file"),
)
BADGE_CHOICES = (
    Choice(False, "Metadata only", "Recordings and snapshots carry an AI-generated mark in their metadata"),
    Choice(True, "Visible label", "A small label in the corner of every picture, and the metadata"),
)


# Values of the avatar list that are no avatars.
# No avatar can have this id.
MAKE = Option("make:avatar", "Make an avatar of yourself …", "A minute of video becomes an avatar that speaks with you")
CONTINUE_PREFIX = "continue:"


class AvatarGroup(Group):
    """The avatar and its model.

    Args:
        catalogue: lists them.
        menu: what can be done with an avatar of the user.

    Signals:
        make_asked(): the user wants an avatar of themselves.
        continue_asked(str): the user wants to continue the enrolment of this id.
    """

    make_asked = Signal()
    continue_asked = Signal(str)

    def __init__(self, catalogue: Catalogue, menu: AvatarMenu) -> None:
        super().__init__()
        self._catalogue, self.menu = catalogue, menu
        self._settings = Settings()
        self._unfinished: tuple[Option, ...] = ()
        self._improvable: frozenset[str] = frozenset()
        self._models: tuple[Option, ...] = ()
        self._models_of: str | None = None
        self.avatar = Chooser("Avatar", "The avatar to show (Alt+A)")
        self.model = Chooser("Model", "The network that renders the mouth (Alt+O)")
        self._add(Section("&Avatar", self.avatar, menu))
        self.model_section = self._add(Section("M&odel", self.model))
        self._list()
        self.avatar.chosen.connect(self._choose)
        menu.used.connect(self._choose)
        menu.list_changed.connect(lambda: self.refresh())
        self.model.chosen.connect(lambda value: self.changed.emit({"model": value}))

    def refresh(self, settings: Settings | None = None) -> bool:
        """List avatars and models again without emitting `changed`.

        Args:
            settings: to show; None keeps the shown ones.

        Returns:
            False if a list is open: it must not change below the pointer.
        """
        if self.avatar.view().isVisible() or self.model.view().isVisible():
            return False
        self._list()
        self._models_of = None
        self.show_settings(settings or self._settings)
        return True

    def show_settings(self, settings: Settings) -> None:
        """Show settings without emitting `changed`; a single model is hidden."""
        self._settings = settings
        self.avatar.set_value(settings.avatar, f"{settings.avatar} (missing)")
        if settings.avatar != self._models_of:
            # Not at each change of a setting: both read files.
            self._models_of = settings.avatar
            self.menu.show_avatar(settings.avatar, self._improvable)
            self._models = self._catalogue.models(settings.avatar)
            self.model.set_options(self._models)
        default = self._models[0].value if self._models else ""
        self.model.set_value(settings.model or default, f"{settings.model or 'None'} (missing)")
        self.model_section.setVisible(self.model.count() > 1)

    def show_enrolments(self, unfinished: tuple[Option, ...], improvable: frozenset[str]) -> None:
        """Offer to continue enrolments, and to improve avatars whose recording is kept."""
        self._improvable = improvable
        self._unfinished = unfinished
        self.refresh()

    def _list(self) -> None:
        enrolments = (Option(f"{CONTINUE_PREFIX}{one.value}", one.text, one.tip) for one in self._unfinished)
        self.avatar.set_options((*self._catalogue.avatars(), *enrolments, MAKE))

    def _choose(self, value: str) -> None:
        if value == MAKE.value:
            self.show_settings(self._settings)
            self.make_asked.emit()
        elif value.startswith(CONTINUE_PREFIX):
            self.show_settings(self._settings)
            self.continue_asked.emit(value.removeprefix(CONTINUE_PREFIX))
        else:
            self.changed.emit({"avatar": value, "model": ""})


class QualityGroup(Group):
    """Precision, frame rate and look-ahead."""

    def __init__(self) -> None:
        super().__init__()
        self.precision = Segments("Precision", PRECISION_CHOICES)
        self.precision.setToolTip("Numerical precision of the model (Alt+P)")
        self.fps = Segments("Frame rate", FRAME_RATE_CHOICES)
        self.fps.setToolTip("Frames per second (Alt+F)")
        self.lookahead = LookaheadDial()
        self.lookahead.setToolTip("More look-ahead: more accurate lips, more delay (Alt+L)")
        self.engine_hint = OneLine("hint")
        self.engine_hint.set_line(LOADING)
        self._precision_section = self._add(Section("&Precision", self.precision))
        self._precision_section.add(self.engine_hint)
        self._add(Section("&Frame rate", self.fps)).value_label.setText("fps")
        self._lookahead_section = self._add(Section("&Look-ahead", self.lookahead))
        self.precision.chosen.connect(lambda value: self.changed.emit({"precision": value}))
        self.fps.chosen.connect(lambda value: self.changed.emit({"fps": value}))
        self.lookahead.chosen.connect(lambda value: self.changed.emit({"lookahead_ms": value}))

    def show_settings(self, settings: Settings) -> None:
        """Show settings without emitting `changed`."""
        self.precision.set_value(settings.precision)
        self._precision_section.value_label.setText(PRECISION_NAMES[settings.precision])
        self.fps.set_value(settings.fps)
        self.lookahead.set_lookahead_ms(settings.lookahead_ms)
        self._lookahead_section.value_label.setText(NAMES[settings.lookahead_ms])

    def show_status(self, status: LiveStatus) -> None:
        """Show engine and precision in use."""
        text = f"{engine_title(status.engine)}, {status.precision}" if status.engine else LOADING
        self.engine_hint.set_line(text)

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self.lookahead.set_tokens(tokens)


class BackgroundGroup(Group):
    """The background."""

    def __init__(self, dialogs: Dialogs) -> None:
        super().__init__()
        self._dialogs = dialogs
        self._settings = Settings()
        self.kind = Segments("Background", BACKGROUND_CHOICES)
        self.kind.setToolTip("The background of the avatar (Alt+B)")
        self.detail = QPushButton()
        self.detail.setProperty("role", "swatch")
        self._add(Section("&Background", self.kind)).add(self.detail)
        self.kind.chosen.connect(self._choose)
        self.detail.clicked.connect(lambda: self._ask(str(self.kind.value())))

    def show_settings(self, settings: Settings) -> None:
        """Show settings without emitting `changed`."""
        self._settings = settings
        self.kind.set_value(settings.background)
        self.detail.setVisible(settings.background != BackgroundKind.CHECKER)
        if settings.background == BackgroundKind.COLOUR:
            self._show_detail(settings.background_colour, "Choose a colour", swatch(settings.background_colour))
        elif settings.background == BackgroundKind.PICTURE:
            self._show_detail(PurePath(settings.background_picture).name, "Choose a picture", QIcon())

    def _show_detail(self, text: str, tip: str, icon: QIcon) -> None:
        font = self.detail.fontMetrics()
        self.detail.setText(font.elidedText(text, Qt.TextElideMode.ElideMiddle, 240))
        self.detail.setIcon(icon)
        self.detail.setToolTip(tip)
        self.detail.setAccessibleName(tip)
        self.detail.setAccessibleDescription(text)

    def _choose(self, kind: str) -> None:
        if kind == BackgroundKind.PICTURE and not self._settings.background_picture:
            self._ask(kind)
        else:
            self.changed.emit({"background": kind})

    def _ask(self, kind: str) -> None:
        name = f"background_{kind}"
        ask = self._dialogs.ask_colour if kind == BackgroundKind.COLOUR else self._dialogs.ask_picture
        answer = ask(getattr(self._settings, name))
        if answer is None:
            self.show_settings(self._settings)
        else:
            self.changed.emit({"background": kind, name: answer})


class BadgeGroup(Group):
    """How pictures are marked as AI-generated."""

    def __init__(self) -> None:
        super().__init__()
        self.switch = Segments("Mark as AI", BADGE_CHOICES)
        self._add(Section("Mar&k as AI", self.switch))
        self.switch.chosen.connect(lambda is_on: self.changed.emit({"has_badge": is_on}))

    def show_settings(self, settings: Settings) -> None:
        """Show settings without emitting `changed`."""
        self.switch.set_value(settings.has_badge)


def swatch(colour: str) -> QIcon:
    """An icon with a dot of a colour."""
    pixmap = QPixmap(40, 40)
    pixmap.fill(QColor(0, 0, 0, 0))
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(QColor(colour))
    painter.setPen(QColor(128, 136, 150))
    painter.drawEllipse(2, 2, 36, 36)
    painter.end()
    pixmap.setDevicePixelRatio(2)
    return QIcon(pixmap)
