"""A slot: the newest request wins, and `close` does not wait for an opening."""

import threading

import pytest

from avatar_app.contracts.errors import UserError
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.live.runtime.slot import Applied, Refused, Slot
from avatar_app.settings.schema import Settings

WAIT_S = 30


class SlowSlot(Slot[str]):
    """Opens microphones by name; the test decides when each is open."""

    def __init__(self, notices, **options) -> None:
        super().__init__("mic", ("mic",), Settings(), notices, **options)
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)
        self.events: list[str] = []
        self.broken: set[str] = set()
        self.refuses_to_install = False

    def _open(self, settings: Settings) -> str:
        self.events.append(f"open {settings.mic}")
        self.begun.release()
        assert self.go_on.acquire(timeout=WAIT_S)
        if settings.mic in self.broken:
            raise UserError(f"{settings.mic} is broken.", "Choose another one.")
        return settings.mic

    def _install(self, part: str, settings: Settings) -> None:
        if self.refuses_to_install:
            raise UserError("It does not fit.", "Choose another one.")
        self.events.append(f"use {part}")

    def _close(self, part: str) -> None:
        self.events.append(f"close {part}")

    def ask(self, name: str, number: int = 0) -> None:
        self.request(Settings(mic=name), number)

    def let_open(self, name: str) -> None:
        """Request it, and wait until it is in use or refused."""
        self.ask(name)
        assert self.begun.acquire(timeout=WAIT_S)
        self.go_on.release()
        self.wait_until_idle()


@pytest.fixture
def notices():
    return NoticeBoard()


@pytest.fixture
def slot(notices):
    made = SlowSlot(notices)
    made.start()
    yield made
    made.stop()
    made.go_on.release(10)
    assert made.join(WAIT_S)


def begin(slot, name):
    slot.ask(name)
    assert slot.begun.acquire(timeout=WAIT_S)


def finish(slot):
    slot.go_on.release()
    slot.wait_until_idle()


def test_slot_when_requested_then_opened_on_its_own_thread_and_in_use(slot):
    begin(slot, "Desk")
    assert slot.part is None and slot.is_open
    finish(slot)
    assert (slot.part, slot.values()) == ("Desk", {"mic": "Desk"})


def test_slot_when_closed_while_it_opens_then_returns_immediately_and_the_part_is_closed_later(slot):
    begin(slot, "Desk")
    slot.close()
    assert slot.is_open, "the device is being opened, so a lamp must be on"
    finish(slot)
    assert slot.events == ["open Desk", "close Desk"]
    assert slot.part is None and not slot.is_open


def test_slot_when_stopped_while_it_opens_then_closed_and_a_new_start_opens_after_it(slot):
    begin(slot, "Desk")
    slot.stop()
    slot.start()
    slot.ask("Head")
    slot.go_on.release()
    assert slot.begun.acquire(timeout=WAIT_S)
    finish(slot)
    assert slot.events == ["open Desk", "close Desk", "open Head", "use Head"]


def test_slot_when_requested_again_while_it_opens_then_only_the_newest_is_used(slot):
    begin(slot, "One")
    slot.ask("Two")
    slot.ask("Three")
    slot.go_on.release()
    assert slot.begun.acquire(timeout=WAIT_S)
    finish(slot)
    assert slot.events == ["open One", "close One", "open Three", "use Three"]


def test_slot_when_a_part_fails_then_a_notice_and_refused_and_the_old_one_stays(slot, notices):
    slot.let_open("Desk")
    slot.broken = {"Head"}
    slot.let_open("Head")
    assert slot.part == "Desk" and slot.values() == {"mic": "Desk"}
    assert [notice.text for notice in notices.current()] == ["Head is broken."]
    refused = slot.take_result()
    assert isinstance(refused, Refused)
    assert (refused.settings.mic, refused.fields, refused.error.what) == ("Head", ("mic",), "Head is broken.")
    assert slot.take_result() is None


def test_slot_when_a_correction_comes_while_a_broken_part_opens_then_no_notice_and_not_refused(slot, notices):
    slot.broken = {"Broken"}
    begin(slot, "Broken")
    slot.ask("Desk")
    slot.go_on.release()
    assert slot.begun.acquire(timeout=WAIT_S)
    finish(slot)
    assert slot.part == "Desk"
    assert slot.take_result() == Applied(0, Settings(mic="Desk"), ("mic",)) and notices.current() == ()


def test_slot_when_a_part_does_not_fit_then_closed_and_the_old_one_stays(slot):
    slot.let_open("Desk")
    slot.refuses_to_install = True
    slot.let_open("Head")
    assert slot.part == "Desk"
    assert slot.events[-1] == "close Head"
    assert isinstance(slot.take_result(), Refused)


def test_slot_when_exclusive_then_the_old_part_is_closed_before_another_opens(notices):
    slot = SlowSlot(notices, is_exclusive=True)
    slot.start()
    slot.let_open("Desk")
    slot.let_open("Head")
    assert slot.events == ["open Desk", "use Desk", "close Desk", "open Head", "use Head"]
    slot.close()
    slot.close()
    assert slot.events[-1] == "close Head" and slot.events.count("close Head") == 1
    slot.stop()
    assert slot.join(WAIT_S)


def test_slot_when_several_requests_are_numbered_then_the_result_names_the_newest(slot):
    begin(slot, "One")
    slot.ask("Two", number=2)
    slot.ask("Three", number=3)
    slot.go_on.release()
    assert slot.begun.acquire(timeout=WAIT_S)
    finish(slot)
    assert slot.take_result() == Applied(3, Settings(mic="Three"), ("mic",))


def test_slot_when_opening_fails_by_a_fault_then_refused_without_an_error(slot):
    slot._open = lambda *_: 1 / 0
    slot.ask("Head", number=8)
    slot.wait_until_idle()
    assert slot.take_result() == Refused(8, Settings(mic="Head"), ("mic",), slot.name)


def test_result_when_a_retry_opens_the_part_in_use_then_the_refusal_of_the_request_stays(slot):
    slot.let_open("old")
    slot.take_result()
    slot.broken.add("broken")
    slot.let_open("broken")
    slot._retry(slot.in_use)
    assert slot.begun.acquire(timeout=WAIT_S)
    slot.go_on.release()
    slot.wait_until_idle()
    result = slot.take_result()
    assert isinstance(result, Refused) and result.settings.mic == "broken"
