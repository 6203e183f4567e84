"""The themes: colours, spacing and fonts, and the style sheet made from them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from string import Template

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QFontInfo, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

GRID_PX = 4
RADIUS_PX = 8
CARD_RADIUS_PX = 16
PANEL_WIDTH_PX = 336
FONT_PX = 13

# For a system without a default font; the last ones exist on minimal Linux systems.
FAMILIES = (
    "Inter", "Segoe UI Variable Text", "Segoe UI", "SF Pro Text", ".AppleSystemUIFont", "Helvetica Neue", "Cantarell",
    "Ubuntu", "Noto Sans", "Open Sans", "Roboto", "Liberation Sans", "Nimbus Sans", "DejaVu Sans",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tokens:
    """The colours of one theme, `#rrggbb`. `muted` text has a contrast of at least 4.5 on every ground."""

    ground: str
    surface: str
    raised: str
    control: str
    control_hover: str
    control_on: str
    border: str
    track: str
    text: str
    muted: str
    accent: str
    accent_hover: str
    on_accent: str
    good: str
    warning: str
    danger: str

    def colour(self, name: str) -> QColor:
        """A colour by the name of its field."""
        return QColor(getattr(self, name))


DARK = Tokens(
    ground="#111318", surface="#181b21", raised="#23272f", control="#23272f", control_hover="#2c313b",
    control_on="#3a4150", border="#2a2f39", track="#3a4150", text="#eceef3", muted="#9aa3b3",
    accent="#6f8cff", accent_hover="#86a0ff", on_accent="#0d1124",
    good="#3ecf8e", warning="#f0b64a", danger="#ff7a7a",
)  # fmt: skip
LIGHT = Tokens(
    ground="#eef0f4", surface="#fbfcfd", raised="#ffffff", control="#eceff4", control_hover="#e1e5ed",
    control_on="#ffffff", border="#d9dee7", track="#d0d6e1", text="#1a1d25", muted="#596273",
    accent="#3d5af1", accent_hover="#2f4be0", on_accent="#ffffff",
    good="#12915a", warning="#a96800", danger="#cf2f3a",
)  # fmt: skip


def is_dark(theme: str) -> bool:
    """Whether a theme (`system`, `light` or `dark`) is dark now; an unknown system theme counts as dark."""
    if theme == "system":
        return QGuiApplication.styleHints().colorScheme() != Qt.ColorScheme.Light
    return theme == "dark"


def tokens_for(theme: str) -> Tokens:
    """The colours of a theme: `system`, `light` or `dark`."""
    return DARK if is_dark(theme) else LIGHT


def apply_theme(app: QApplication, tokens: Tokens, assets: Path) -> None:
    """Apply a theme to the program."""
    app.setFont(body_font())
    app.setPalette(palette(tokens))
    app.setStyleSheet(style_sheet(tokens, assets))


def style_sheet(tokens: Tokens, assets: Path) -> str:
    """`assets/style/app.qss` with the tokens filled in; empty when the file is missing."""
    try:
        template = (assets / "style" / "app.qss").read_text(encoding="utf-8")
    except OSError:
        return ""
    icons = (assets / "icons").as_posix()
    # The family too: a widget with a style sheet no longer follows the program's font.
    values = {"radius": f"{RADIUS_PX}px", "font": f"{FONT_PX}px", "family": _family(), "icons": icons}
    return Template(template).substitute(dataclasses.asdict(tokens), **values)


def palette(tokens: Tokens) -> QPalette:
    """Qt's palette for dialogs, menus and tooltips, which the style sheet does not reach."""
    roles = QPalette.ColorRole
    pairs = {
        roles.Window: tokens.ground,
        roles.WindowText: tokens.text,
        roles.Base: tokens.surface,
        roles.AlternateBase: tokens.control,
        roles.Text: tokens.text,
        roles.Button: tokens.control,
        roles.ButtonText: tokens.text,
        roles.ToolTipBase: tokens.control,
        roles.ToolTipText: tokens.text,
        roles.Highlight: tokens.accent,
        roles.HighlightedText: tokens.on_accent,
        roles.PlaceholderText: tokens.muted,
        roles.Link: tokens.accent,
        roles.Accent: tokens.accent,
    }
    result = QPalette()
    for role, colour in pairs.items():
        result.setColor(role, QColor(colour))
    for role in (roles.WindowText, roles.Text, roles.ButtonText):
        result.setColor(QPalette.ColorGroup.Disabled, role, QColor(tokens.muted))
    return result


def body_font() -> QFont:
    """The font of texts: the system's own."""
    font = QFont(_family())
    font.setPixelSize(FONT_PX)
    return font


def figure_font(size_px: int = 12, is_bold: bool = False) -> QFont:
    """A font with figures of equal width, so that changing numbers do not move."""
    font = QFont(_family())
    font.setPixelSize(size_px)
    font.setBold(is_bold)
    font.setFeature(QFont.Tag.fromString("tnum"), 1)
    return font


def _family() -> str:
    """The system's font family, or the first of `FAMILIES` that is installed."""
    own = QFontInfo(QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont)).family()
    if own:
        return own
    installed = set(QFontDatabase.families())
    return next((name for name in FAMILIES if name in installed), QGuiApplication.font().family())
