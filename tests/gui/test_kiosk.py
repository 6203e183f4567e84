"""The event booth."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QFontMetricsF
from PySide6.QtTest import QTest

from avatar_app.contracts.notices import Level, Notice
from avatar_app.gui.kiosk import HINT_SHOWN_NS, INVITATION, INVITE_AFTER_NS, Attract
from avatar_app.gui.theme import DARK, figure_font
from avatar_app.settings.schema import Settings
from tests.fakes.pipeline import make_picture, running_status


def toggle(desk):
    QTest.keyClick(desk.window, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)


@pytest.fixture
def booth(desk):
    desk.window.set_running(True)
    desk.pipeline.put(make_picture())
    desk.window.pull_picture()
    desk.qtbot.waitUntil(desk.window.isActiveWindow)
    toggle(desk)
    return desk


def test_kiosk_when_its_key_is_pressed_then_the_face_alone_fills_the_screen_and_comes_back(booth):
    window = booth.window
    assert window.isFullScreen() and not window.bar.isVisible() and not booth.panel.isVisible()
    assert not window.hud.isVisible() and window.cursor().shape() is Qt.CursorShape.BlankCursor
    card = window.stage.card()
    assert card.height() == min(window.stage.width(), window.stage.height())
    assert card.bottom() == window.stage.height() - 1
    toggle(booth)
    assert not window.isFullScreen() and window.bar.isVisible() and booth.panel.isVisible()


def test_kiosk_when_nobody_speaks_for_a_while_then_invites_until_somebody_does(booth):
    booth.pipeline.figures = running_status(is_speaking=False)
    booth.clock.advance(HINT_SHOWN_NS + 1)
    booth.window.refresh_figures()
    assert booth.window.stage.caption == ""
    booth.clock.advance(INVITE_AFTER_NS)
    booth.window.refresh_figures()
    assert booth.window.stage.caption == INVITATION
    booth.pipeline.figures = replace(booth.pipeline.figures, is_speaking=True)
    booth.window.refresh_figures()
    assert booth.window.stage.caption == ""


def test_kiosk_when_f11_or_ctrl_q_is_pressed_then_it_stays_and_the_system_can_still_close_it(booth):
    closed = []
    booth.window.closing.connect(lambda: closed.append(True))
    QTest.keyClick(booth.window, Qt.Key.Key_F11)
    QTest.keyClick(booth.window, Qt.Key.Key_Q, Qt.KeyboardModifier.ControlModifier)
    assert booth.window.isFullScreen() and booth.window.isVisible() and closed == []
    booth.window.close()
    assert closed == [True]


def test_f11_and_ctrl_q_when_there_is_no_booth_then_fill_the_screen_and_quit(desk):
    desk.qtbot.waitUntil(desk.window.isActiveWindow)
    QTest.keyClick(desk.window, Qt.Key.Key_F11)
    assert desk.window.isFullScreen()
    QTest.keyClick(desk.window, Qt.Key.Key_F11)
    assert not desk.window.isFullScreen()
    QTest.keyClick(desk.window, Qt.Key.Key_Q, Qt.KeyboardModifier.ControlModifier)
    assert not desk.window.isVisible()


@pytest.mark.parametrize("is_muted", [False, True])
def test_kiosk_when_it_begins_then_says_for_five_seconds_how_to_come_back(desk, is_muted):
    desk.keeper.change({"is_muted": is_muted})
    desk.qtbot.waitUntil(desk.window.isActiveWindow)
    toggle(desk)
    assert desk.window.stage.caption == "Ctrl+Shift+K: back to the window"
    desk.clock.advance(HINT_SHOWN_NS + 1)
    desk.window.refresh_figures()
    assert desk.window.stage.caption == "Stopped"


def test_kiosk_when_it_is_left_then_panel_and_figures_are_there_as_before(desk):
    desk.qtbot.waitUntil(desk.window.isActiveWindow)
    desk.keeper.use_profile("Event booth")
    assert desk.window.isFullScreen() and not desk.panel.isVisible() and not desk.window.hud.isVisible()
    toggle(desk)
    assert desk.panel.isVisible() and desk.window.hud.isVisible()


def test_kiosk_when_a_notice_comes_then_it_waits_for_the_window(booth):
    booth.notices.post(Notice("camera", Level.WARNING, "The camera is lost.", "Copy the command.", "command"))
    booth.window.refresh_figures()
    assert not booth.window.notices.isVisible()
    toggle(booth)
    assert booth.window.notices.isVisible()


def corner(desk):
    return desk.window.stage.grab().toImage().pixelColor(2, 2).name()


def test_kiosk_when_the_background_is_a_colour_then_it_fills_the_screen(make_desk):
    desk = make_desk(settings=Settings(theme="dark", background="colour", background_colour="#204060", is_kiosk=True))
    desk.window.resize(1600, 900)
    desk.window.set_running(True)
    desk.window.stage.show_picture(make_picture())
    assert corner(desk) == "#204060"
    desk.window.toggle("is_kiosk")
    assert corner(desk) == DARK.ground


def test_kiosk_when_the_picture_is_transparent_then_one_ground_is_behind_and_beside_it(make_desk):
    desk = make_desk(settings=Settings(theme="dark", is_kiosk=True))
    desk.window.resize(1600, 900)
    desk.window.set_running(True)
    desk.window.stage.show_picture(make_picture(alpha=0))
    image = desk.window.stage.grab().toImage()
    assert {image.pixelColor(x, 40).name() for x in range(0, 1600, 7)} == {DARK.ground}


@pytest.mark.parametrize(("size", "least_px"), [((1920, 1080), 77), ((1080, 1920), 60), ((3840, 2160), 154)])
def test_invitation_when_shown_then_its_letters_grow_with_the_screen_and_stay_inside(make_desk, size, least_px):
    stage = make_desk(settings=Settings(theme="dark", is_kiosk=True)).window.stage
    stage.resize(*size)
    stage.set_state(True, INVITATION)
    letters_px = stage._caption_px(stage.card())
    assert letters_px >= least_px
    font = figure_font(letters_px, is_bold=True)
    assert QFontMetricsF(font).horizontalAdvance(INVITATION) < 0.9 * stage.width()


def test_attract_when_somebody_has_just_spoken_then_waits_again():
    attract = Attract(0)
    assert attract.caption(is_speaking=True, t_now_ns=INVITE_AFTER_NS) == ""
    assert attract.caption(is_speaking=False, t_now_ns=2 * INVITE_AFTER_NS) == ""
    assert attract.caption(is_speaking=False, t_now_ns=2 * INVITE_AFTER_NS + 1) == INVITATION
