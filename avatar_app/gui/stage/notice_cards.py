"""Notices as small cards below the picture; they never cover the face or block the window."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from avatar_app.contracts.notices import Level, Notice
from avatar_app.contracts.units import NS_PER_S
from avatar_app.gui.widgets.icons import Icons
from avatar_app.gui.widgets.theme import DARK, Tokens

MAX_SHOWN = 3
MAX_WIDTH_PX = 640
SPACING_PX = 8
# A notice that is cleared sooner stays long enough to be read.
MIN_SHOWN_NS = 8 * NS_PER_S
INFO_SHOWN_NS = 12 * NS_PER_S
EVENT_SHOWN_NS = 45 * NS_PER_S
ICON_OF = {Level.INFO: ("info", "accent"), Level.WARNING: ("warning", "warning"), Level.ERROR: ("error", "danger")}


class NoticeCard(QFrame):
    """One notice with a button that dismisses it."""

    def __init__(self, notice: Notice, icons: Icons, tokens: Tokens, dismiss: Callable[[], None]) -> None:
        super().__init__()
        self.notice = notice
        self.setProperty("role", "notice")
        self.setAccessibleName(f"{notice.level.value}: {notice.text} {notice.what_to_do}")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(16, 12, 8, 12)
        layout.setSpacing(12)
        layout.addWidget(self._picture(icons, tokens), 0, Qt.AlignmentFlag.AlignTop)
        self.copy_button = self._copy_button()
        layout.addLayout(self._texts(), 1)
        layout.addWidget(self.copy_button, 0, Qt.AlignmentFlag.AlignVCenter)
        self.close_button = self._close_button(icons, tokens, dismiss)
        layout.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)

    def height_px(self, width_px: int) -> int:
        """The height for a width."""
        layout = self.layout()
        return layout.totalHeightForWidth(width_px) if layout is not None else 0

    def _picture(self, icons: Icons, tokens: Tokens) -> QLabel:
        name, colour = ICON_OF[self.notice.level]
        label = QLabel()
        label.setPixmap(icons.pixmap(name, getattr(tokens, colour), 20, 2))
        return label

    def _texts(self) -> QVBoxLayout:
        texts = QVBoxLayout()
        texts.setSpacing(4)
        for role, text in (("what", self.notice.text), ("hint", self.notice.what_to_do)):
            label = QLabel(text)
            label.setProperty("role", role)
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            if not text:
                label.hide()
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
            texts.addWidget(label)
        return texts

    def _copy_button(self) -> QPushButton:
        button = QPushButton("Copy the command")
        button.setProperty("role", "swatch")
        button.setToolTip(self.notice.command)
        # Hidden, not shown, because showing a widget without parent opens a window.
        if not self.notice.command:
            button.hide()
        button.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.notice.command))
        button.clicked.connect(lambda: button.setText("Copied"))
        return button

    @staticmethod
    def _close_button(icons: Icons, tokens: Tokens, dismiss: Callable[[], None]) -> QPushButton:
        button = QPushButton()
        button.setProperty("role", "icon")
        button.setIcon(icons.icon("close", tokens.muted, 16))
        button.setFixedSize(28, 28)
        button.setToolTip("Dismiss")
        button.setAccessibleName("Dismiss this notice")
        button.clicked.connect(dismiss)
        return button


class NoticeArea(QWidget):
    """A stack of the newest notices. Thread: main.

    Args:
        icons: of the levels.
        dismiss: called with the key of a notice that the user dismissed.
        moved: called when the area changed its size and must be placed again.
    """

    def __init__(self, icons: Icons, dismiss: Callable[[str], None], moved: Callable[[], None]) -> None:
        super().__init__()
        self._icons = icons
        self._dismiss = dismiss
        self._moved = moved
        self._tokens = DARK
        self._since_ns: dict[str, int] = {}
        self._notices: dict[str, Notice] = {}
        self._hidden: dict[str, Notice] = {}
        self._cards: list[NoticeCard] = []
        self._is_quiet = False
        self._t_ns = 0
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(SPACING_PX)
        self.hide()

    @property
    def cards(self) -> tuple[NoticeCard, ...]:
        """The visible notices, oldest first."""
        return tuple(card for card in self._cards if not card.isHidden())

    def fit(self, width_px: int, room_px: int) -> int:
        """Show the newest notices that fit in a height, at least one.

        Returns:
            The height that they need; 0 without a visible notice.
        """
        height_px = 0
        for card in reversed(self._cards):
            needed_px = height_px + card.height_px(width_px) + (SPACING_PX if height_px else 0)
            does_fit = not height_px or (0 < needed_px <= room_px)
            card.setVisible(does_fit)
            if not does_fit:
                room_px = 0
                continue
            height_px = needed_px
        return 0 if self._is_quiet else height_px

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self._tokens = tokens
        self._rebuild()

    def set_quiet(self, *, is_quiet: bool) -> None:
        """Hide the notices, which then keep their time, or show them."""
        has_changed, self._is_quiet = is_quiet != self._is_quiet, is_quiet
        self.setVisible(bool(self._cards) and not is_quiet)
        if has_changed:
            self._moved()

    def show_notices(self, current: tuple[Notice, ...], t_ns: int) -> None:
        """Show the notices of the board at an instant."""
        if self._is_out_of_sight():
            # Hidden notices keep their remaining time.
            self._since_ns = {key: since_ns + t_ns - self._t_ns for key, since_ns in self._since_ns.items()}
        self._t_ns = t_ns
        up = {notice.key: notice for notice in current}
        self._hidden = {key: notice for key, notice in self._hidden.items() if up.get(key) == notice}
        wanted = dict(self._notices)
        for key, notice in up.items():
            if wanted.get(key) != notice and key not in self._hidden:
                wanted.pop(key, None)
                wanted[key] = notice
                self._since_ns[key] = t_ns
        for key, notice in list(wanted.items()):
            if self._is_over(notice, key in up, t_ns - self._since_ns[key]):
                del wanted[key]
                if key in up:
                    self._hidden[key] = notice
        if list(wanted.values()) != list(self._notices.values()):
            self._notices = wanted
            self._rebuild()

    def _is_out_of_sight(self) -> bool:
        """Whether the notices are invisible: in kiosk mode, or while the window is hidden."""
        window = self.window()
        return self._is_quiet or (window is not self and (window.isMinimized() or not window.isVisible()))

    @staticmethod
    def _is_over(notice: Notice, is_up: bool, shown_ns: int) -> bool:
        if not is_up:
            return shown_ns >= MIN_SHOWN_NS
        if notice.level is Level.INFO:
            return shown_ns >= INFO_SHOWN_NS
        return not notice.is_lasting and shown_ns >= EVENT_SHOWN_NS

    def dismiss(self, key: str) -> None:
        """Remove a notice, also from the board."""
        notice = self._notices.pop(key, None)
        if notice is not None:
            self._dismiss(key)
            self._rebuild()

    def _rebuild(self) -> None:
        for card in self._cards:
            self._layout.removeWidget(card)
            card.hide()
            card.deleteLater()
        newest = list(self._notices.values())[-MAX_SHOWN:]
        self._cards = [self._card(notice) for notice in newest]
        for card in self._cards:
            self._layout.addWidget(card)
            # Qt would show it later, and the measurement below ignores hidden cards.
            card.show()
        self.set_quiet(is_quiet=self._is_quiet)
        self._moved()

    def _card(self, notice: Notice) -> NoticeCard:
        return NoticeCard(notice, self._icons, self._tokens, lambda: self.dismiss(notice.key))
