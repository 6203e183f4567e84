import os
import threading

import pytest

from avatar_app.live.runtime.environment import changed_environment, copy_environment

NAME = "AVATAR_APP_TEST_VARIABLE"


def test_copy_when_changes_are_given_then_only_the_copy_has_them(monkeypatch):
    monkeypatch.delenv(NAME, raising=False)
    assert copy_environment(**{NAME: "copy"})[NAME] == "copy"
    assert NAME not in os.environ
    assert copy_environment() == dict(os.environ)


@pytest.mark.parametrize("before", [None, "before"])
def test_environment_when_changed_in_a_block_then_restored_after_it_even_after_an_error(monkeypatch, before):
    monkeypatch.delenv(NAME, raising=False)
    if before is not None:
        monkeypatch.setenv(NAME, before)
    with pytest.raises(OSError, match="inside"), changed_environment({NAME: "inside"}):
        assert os.environ[NAME] == "inside"
        raise OSError("inside")
    assert os.environ.get(NAME) == before


def test_copy_when_another_thread_changes_variables_then_no_error():
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            with changed_environment({f"{NAME}_{number % 50}_{k}": "x" for k in range(20)}):
                pass

    thread = threading.Thread(target=change)
    thread.start()
    try:
        copies = [copy_environment() for _ in range(2000)]
    finally:
        stop.set()
        thread.join()
    assert all("PATH" in copy for copy in copies)
