"""The event booth."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QFontMetricsF, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from avatar_app import app
from avatar_app.contracts.notices import Level, Notice
from avatar_app.gui.control.remote import Remote
from avatar_app.gui.stage.kiosk import (
    HINT_SHOWN_NS,
    INVITATION,
    INVITE_AFTER_NS,
    LOST_AFTER_NS,
    NO_CAMERA,
    NO_MICROPHONE,
    RECORDING,
    WEBCAM_ON,
    Invitation,
)
from avatar_app.gui.widgets.theme import DARK, figure_font
from avatar_app.settings.schema import Settings
from tests.fakes.pipeline import FakeMicStatus, make_picture, running_status
from tests.fakes.webcam_status import LOST, RUNNING


def toggle(desk):
    QTest.keyClick(desk.window, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)


@pytest.fixture
def booth(desk):
    desk.commands.set_running(True)
    desk.pipeline.put(make_picture())
    desk.window.pull_picture()
    desk.qtbot.waitUntil(desk.window.isActiveWindow)
    toggle(desk)
    return desk


def test_kiosk_when_its_key_is_pressed_then_the_face_fills_the_screen_until_pressed_again(booth):
    window = booth.window
    assert window.isFullScreen() and not window.bar.isVisible() and not booth.panel.isVisible()
    assert not window.hud.isVisible() and window.cursor().shape() is Qt.CursorShape.BlankCursor
    card = window.view.card()
    assert card.height() == min(window.view.width(), window.view.height())
    assert card.bottom() == window.view.height() - 1
    toggle(booth)
    assert not window.isFullScreen() and window.bar.isVisible() and booth.panel.isVisible()


def test_kiosk_when_silent_for_long_then_invites_until_somebody_speaks(booth):
    booth.pipeline.live_status = running_status(is_speaking=False)
    booth.clock.advance(HINT_SHOWN_NS + 1)
    booth.window.refresh_status()
    assert booth.window.view.caption == ""
    booth.clock.advance(INVITE_AFTER_NS)
    booth.window.refresh_status()
    assert booth.window.view.caption == INVITATION
    booth.pipeline.live_status = replace(booth.pipeline.live_status, is_speaking=True)
    booth.window.refresh_status()
    assert booth.window.view.caption == ""


CONTROL, ALT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier
KEYS = (
    *((getattr(Qt.Key, f"Key_F{number}"), Qt.KeyboardModifier.NoModifier) for number in range(1, 13)),
    *((getattr(Qt.Key, f"Key_{letter}"), CONTROL) for letter in "RDIBQ"),
    *((getattr(Qt.Key, f"Key_{letter}"), ALT) for letter in "ABCDEFGHIKLMNOPRSTUVY"),
    (Qt.Key.Key_Tab, Qt.KeyboardModifier.NoModifier),
    (Qt.Key.Key_Space, Qt.KeyboardModifier.NoModifier),
    (Qt.Key.Key_Return, Qt.KeyboardModifier.NoModifier),
    (Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier),
)


def test_kiosk_when_any_other_key_is_pressed_then_nothing_happens(booth):
    calls, settings = list(booth.pipeline.calls), booth.keeper.settings
    closed = []
    booth.window.closing.connect(lambda: closed.append(True))
    for key, modifier in KEYS:
        QTest.keyClick(booth.window, key, modifier)
        QTest.keyClick(QApplication.focusWidget() or booth.window, key, modifier)
    QApplication.processEvents()
    assert (booth.pipeline.calls, booth.sinks.is_recording, closed) == (calls, False, [])
    assert booth.keeper.settings == settings and not booth.commands.is_hidden
    assert booth.window.isFullScreen() and booth.window.isVisible()


def test_kiosk_when_left_then_its_keys_work_again(booth):
    toggle(booth)
    QTest.keyClick(booth.window, Qt.Key.Key_F9)
    QTest.keyClick(booth.window, Qt.Key.Key_D, CONTROL)
    assert booth.sinks.is_recording and booth.keeper.settings.is_muted
    QTest.keyClick(booth.window, Qt.Key.Key_G, ALT)
    assert QApplication.focusWidget() is booth.panel.sound.gain


def test_kiosk_when_clicked_or_dropped_on_then_nothing_happens(booth):
    calls = list(booth.pipeline.calls)
    for button in (Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton):
        QTest.mouseClick(booth.window.view, button)
        QTest.mouseDClick(booth.window.view, button)
    assert booth.pipeline.calls == calls and QApplication.activePopupWidget() is None
    shown = [widget for widget in booth.window.findChildren(QWidget) if widget.isVisible()]
    assert not any(widget.acceptDrops() for widget in (booth.window, *shown))


def test_kiosk_when_the_window_system_closes_it_then_stays_open_until_the_program_ends(booth):
    closed = []
    booth.window.closing.connect(lambda: closed.append(True))
    # As the window system does it for Alt+F4.
    booth.window.windowHandle().close()
    assert booth.window.isVisible() and closed == []
    booth.window.close()
    assert not booth.window.isVisible() and closed == [True]


def test_window_when_the_window_system_closes_it_then_it_closes(desk):
    desk.window.windowHandle().close()
    assert not desk.window.isVisible()


def test_kiosk_when_the_window_system_shrinks_it_then_fills_the_screen_again(booth):
    booth.window.showNormal()
    booth.qtbot.waitUntil(booth.window.isFullScreen)
    booth.window.showMinimized()
    booth.qtbot.waitUntil(lambda: booth.window.isFullScreen() and not booth.window.isMinimized())


def test_kiosk_when_recording_or_webcam_is_on_then_shows_a_sign(booth):
    booth.window.refresh_status()
    bare = top_left(booth)
    assert booth.window.view.signs == ()
    booth.commands.set_recording(True)
    assert booth.window.view.signs == (RECORDING,)
    assert (top_left(booth) != bare).any()
    booth.keeper.change({"is_following": True})
    booth.pipeline.webcam_status = RUNNING
    booth.window.refresh_status()
    assert booth.window.view.signs == (RECORDING, WEBCAM_ON)
    booth.commands.set_recording(False)
    assert booth.window.view.signs == (WEBCAM_ON,)
    toggle(booth)
    assert booth.window.view.signs == ()


def test_kiosk_when_the_control_api_sends_commands_then_executes_them_and_shows_the_sign(booth):
    remote = Remote()
    remote.attach(booth.commands)
    for name in ("record", "mute"):
        remote.actions()[name].call(True)
    booth.qtbot.waitUntil(lambda: booth.sinks.is_recording and booth.keeper.settings.is_muted)
    assert booth.window.view.signs == (RECORDING,)


def top_left(desk):
    image = desk.window.view.grab(QRect(0, 0, 300, 120)).toImage().convertToFormat(QImage.Format.Format_RGB32)
    return np.frombuffer(image.constBits(), np.uint8).copy()


def test_kiosk_when_the_microphone_is_missing_then_reports_it_and_does_not_invite(booth):
    booth.clock.advance(HINT_SHOWN_NS + INVITE_AFTER_NS)
    booth.window.refresh_status()
    assert booth.window.view.caption == INVITATION
    booth.pipeline.live_status = running_status(mic=FakeMicStatus("Built-in Audio", 0, 0))
    booth.window.refresh_status()
    assert booth.window.view.caption == ""
    booth.clock.advance(LOST_AFTER_NS + 1)
    booth.window.refresh_status()
    assert booth.window.view.caption == NO_MICROPHONE
    booth.pipeline.live_status = running_status()
    booth.window.refresh_status()
    assert booth.window.view.caption == INVITATION


def test_kiosk_when_the_webcam_is_lost_then_reports_it(booth):
    booth.keeper.change({"is_following": True})
    booth.pipeline.webcam_status = LOST
    booth.clock.advance(HINT_SHOWN_NS + INVITE_AFTER_NS)
    booth.window.refresh_status()
    assert booth.window.view.caption == NO_CAMERA and booth.window.view.signs == ()


@pytest.mark.parametrize("is_kiosk", [True, False])
def test_global_keys_when_in_kiosk_mode_then_are_off(is_kiosk):
    assert app._wants_global_keys(Settings(has_global_keys=True, is_kiosk=is_kiosk)) is not is_kiosk
    assert not app._wants_global_keys(Settings(has_global_keys=False, is_kiosk=is_kiosk))


def test_f11_and_ctrl_q_when_not_in_kiosk_mode_then_fill_the_screen_and_quit(desk):
    desk.qtbot.waitUntil(desk.window.isActiveWindow)
    QTest.keyClick(desk.window, Qt.Key.Key_F11)
    assert desk.window.isFullScreen()
    QTest.keyClick(desk.window, Qt.Key.Key_F11)
    assert not desk.window.isFullScreen()
    QTest.keyClick(desk.window, Qt.Key.Key_Q, Qt.KeyboardModifier.ControlModifier)
    assert not desk.window.isVisible()


@pytest.mark.parametrize("is_muted", [False, True])
def test_kiosk_when_entered_then_shows_for_five_seconds_how_to_leave(desk, is_muted):
    desk.keeper.change({"is_muted": is_muted})
    desk.qtbot.waitUntil(desk.window.isActiveWindow)
    toggle(desk)
    assert desk.window.view.caption == "Ctrl+Shift+K: back to the window"
    desk.clock.advance(HINT_SHOWN_NS + 1)
    desk.window.refresh_status()
    assert desk.window.view.caption == "Stopped"


def test_kiosk_when_left_then_panel_and_statistics_are_restored(desk):
    desk.qtbot.waitUntil(desk.window.isActiveWindow)
    desk.keeper.use_profile("Event booth")
    assert desk.window.isFullScreen() and not desk.panel.isVisible() and not desk.window.hud.isVisible()
    toggle(desk)
    assert desk.panel.isVisible() and desk.window.hud.isVisible()


def test_kiosk_when_a_notice_is_posted_then_appears_after_kiosk_mode(booth):
    booth.notices.post(Notice("camera", Level.WARNING, "The camera is lost.", "Copy the command.", "command"))
    booth.window.refresh_status()
    assert not booth.window.notices.isVisible()
    toggle(booth)
    assert booth.window.notices.isVisible()


def corner(desk):
    return desk.window.view.grab().toImage().pixelColor(2, 2).name()


def test_kiosk_when_the_background_is_a_colour_then_it_fills_the_screen(make_desk):
    desk = make_desk(settings=Settings(theme="dark", background="colour", background_colour="#204060", is_kiosk=True))
    desk.window.resize(1600, 900)
    desk.commands.set_running(True)
    desk.window.view.show_picture(make_picture())
    assert corner(desk) == "#204060"
    desk.commands.toggle("is_kiosk")
    assert corner(desk) == DARK.ground


def test_kiosk_when_the_picture_is_transparent_then_one_colour_is_behind_and_around_it(make_desk):
    desk = make_desk(settings=Settings(theme="dark", is_kiosk=True))
    desk.window.resize(1600, 900)
    desk.commands.set_running(True)
    desk.window.view.show_picture(make_picture(alpha=0))
    image = desk.window.view.grab().toImage()
    assert {image.pixelColor(x, 40).name() for x in range(0, 1600, 7)} == {DARK.ground}


@pytest.mark.parametrize(("size", "least_px"), [((1920, 1080), 77), ((1080, 1920), 60), ((3840, 2160), 154)])
def test_invitation_when_shown_then_its_font_grows_with_the_screen_and_fits(make_desk, size, least_px):
    stage = make_desk(settings=Settings(theme="dark", is_kiosk=True)).window.view
    stage.resize(*size)
    stage.set_state(True, INVITATION)
    letters_px = stage._caption_px(stage.card())
    assert letters_px >= least_px
    font = figure_font(letters_px, is_bold=True)
    assert QFontMetricsF(font).horizontalAdvance(INVITATION) < 0.9 * stage.width()


def test_invitation_when_somebody_has_just_spoken_then_waits_again():
    attract = Invitation(0)
    assert attract.caption(is_speaking=True, t_now_ns=INVITE_AFTER_NS) == ""
    assert attract.caption(is_speaking=False, t_now_ns=2 * INVITE_AFTER_NS) == ""
    assert attract.caption(is_speaking=False, t_now_ns=2 * INVITE_AFTER_NS + 1) == INVITATION
