"""Every text of the window: plain, short and in sentence case."""

import re

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QComboBox, QLabel, QLineEdit, QWidget

from avatar_app.gui.obs.dialog import ObsDialog
from avatar_app.gui.widgets.engines import TITLES
from avatar_app.live.student.engines import ENGINES
from avatar_app.settings.schema import Settings
from tests.unit.test_notice_words import INNER

AVOIDED = re.compile(r"\b(she|her|hers|on air|hears?|listens?|told|tells?|film|anew|nobody|whoever)\b", re.IGNORECASE)
MAX_CHARACTERS = 140


def texts_of(window):
    """All texts that a user can see or that a screen reader reads."""
    for widget in (window, *window.findChildren(QWidget)):
        yield from (widget.toolTip(), widget.accessibleName(), widget.accessibleDescription())
        if isinstance(widget, (QLabel, QAbstractButton)):
            yield widget.text()
        if isinstance(widget, QLineEdit):
            yield widget.placeholderText()
        if isinstance(widget, QComboBox):
            for row in range(widget.count()):
                yield from (widget.itemText(row), widget.itemData(row, Qt.ItemDataRole.ToolTipRole) or "")


def check(texts):
    found = {text for text in texts if text}
    assert len(found) > 10
    assert [text for text in found if AVOIDED.search(text) or INNER.search(text)] == []
    assert [text for text in found if len(text) > MAX_CHARACTERS] == []
    assert [text for text in found if text[0].islower() and text.split()[0] not in ("fps", "silent")] == []


@pytest.mark.parametrize("is_following", [False, True])
def test_window_when_read_then_its_texts_are_plain(make_desk, is_following):
    background = {"background": "colour", "record_format": "webm", "is_browser_on": True}
    desk = make_desk(settings=Settings(theme="dark", is_following=is_following, **background))
    desk.commands.set_running(True)
    check(texts_of(desk.window))


def test_obs_dialog_when_read_then_its_texts_are_plain(qtbot):
    dialog = ObsDialog(lambda: 108.4, voice_output="Cable, PulseAudio")
    qtbot.addWidget(dialog)
    check(texts_of(dialog))


def test_engines_when_listed_then_each_has_a_title():
    assert set(TITLES) == set(ENGINES)
