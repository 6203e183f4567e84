"""The lists of the choosers."""

from dataclasses import dataclass
from pathlib import Path

from avatar_app.gui.panel.catalogue import catalogue


@dataclass(frozen=True)
class FakeDevice:
    label: str
    description: str = ""

    @property
    def title(self):
        return self.description or self.label


def test_microphones_when_the_server_describes_them_then_use_its_texts_and_precede_alsa_plugins():
    devices = (
        FakeDevice("default, ALSA"), FakeDevice("usb, PulseAudio", "Blue Yeti"), FakeDevice("USB (hw:1,0), ALSA"),
    )  # fmt: skip
    found = catalogue(lambda: devices, Path(), Path()).mics()
    assert [option.value for option in found] == ["usb, PulseAudio", "USB (hw:1,0), ALSA", "default, ALSA"]
    assert [option.text for option in found] == ["Blue Yeti", "USB (hw:1,0), ALSA", "default, ALSA"]


def test_outputs_when_listed_then_server_sinks_come_first_and_alsa_plugins_last():
    listed = (
        "HDA Intel PCH: ALC269 (hw:0,0), ALSA", "pulse, ALSA", "default, ALSA", "cable, PulseAudio",
        "headphones, PulseAudio",
    )  # fmt: skip
    devices = tuple(FakeDevice(label) for label in listed)
    found = catalogue(tuple, Path(), Path(), list_outputs=lambda: devices).outputs()
    assert [option.value for option in found] == [listed[3], listed[4], listed[0], listed[1], listed[2]]


def test_outputs_when_of_another_system_then_keep_their_order():
    listed = ("Speakers, MME", "CABLE Input, MME", "Speakers, Windows WASAPI", "BlackHole 2ch, Core Audio")
    devices = tuple(FakeDevice(label) for label in listed)
    found = catalogue(tuple, Path(), Path(), list_outputs=lambda: devices).outputs()
    assert tuple(option.value for option in found) == listed
