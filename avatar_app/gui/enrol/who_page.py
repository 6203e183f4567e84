"""Step 1: the name of the avatar, and the consent of the person."""

from __future__ import annotations

from PySide6.QtWidgets import QCheckBox, QLineEdit

from avatar_app.gui.enrol.examples import WHO, Examples
from avatar_app.gui.enrol.page import Page, text
from avatar_app.gui.enrol.services import Services
from avatar_app.gui.widgets.rows import Section, set_state
from avatar_app.gui.widgets.theme import Tokens

MAX_NAME_CHARACTERS = 60
CONSENT = "This is my own face, or I have the person's permission."
PRIVATE = "Nothing leaves this computer: recording, training and avatar stay here."


class WhoPage(Page):
    """Name and consent. Thread: main."""

    title = "Who is it?"
    lead = "An avatar looks and speaks like a person. Make one only of yourself, or of a person who agreed."

    def __init__(self, services: Services) -> None:
        super().__init__()
        self._services = services
        self.name = QLineEdit()
        self.name.setMaxLength(MAX_NAME_CHARACTERS)
        self.name.setPlaceholderText("For example your first name")
        self.consent = QCheckBox(CONSENT)
        self.missing = text("hint")
        set_state(self.missing, "warning")
        self.examples = Examples(WHO, services.assets)
        for widget in (Section("&Name", self.name), self.consent, text("hint", PRIVATE), self.missing):
            self.column.addWidget(widget)
        self.column.addStretch(1)
        self.column.addWidget(self.examples)
        self.name.textChanged.connect(self.changed)
        self.consent.toggled.connect(self.changed)

    @property
    def can_go_on(self) -> bool:
        """Whether there is a name and the consent."""
        return bool(self.name.text().strip()) and self.consent.isChecked()

    def enter(self) -> None:
        """Show what is missing on this computer before anything is recorded."""
        missing = self._services.missing()
        self.missing.setText(missing)
        self.missing.setVisible(bool(missing))
        self.name.setFocus()

    def show_name(self, name: str) -> None:
        """Show the name of an enrolment that is continued; it cannot change any more."""
        self.name.setText(name)
        self.name.setEnabled(False)
        self.consent.setChecked(True)
        self.consent.setEnabled(False)

    def set_tokens(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self.examples.set_tokens(tokens)
