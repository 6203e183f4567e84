"""The cards of the notices."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from avatar_app.contracts.notices import Level, Notice
from avatar_app.gui.stage.notice_cards import EVENT_SHOWN_NS, INFO_SHOWN_NS, MIN_SHOWN_NS
from avatar_app.settings.schema import Settings
from tests.gui.conftest import settle


def test_notice_when_posted_then_is_shown_with_what_to_do(desk):
    desk.notices.post(Notice("x", Level.ERROR, "It broke.", "Mend it."))
    desk.window.refresh_status()
    (card,) = desk.window.notices.cards
    assert card.isVisible()
    assert card.accessibleName() == "error: It broke. Mend it."


def test_notice_when_dismissed_then_disappears_from_window_and_board(desk):
    desk.notices.post(Notice("x", Level.WARNING, "It broke.", "Mend it."))
    desk.window.refresh_status()
    QTest.mouseClick(desk.window.notices.cards[0].close_button, Qt.MouseButton.LeftButton)
    assert desk.window.notices.cards == ()
    assert desk.notices.current() == ()


def test_notice_when_it_has_a_command_then_it_can_be_copied_and_stays_small(desk):
    command = "sudo apt install v4l2loopback-dkms && sudo modprobe v4l2loopback " + "and much more " * 20
    desk.notices.post(Notice("x", Level.WARNING, "The module is not installed.", "Copy the command.", command))
    desk.window.refresh_status()
    (card,) = desk.window.notices.cards
    assert card.copy_button.isVisible() and card.height() < 130
    QTest.mouseClick(card.copy_button, Qt.MouseButton.LeftButton)
    assert QApplication.clipboard().text() == command
    assert card.copy_button.text() == "Copied"


def test_notice_when_it_has_no_command_then_has_no_copy_button(desk):
    desk.notices.post(Notice("x", Level.WARNING, "It broke.", "Mend it."))
    desk.window.refresh_status()
    assert not desk.window.notices.cards[0].copy_button.isVisible()


def test_notice_when_cleared_immediately_then_stays_long_enough_to_be_read(desk):
    desk.notices.post(Notice("x", Level.ERROR, "It broke.", ""))
    desk.window.refresh_status()
    desk.notices.clear("x")
    desk.window.refresh_status()
    assert len(desk.window.notices.cards) == 1
    desk.clock.advance(MIN_SHOWN_NS)
    desk.window.refresh_status()
    assert desk.window.notices.cards == ()


def test_notice_when_it_informs_then_disappears_after_a_while_and_does_not_return(desk):
    desk.notices.post(Notice("x", Level.INFO, "The sample is playing.", ""))
    desk.window.refresh_status()
    desk.clock.advance(INFO_SHOWN_NS)
    desk.window.refresh_status()
    desk.window.refresh_status()
    assert desk.window.notices.cards == ()


@pytest.mark.parametrize("size", [(720, 400), (800, 460), (1200, 780), (1600, 1000)])
@pytest.mark.parametrize("is_hud_visible", [True, False])
def test_notices_when_shown_then_no_part_of_the_picture_is_covered(make_desk, size, is_hud_visible):
    desk = make_desk(settings=Settings(theme="dark", is_hud_visible=is_hud_visible))
    desk.window.resize(*size)
    window = desk.window
    desk.qtbot.waitUntil(lambda: (window.width(), window.height()) == size)
    alone_px = window.view.card().width()
    for number in range(3):
        desk.notices.post(Notice(str(number), Level.ERROR, f"Trouble number {number}.", "Wait until it is over."))
    window.refresh_status()
    QApplication.processEvents()
    assert window.notices.cards[-1].notice.key == "2"
    assert not window.notices.geometry().intersects(window.view.card())
    assert window.view.rect().contains(window.notices.geometry()) and window.view.card().width() > 150
    assert window.notices.rect().contains(window.notices.cards[-1].geometry())
    for card in window.notices.cards:
        assert card.height() >= card.height_px(card.width())
    for notice in desk.notices.current():
        window.notices.dismiss(notice.key)
    QApplication.processEvents()
    assert window.view.card().width() == alone_px


@pytest.mark.parametrize("level", [Level.WARNING, Level.ERROR])
def test_notice_when_it_reports_an_event_then_disappears_and_a_lasting_one_stays(desk, level):
    desk.notices.post(Notice("event", level, "The port was taken."))
    desk.notices.post(Notice("state", level, "The microphone is gone.", is_lasting=True))
    desk.window.refresh_status()
    assert [card.notice.key for card in desk.window.notices.cards] == ["event", "state"]
    desk.clock.advance(EVENT_SHOWN_NS)
    desk.window.refresh_status()
    assert [card.notice.key for card in desk.window.notices.cards] == ["state"]
    desk.notices.clear("state")
    desk.window.refresh_status()
    assert desk.window.notices.cards == ()


def test_notice_when_invisible_then_keeps_its_time(desk):
    desk.window.notices.set_quiet(is_quiet=True)
    desk.notices.post(Notice("event", Level.WARNING, "The port was taken."))
    desk.window.refresh_status()
    for _ in range(3):
        desk.clock.advance(EVENT_SHOWN_NS)
        desk.window.refresh_status()
    desk.window.notices.set_quiet(is_quiet=False)
    desk.window.refresh_status()
    desk.clock.advance(EVENT_SHOWN_NS // 2)
    desk.window.refresh_status()
    assert [card.notice.key for card in desk.window.notices.cards] == ["event"]
    desk.clock.advance(EVENT_SHOWN_NS)
    desk.window.refresh_status()
    assert desk.window.notices.cards == ()


def test_notices_when_many_then_the_newest_three_are_shown(desk):
    for number in range(6):
        desk.notices.post(Notice(str(number), Level.ERROR, f"Trouble number {number}.", "Wait."))
    desk.window.refresh_status()
    assert [card.notice.key for card in desk.window.notices.cards] == ["3", "4", "5"]
    assert desk.window.view.rect().contains(desk.window.notices.geometry())


def test_notices_when_the_first_is_posted_then_the_area_has_its_height(desk):
    desk.window.show_settings(desk.keeper.settings)
    settle()
    desk.notices.post(Notice("camera", Level.WARNING, "The virtual camera cannot be opened.", "Load its module."))
    desk.window.refresh_status()
    # Two lines of text with their margins.
    assert desk.window.notices.height() > 50
