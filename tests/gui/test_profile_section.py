"""Profiles in the window: chosen, kept, given away and taken in."""

import pytest

from avatar_app.settings import profiles


@pytest.mark.parametrize("name", profiles.PRESETS)
def test_preset_when_chosen_then_its_settings_hold_and_its_name_stays_in_sight(desk, name):
    desk.panel.profile.chooser.set_value(name, name)
    desk.panel.profile.use(name)
    assert all(getattr(desk.keeper.settings, key) == value for key, value in profiles.PRESETS[name].items())
    assert desk.panel.profile.chooser.value() == name


def test_preset_when_something_else_is_changed_after_it_then_it_is_not_named_any_more(desk):
    desk.panel.profile.chooser.set_value("Meeting", "Meeting")
    desk.panel.profile.use("Meeting")
    desk.keeper.change({"fps": 60})
    assert desk.panel.profile.chooser.value() == ""


def test_keep_when_named_then_it_can_be_chosen_and_deleted_again(desk):
    desk.keeper.change({"fps": 50})
    desk.answers.name = " Mine "
    desk.panel.profile.keep()
    desk.keeper.change({"fps": 25})
    desk.panel.profile.use("Mine")
    assert desk.keeper.settings.fps == 50
    desk.panel.profile.chooser.set_value("Mine", "Mine")
    desk.panel.profile.delete()
    assert profiles.names(desk.paths) == ()
    assert desk.keeper.settings.fps == 50


def test_keep_when_the_name_cannot_be_used_then_a_notice_says_so(desk):
    desk.answers.name = "../x"
    desk.panel.profile.keep()
    assert "cannot be named" in desk.notices.current()[-1].text


def test_profile_when_given_out_and_brought_in_then_the_settings_are_the_same(desk, tmp_path):
    desk.keeper.change({"lookahead_ms": 160})
    desk.answers.profile_to_write = desk.answers.profile = str(tmp_path / "Away.json")
    desk.panel.profile.give_out()
    desk.keeper.change({"lookahead_ms": 0})
    desk.panel.profile.bring_in()
    assert desk.keeper.settings.lookahead_ms == 160
    assert desk.panel.profile.chooser.value() == "Away"


def test_bring_in_when_the_file_is_broken_then_a_notice_and_nothing_changes(desk, tmp_path):
    (tmp_path / "x.json").write_text("nonsense")
    desk.answers.profile = str(tmp_path / "x.json")
    before = desk.keeper.settings
    desk.panel.profile.bring_in()
    assert desk.keeper.settings == before and desk.notices.current()
