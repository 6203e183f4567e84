"""The lists of the choosers."""

from dataclasses import dataclass
from pathlib import Path

from avatar_app.gui.panel.catalogue import avatar_options, catalogue
from avatar_app.settings.paths import ProfilePaths, assets_dir, models_dir
from tests.fakes.own_avatar import change_avatar, write_own


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


def test_avatar_when_it_shows_a_person_then_its_tip_names_the_consent(tmp_path):
    paths = ProfilePaths(tmp_path)
    write_own(paths)
    folder = write_own(paths, "bob", models=())
    change_avatar(folder, consent=None)
    for name, consent in (("cat", "yes"), ("dan", {"person": 3}), ("eve", [])):
        change_avatar(write_own(paths, name, models=()), consent=consent)
    tips = {option.value: option.tip for option in avatar_options(assets_dir(), paths.avatars_dir)}
    assert tips["ada"] == "Ada. Licence: Apache-2.0. Consent: Ada, 2026-11-30"
    assert not any("Consent" in tip for name, tip in tips.items() if name != "ada")


def test_models_when_of_a_users_avatar_then_its_own_in_its_order_and_no_others(tmp_path):
    paths = ProfilePaths(tmp_path)
    write_own(paths, models=("z-first", "a-second"))
    change_avatar(paths.avatars_dir / "ada", models=["z-first", "a-second"])
    write_own(paths, "bob", models=("bob-hd",))
    found = catalogue(tuple, assets_dir(), models_dir(), paths.models_dir, paths.avatars_dir)
    assert [option.value for option in found.models("ada")] == ["z-first", "a-second"]
    assert [option.value for option in found.models("nova")] == ["nova-hd", "nova-96"]
    assert {option.value for option in found.avatars()} == {"ada", "bob", "nova"}
