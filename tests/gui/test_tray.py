"""The icon beside the clock."""

import pytest
from PySide6.QtGui import QIcon, QPixmap
from PySide6.QtWidgets import QSystemTrayIcon

from avatar_app.gui.control.tray import Tray

# The screen that tests run on has no place for such icons.
pytestmark = pytest.mark.qt_log_ignore("systemTrayWindowChanged", "does not support raise", extend=True)


@pytest.fixture
def tray(desk):
    pressed, picture = [], QPixmap(16, 16)
    picture.fill()
    tray = Tray(QIcon(picture), desk.window, {"Mute": lambda: pressed.append("mute")})
    tray.pressed = pressed
    yield tray
    tray.remove()


def test_turn_when_the_window_is_visible_then_hides_and_shows_it(desk, tray):
    tray.turn()
    assert not desk.window.isVisible()
    tray._clicked(QSystemTrayIcon.ActivationReason.Trigger)
    assert desk.window.isVisible()
    tray._clicked(QSystemTrayIcon.ActivationReason.Context)
    assert desk.window.isVisible()


def test_menu_when_opened_then_names_what_a_click_does(desk, tray):
    tray._menu.aboutToShow.emit()
    assert tray.toggle.text() == "Hide window"
    desk.window.hide()
    tray._menu.aboutToShow.emit()
    assert tray.toggle.text() == "Show window"


def test_menu_when_a_command_is_pressed_then_it_runs(tray):
    next(action for action in tray._menu.actions() if action.text() == "Mute").trigger()
    assert tray.pressed == ["mute"]
