"""The event booth."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from avatar_app.gui.kiosk import INVITATION, INVITE_AFTER_NS, Attract
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
    booth.window.refresh_figures()
    assert booth.window.stage.caption == ""
    booth.clock.advance(INVITE_AFTER_NS + 1)
    booth.window.refresh_figures()
    assert booth.window.stage.caption == INVITATION
    booth.pipeline.figures = replace(booth.pipeline.figures, is_speaking=True)
    booth.window.refresh_figures()
    assert booth.window.stage.caption == ""


def test_attract_when_somebody_has_just_spoken_then_waits_again():
    attract = Attract(0)
    assert attract.caption(is_speaking=True, t_now_ns=INVITE_AFTER_NS) == ""
    assert attract.caption(is_speaking=False, t_now_ns=2 * INVITE_AFTER_NS) == ""
    assert attract.caption(is_speaking=False, t_now_ns=2 * INVITE_AFTER_NS + 1) == INVITATION
