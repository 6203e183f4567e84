import threading

from avatar_app.contracts.errors import AudioInputError
from avatar_app.gui.devices import MicWatcher


def test_look_when_done_then_says_so_and_window_was_not_held_up(qtbot):
    threads = []
    watcher = MicWatcher(lambda: threads.append(threading.current_thread()))
    with qtbot.waitSignal(watcher.changed):
        watcher.look()
    watcher.stop()
    assert threads[0] is not threading.main_thread()


def test_look_when_sound_system_does_not_answer_then_only_a_log_line(qtbot, caplog):
    def fail() -> None:
        raise AudioInputError("No answer.", "Check it.")

    watcher = MicWatcher(fail)
    watcher.look()
    watcher.stop()
    assert "No answer" in caplog.text
