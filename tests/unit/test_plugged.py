"""Detection of plugged devices on each system."""

import ctypes
from types import SimpleNamespace

from avatar_app.live.audio import plugged


def test_devices_when_polled_twice_then_equal():
    assert plugged.devices_now() == plugged.devices_now()


def test_alsa_when_a_card_is_added_then_another_value(tmp_path, monkeypatch):
    monkeypatch.setattr(plugged, "ALSA_DEVICES", tmp_path / "snd")
    assert plugged.of_alsa() == ()
    (tmp_path / "snd").mkdir()
    (tmp_path / "snd" / "pcmC0D0c").touch()
    before = plugged.of_alsa()
    (tmp_path / "snd" / "pcmC1D0c").touch()
    assert before == ("pcmC0D0c",)
    assert plugged.of_alsa() == ("pcmC0D0c", "pcmC1D0c")


def test_windows_when_an_input_or_an_output_is_added_then_another_value():
    def answer(n_inputs, n_outputs):
        return plugged.of_windows(
            SimpleNamespace(waveInGetNumDevs=lambda: n_inputs, waveOutGetNumDevs=lambda: n_outputs)
        )

    assert len({answer(1, 1), answer(2, 1), answer(1, 2)}) == 3


class CoreAudio:
    """The two functions of the framework that are used, with C arguments."""

    def __init__(self, *numbers, problem=0):
        self.data = b"".join(number.to_bytes(4, "little") for number in numbers)
        self.problem = problem

    def AudioObjectGetPropertyDataSize(self, of, address, n_qualifier, qualifier, size):  # noqa: N802
        queried = address._obj
        letters = [value.to_bytes(4, "big") for value in (queried.selector, queried.scope)]
        assert (of.value, letters, queried.element, qualifier) == (1, [b"dev#", b"glob"], 0, None)
        size._obj.value = len(self.data)
        return 0

    def AudioObjectGetPropertyData(self, of, address, n_qualifier, qualifier, size, target):  # noqa: N802
        ctypes.memmove(target, self.data, min(size._obj.value, len(self.data)))
        return self.problem


def test_macos_when_polled_then_the_numbers_of_all_devices():
    assert plugged.of_macos(CoreAudio(41, 42)) == b"\x29\0\0\0\x2a\0\0\0"
    assert plugged.of_macos(CoreAudio(41)) != plugged.of_macos(CoreAudio(43))
    assert plugged.of_macos(CoreAudio()) == b""


def test_macos_when_it_does_not_answer_then_nothing():
    assert plugged.of_macos(CoreAudio(41, problem=1)) == b""
