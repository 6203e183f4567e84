"""The mouse wheel scrolls pages and changes no control by accident."""

import pytest
from PySide6.QtCore import QPoint, QPointF
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractSlider, QAbstractSpinBox, QApplication, QComboBox, QScrollArea, QScrollBar

from avatar_app.gui.obs.dialog import ObsDialog
from avatar_app.gui.panel.sound_section import ASK_FILE
from avatar_app.settings.schema import Settings

KINDS = (QAbstractSlider, QAbstractSpinBox, QComboBox)


def turn(widget, notches):
    """Turn the wheel over a widget."""
    window = widget.window()
    place = widget.mapTo(window, widget.rect().center())
    QTest.wheelEvent(window.windowHandle(), QPointF(place), QPoint(0, round(120 * notches)))


def controls(page):
    found = [widget for kind in KINDS for widget in page.findChildren(kind) if not isinstance(widget, QScrollBar)]
    return [widget for widget in found if widget.isVisible() and widget.isEnabled()]


def value(control):
    return control.currentIndex() if isinstance(control, QComboBox) else control.value()


def scrolled_to(control):
    """The scroll bar of the page on which a control stands, with the control in sight."""
    parent = control
    while not isinstance(parent, QScrollArea):
        parent = parent.parentWidget()
    parent.ensureWidgetVisible(control)
    QApplication.processEvents()
    return parent.verticalScrollBar()


@pytest.fixture
def low(make_desk):
    """A low window with everything on its pages."""
    desk = make_desk(settings=Settings(theme="dark", is_following=True))
    desk.window.resize(1000, 560)
    desk.qtbot.waitUntil(lambda: desk.window.height() == 560)
    return desk


@pytest.mark.parametrize("page", ["avatar", "output"])
def test_wheel_when_turned_over_a_control_without_focus_then_scrolls_the_page(low, page):
    low.panel.show_page(page)
    low.window.bar.start.setFocus()
    before, found = low.keeper.settings, controls(low.panel)
    assert len(found) >= 2
    for control in found:
        bar = scrolled_to(control)
        seen, values = bar.value(), value(control)
        turn(control, 1 if seen else -1)
        assert (value(control), control.hasFocus()) == (values, False)
        assert bar.value() != seen, control.accessibleName()
    assert low.keeper.settings == before


def test_wheel_when_turned_over_a_control_with_focus_then_changes_it(low):
    sound, dial = low.panel.sound, low.panel.quality.lookahead
    scrolled_to(sound.gain)
    sound.gain.setFocus()
    turn(sound.gain, 1)
    assert low.keeper.settings.mic_gain_db > 0
    before = dial.lookahead_ms
    scrolled_to(dial)
    dial.setFocus()
    turn(dial, 1)
    assert low.keeper.settings.lookahead_ms == dial.lookahead_ms != before
    scrolled_to(sound.chooser)
    sound.chooser.setFocus()
    turn(sound.chooser, -1)
    assert low.keeper.settings.mic == "Alpha Mic, ALSA"
    turn(sound.chooser, 1)
    assert low.keeper.settings.mic == ""
    # A touchpad: a notch comes in parts.
    for notches in (-0.4, -0.4):
        turn(sound.chooser, notches)
    assert low.keeper.settings.mic == ""
    turn(sound.chooser, -0.4)
    assert low.keeper.settings.mic == "Alpha Mic, ALSA"


def test_wheel_when_the_last_entry_opens_a_dialog_then_stops_before_it(low):
    chooser = low.panel.sound.chooser
    low.answers.sound = "/sounds/voice.wav"
    chooser.setFocus()
    for _ in range(chooser.count() + 2):
        turn(chooser, -1)
    assert chooser.itemText(chooser.count() - 1) == ASK_FILE.text
    assert low.keeper.settings.mic == "demo"


@pytest.mark.qt_log_ignore("does not support propagateSizeHints")
def test_wheel_when_turned_over_a_number_field_then_changes_it_only_with_focus(qtbot):
    dialog = ObsDialog(lambda: 108.4)
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitActive(dialog)
    dialog.password.setFocus()
    turn(dialog.delay, 1)
    assert (dialog.delay.value(), dialog.delay.hasFocus()) == (108, False)
    dialog.delay.setFocus()
    turn(dialog.delay, 1)
    assert dialog.delay.value() == 109
