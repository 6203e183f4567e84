"""What is drawn: the avatar, how exactly and how fast it moves, and what lies behind it."""

from __future__ import annotations

from pathlib import PurePath

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from avatar_app.gui.ports import Catalogue, Dialogs, LiveFigures, Option
from avatar_app.gui.widgets.dial import WORDS, LookaheadDial
from avatar_app.gui.widgets.rows import Chooser, OneLine, Section
from avatar_app.gui.widgets.segments import Choice, Segments
from avatar_app.gui.widgets.theme import Tokens
from avatar_app.settings.schema import FRAME_RATES_FPS, Settings

SECTION_GAP_PX = 20
PRECISION_WORDS = {
    "auto": "Fastest here",
    "int8": "Whole numbers",
    "fp16": "Half precision",
    "mixed": "INT8 and half",
    "fp32": "Reference",
}
PRECISION_CHOICES = (
    Choice("auto", "Auto", "The fastest that this machine measured"),
    Choice("int8", "INT8", "Whole numbers: smallest, mostly fastest"),
    Choice("fp16", "FP16", "Half precision"),
    Choice("mixed", "Mixed", "INT8 where it does no harm, else half precision"),
    Choice("fp32", "FP32", "Full precision: the reference that the others are compared with"),
)
FRAME_RATE_CHOICES = tuple(Choice(fps, str(fps), f"{fps} pictures a second") for fps in FRAME_RATES_FPS)
BACKGROUND_CHOICES = (
    Choice("checker", "Transparent", "Nothing behind the avatar; shown as a checkerboard"),
    Choice("colour", "Colour", "One colour behind the avatar"),
    Choice("picture", "Picture", "A picture of yours behind the avatar"),
)


class Group(QWidget):
    """A column of sections.

    Signals:
        changed(dict): settings that the user changed.
    """

    changed = Signal(dict)

    def __init__(self) -> None:
        super().__init__()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(SECTION_GAP_PX)

    def show_settings(self, settings: Settings) -> None:
        """Show settings without telling of a change."""
        raise NotImplementedError

    def _add(self, section: Section) -> Section:
        self._column.addWidget(section)
        return section


class AvatarGroup(Group):
    """Which avatar, and which network draws it."""

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__()
        self._catalogue = catalogue
        self._models: tuple[Option, ...] = ()
        self._models_of: str | None = None
        self.avatar = Chooser("Avatar", "Who speaks with you (Alt+A)")
        self.model = Chooser("Model", "The network that draws the mouth (Alt+O)")
        self._add(Section("&Avatar", self.avatar))
        self.model_section = self._add(Section("M&odel", self.model))
        self.avatar.set_options(catalogue.avatars())
        self.avatar.chosen.connect(lambda value: self.changed.emit({"avatar": value, "model": ""}))
        self.model.chosen.connect(lambda value: self.changed.emit({"model": value}))

    def show_settings(self, settings: Settings) -> None:
        """Show settings without telling of a change; with a single model there is nothing to choose."""
        self.avatar.set_value(settings.avatar, f"{settings.avatar} (missing)")
        if settings.avatar != self._models_of:
            self._models_of = settings.avatar
            self._models = self._catalogue.models(settings.avatar)
            self.model.set_options(self._models)
        default = self._models[0].value if self._models else ""
        self.model.set_value(settings.model or default, f"{settings.model or 'None'} (missing)")
        self.model_section.setVisible(self.model.count() > 1)


class QualityGroup(Group):
    """Precision, frame rate and look-ahead."""

    def __init__(self) -> None:
        super().__init__()
        self.precision = Segments("Precision", PRECISION_CHOICES)
        self.precision.setToolTip("Arithmetic of the network (Alt+P)")
        self.fps = Segments(
            "Frame rate", [Choice(fps, str(fps), f"{fps} pictures a second") for fps in FRAME_RATES_FPS]
        )
        self.fps.setToolTip("Pictures in a second (Alt+F)")
        self.lookahead = LookaheadDial()
        self.lookahead.setToolTip("How far the mouth may listen ahead: later, and truer to the sound (Alt+L)")
        self.engine_hint = OneLine("hint")
        self.engine_hint.say("Loading the model")
        self._precision_section = self._add(Section("&Precision", self.precision))
        self._precision_section.add(self.engine_hint)
        self._add(Section("&Frame rate", self.fps)).value_label.setText("per second")
        self._lookahead_section = self._add(Section("&Look-ahead", self.lookahead))
        self.precision.chosen.connect(lambda value: self.changed.emit({"precision": value}))
        self.fps.chosen.connect(lambda value: self.changed.emit({"fps": value}))
        self.lookahead.chosen.connect(lambda value: self.changed.emit({"lookahead_ms": value}))

    def show_settings(self, settings: Settings) -> None:
        """Show settings without telling of a change."""
        self.precision.set_value(settings.precision)
        self._precision_section.value_label.setText(PRECISION_WORDS[settings.precision])
        self.fps.set_value(settings.fps)
        self.lookahead.set_lookahead_ms(settings.lookahead_ms)
        self._lookahead_section.value_label.setText(WORDS[settings.lookahead_ms].capitalize())

    def show_figures(self, figures: LiveFigures) -> None:
        """Say which engine and arithmetic really run."""
        text = f"In use: {figures.engine}, {figures.precision}" if figures.engine else "Loading the model"
        self.engine_hint.say(text)

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self.lookahead.set_tokens(tokens)


class BackgroundGroup(Group):
    """What lies behind the avatar."""

    def __init__(self, dialogs: Dialogs) -> None:
        super().__init__()
        self._dialogs = dialogs
        self._settings = Settings()
        self.kind = Segments("Background", BACKGROUND_CHOICES)
        self.kind.setToolTip("What lies behind the avatar (Alt+B)")
        self.detail = QPushButton()
        self.detail.setProperty("role", "swatch")
        self._add(Section("&Background", self.kind)).add(self.detail)
        self.kind.chosen.connect(self._choose)
        self.detail.clicked.connect(lambda: self._ask(self.kind.value()))

    def show_settings(self, settings: Settings) -> None:
        """Show settings without telling of a change."""
        self._settings = settings
        self.kind.set_value(settings.background)
        self.detail.setVisible(settings.background != "checker")
        if settings.background == "colour":
            self._show_detail(settings.background_colour, "Choose the colour", swatch(settings.background_colour))
        elif settings.background == "picture":
            self._show_detail(PurePath(settings.background_picture).name, "Choose the picture", QIcon())

    def _show_detail(self, text: str, tip: str, icon: QIcon) -> None:
        font = self.detail.fontMetrics()
        self.detail.setText(font.elidedText(text, Qt.TextElideMode.ElideMiddle, 240))
        self.detail.setIcon(icon)
        self.detail.setToolTip(tip)
        self.detail.setAccessibleName(tip)
        self.detail.setAccessibleDescription(text)

    def _choose(self, kind: str) -> None:
        if kind == "picture" and not self._settings.background_picture:
            self._ask(kind)
        else:
            self.changed.emit({"background": kind})

    def _ask(self, kind: str) -> None:
        name = f"background_{kind}"
        ask = self._dialogs.ask_colour if kind == "colour" else self._dialogs.ask_picture
        answer = ask(getattr(self._settings, name))
        if answer is None:
            self.show_settings(self._settings)
        else:
            self.changed.emit({"background": kind, name: answer})


def swatch(colour: str) -> QIcon:
    """A round spot of a colour."""
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
