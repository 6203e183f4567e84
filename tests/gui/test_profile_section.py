"""Profiles in the window: chosen, kept, given away and taken in."""

import pytest

from avatar_app.settings import profiles, store
from avatar_app.settings.schema import Settings


def choose(desk, name):
    chooser = desk.panel.profile.chooser
    chooser.setCurrentIndex(chooser.findData(name))
    chooser.activated.emit(chooser.currentIndex())


@pytest.mark.parametrize("name", profiles.PRESETS)
def test_preset_when_chosen_then_its_settings_apply_and_its_name_is_shown(desk, name):
    choose(desk, name)
    assert all(getattr(desk.keeper.settings, key) == value for key, value in profiles.PRESETS[name].items())
    assert desk.panel.profile.chooser.value() == name


@pytest.mark.parametrize("other", ["Event booth", "Stream beside a game"])
def test_own_settings_when_presets_were_used_then_are_restored(make_desk, other):
    mine = Settings(theme="dark", fps=50, background="checker", is_browser_on=True, noise_suppression="mild")
    desk = make_desk(settings=mine)
    choose(desk, "Meeting")
    desk.keeper.change({"fps": 60})
    choose(desk, other)
    assert desk.keeper.settings.is_browser_on
    choose(desk, "")
    assert desk.keeper.settings == mine


def test_own_settings_when_the_program_restarted_meanwhile_then_are_restored(desk, make_desk, notices):
    mine = desk.keeper.settings.replace(lookahead_ms=0)
    desk.keeper.change({"lookahead_ms": 0})
    choose(desk, "Event booth")
    desk.keeper.save_now()
    again = make_desk(settings=store.load(desk.paths, notices))
    assert again.panel.profile.chooser.currentText() == "Event booth"
    choose(again, "")
    assert again.keeper.settings == mine
    again.keeper.save_now()
    assert store.load(desk.paths, notices) == mine


def test_own_settings_when_muted_meanwhile_then_restoring_does_not_unmute(desk):
    choose(desk, "Meeting")
    desk.keeper.change({"is_muted": True})
    choose(desk, "")
    assert desk.keeper.settings.is_muted


def test_own_settings_when_a_profile_applies_to_one_start_then_are_those_of_the_file(desk):
    desk.keeper._settings = profiles.load(desk.paths, "Meeting", Settings(theme="dark"), desk.notices)
    choose(desk, "Event booth")
    choose(desk, "")
    assert desk.keeper.settings == desk.keeper._saved == Settings(theme="dark")


def test_profile_when_the_own_settings_cannot_be_saved_then_is_not_used(desk):
    desk.paths.dir.parent.mkdir(exist_ok=True)
    desk.paths.dir.write_text("a file where the folder should be")
    choose(desk, "Meeting")
    assert desk.keeper.settings == Settings(theme="dark")
    assert desk.panel.profile.chooser.value() == ""
    assert "cannot be written" in desk.notices.current()[-1].text
    desk.paths.dir.unlink()


def test_preset_when_a_setting_is_changed_then_marked_as_changed(desk):
    choose(desk, "Meeting")
    desk.keeper.change({"is_muted": True})
    assert desk.panel.profile.chooser.currentText() == "Meeting"
    desk.keeper.change({"fps": 60})
    assert desk.panel.profile.chooser.currentText() == "Meeting (changed)"
    choose(desk, "")
    assert desk.panel.profile.chooser.findText("Meeting (changed)") < 0
    choose(desk, "Meeting")
    assert (desk.panel.profile.chooser.currentText(), desk.keeper.settings.fps) == ("Meeting", 30)


def test_save_when_named_then_the_profile_can_be_chosen_and_deleted(desk):
    desk.keeper.change({"fps": 50})
    desk.answers.name = " Mine "
    desk.panel.profile.save()
    assert desk.panel.profile.chooser.value() == "Mine"
    desk.keeper.change({"fps": 25})
    choose(desk, "Mine")
    assert desk.keeper.settings.fps == 50
    desk.keeper.change({"fps": 30})
    desk.panel.profile.delete()
    assert profiles.names(desk.paths) == ()
    assert (desk.keeper.settings.fps, desk.panel.profile.chooser.value()) == (50, "")


def test_delete_when_no_profile_of_the_user_is_chosen_then_is_disabled(desk):
    delete = desk.panel.profile._delete
    assert not delete.isEnabled()
    choose(desk, "Meeting")
    assert not delete.isEnabled()
    desk.answers.name = "Mine"
    desk.panel.profile.save()
    assert delete.isEnabled()


def test_save_when_the_name_is_invalid_then_posts_a_notice(desk):
    desk.answers.name = "../x"
    desk.panel.profile.save()
    assert "cannot be named" in desk.notices.current()[-1].text


def test_profile_when_exported_and_imported_then_the_settings_are_equal(desk, tmp_path):
    desk.keeper.change({"lookahead_ms": 160})
    desk.answers.profile_to_write = desk.answers.profile = str(tmp_path / "Away.json")
    desk.panel.profile.export()
    desk.keeper.change({"lookahead_ms": 0})
    desk.panel.profile.import_()
    assert desk.keeper.settings.lookahead_ms == 160
    assert desk.panel.profile.chooser.value() == "Away"


def test_import_when_the_file_is_broken_then_posts_a_notice_and_changes_nothing(desk, tmp_path):
    (tmp_path / "x.json").write_text("nonsense")
    desk.answers.profile = str(tmp_path / "x.json")
    before = desk.keeper.settings
    desk.panel.profile.import_()
    assert desk.keeper.settings == before and desk.notices.current()
