import json
import threading
from types import SimpleNamespace

import pytest

from avatar_app.contracts.clock import ManualClock
from avatar_app.contracts.errors import AudioInputError, OutputError
from avatar_app.contracts.units import s_to_ns
from avatar_app.live.audio import sound_system
from avatar_app.live.audio.sound_device import INPUT, OUTPUT
from avatar_app.live.audio.sound_system import SoundSystem
from tests.fakes.sounddevice import FakeSoundDevice, listed


@pytest.fixture
def desk(monkeypatch):
    """A sound system with a microphone and an output, and the list of a child process."""
    library = FakeSoundDevice("Alpha", outputs=("Cable",))
    clock = ManualClock()
    system = SoundSystem(library, clock)
    made = SimpleNamespace(library=library, clock=clock, system=system, child=listed("Alpha", outputs=("Cable",)))
    monkeypatch.setattr(system, "_run_child", lambda command: made.child)
    made.open = lambda side, name: system.open(side, name, "low", lambda device, n: lambda *args: None, lambda: None)
    return made


def test_devices_when_listed_then_each_side_has_its_own_and_its_default(desk):
    assert [device.label for device in desk.system.devices(INPUT)] == ["Alpha, ALSA"]
    assert [device.label for device in desk.system.devices(OUTPUT)] == ["Cable, ALSA"]
    assert all(desk.system.devices(side)[0].is_default for side in (INPUT, OUTPUT))


def test_refresh_when_a_stream_of_the_other_side_is_open_then_undisturbed_and_a_child_process_lists(desk):
    desk.open(OUTPUT, "Cable")
    desk.child = listed("Alpha", "Gamma")
    assert desk.system.refresh(INPUT) is False
    assert desk.library.n_starts == 1
    assert [device.name for device in desk.system.devices(INPUT)] == ["Alpha", "Gamma"]


def test_close_when_another_device_is_being_opened_then_does_not_wait_and_is_closed_after_it(desk):
    begun, go_on = threading.Event(), threading.Event()
    microphone = desk.open(INPUT, "Alpha")
    desk.library.opening = lambda: (begun.set(), go_on.wait(30))
    opener = threading.Thread(target=desk.open, args=(OUTPUT, "Cable"))
    opener.start()
    assert begun.wait(30)
    microphone.close()
    assert desk.library.streams[0].is_open, "a thread closes it later"
    go_on.set()
    opener.join(30)
    for thread in threading.enumerate():
        if thread.name == "close-sound":
            thread.join(30)
    assert [stream.is_open for stream in desk.library.streams] == [False, True]


@pytest.mark.parametrize("output", ["rubbish", "[1]", '{"input": [{"no": 1}]}'])
def test_refresh_when_the_child_process_fails_then_list_is_unchanged(desk, output):
    desk.open(OUTPUT, "Cable")
    desk.child = output
    desk.system.refresh(INPUT)
    assert [device.name for device in desk.system.devices(INPUT)] == ["Alpha"]


def test_refresh_when_all_streams_were_closed_then_restarted(desk):
    opened = desk.open(OUTPUT, "Cable")
    opened.close()
    opened.close()
    assert desk.system.refresh(INPUT) is True
    assert desk.library.n_starts == 2


def test_make_known_when_a_child_process_lists_the_device_then_open_streams_are_interrupted(desk):
    opened = desk.open(INPUT, "Alpha")
    desk.library.plugged.append("Gamma")
    desk.child = listed("Alpha", "Gamma")
    assert desk.system.make_known(INPUT, "Gamma, ALSA") is True
    assert opened.was_interrupted
    assert desk.library.n_starts == 2
    desk.open(INPUT, "Gamma")


def test_make_known_when_no_process_lists_the_device_then_open_streams_continue(desk):
    opened = desk.open(INPUT, "Alpha")
    assert desk.system.make_known(OUTPUT, "Gamma, ALSA") is False
    assert not opened.was_interrupted
    assert desk.library.streams[0].is_open


def test_make_known_when_called_again_soon_then_open_streams_continue(desk):
    desk.open(INPUT, "Alpha")
    assert desk.system.make_known(OUTPUT, "Cable, ALSA")
    again = desk.open(INPUT, "Alpha")
    desk.clock.advance(s_to_ns(29))
    assert not desk.system.make_known(OUTPUT, "Cable, ALSA")
    assert not again.was_interrupted
    desk.clock.advance(s_to_ns(2))
    assert desk.system.make_known(OUTPUT, "Cable, ALSA")
    assert again.was_interrupted


@pytest.mark.parametrize(("passed_s", "is_interrupted"), [(59, False), (61, True)])
def test_make_known_when_repeated_then_pauses_double(desk, passed_s, is_interrupted):
    for wait_s in (0, 31, passed_s):
        desk.clock.advance(s_to_ns(wait_s))
        desk.open(INPUT, "Alpha")
        was_interrupted = desk.system.make_known(OUTPUT, "Cable, ALSA")
    assert was_interrupted is is_interrupted


def test_check_when_there_is_none_then_the_error_of_its_side(desk):
    with pytest.raises(OutputError, match=r"sound output named 'Cabel'.*Cable, ALSA"):
        desk.system.check(OUTPUT, "Cabel")
    with pytest.raises(AudioInputError, match="microphone named 'Cable'"):
        desk.system.check(INPUT, "Cable")


def test_open_when_a_device_does_not_open_then_no_stream_counts_as_open(desk):
    desk.library.plugged.remove("Cable")
    with pytest.raises(OutputError, match="cannot be opened"):
        desk.open(OUTPUT, "Cable")
    assert desk.system.refresh(OUTPUT) is True


def test_print_devices_when_run_then_json_for_the_parent(capsys):
    try:
        sound_system.print_devices()
    except AudioInputError:
        pytest.skip("PortAudio is not installed")
    assert set(json.loads(capsys.readouterr().out)) == {"input", "output"}
