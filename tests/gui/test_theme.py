"""The look of the whole window."""

from PySide6.QtGui import QFontInfo
from PySide6.QtWidgets import QWidget

from avatar_app.contracts.notices import Level, Notice
from avatar_app.gui.widgets.theme import body_font


def test_text_when_created_before_or_after_the_theme_then_uses_one_font_family(desk):
    desk.notices.post(Notice("x", Level.WARNING, "It broke.", "Mend it."))
    desk.commands.set_running(True)
    desk.window.refresh_status()
    families = {QFontInfo(widget.font()).family() for widget in desk.window.findChildren(QWidget)}
    assert families == {body_font().family()}
