"""Profiles: saved, loaded, exported, imported, and never written outside their folder."""

import json
import sys

import pytest

from avatar_app.contracts.errors import SettingsError
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.settings import profiles
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings


@pytest.fixture
def paths(tmp_path):
    return ProfilePaths(tmp_path / "p")


def test_save_when_loaded_again_then_the_same_except_for_what_belongs_to_the_machine(paths):
    profiles.save(paths, "Evening show", Settings(fps=60, mic="demo", window_geometry="old", is_muted=True))
    assert profiles.names(paths) == ("Evening show",)
    now = Settings(window_geometry="new")
    found = profiles.load(paths, "Evening show", now, NoticeBoard())
    assert found == Settings(fps=60, mic="demo", window_geometry="new", profile="Evening show")
    profiles.delete(paths, "Evening show")
    assert profiles.names(paths) == ()


@pytest.mark.parametrize("name", ["", "../evil", "a/b", "a\\b", ".hidden", "x" * 61, "tail ", "Meeting", "a:b",
    "a?", "a\0", "a\n", "..", "nul", "COM1", "\ud800", "left\u202eright", "𐌰" * 51, "tail."])  # fmt: skip
def test_save_when_the_name_cannot_be_used_then_reports_it_and_writes_nothing(paths, name, tmp_path):
    with pytest.raises(SettingsError):
        profiles.save(paths, name, Settings())
    assert list(tmp_path.rglob("*.json")) == []


def test_load_when_there_is_no_such_profile_then_lists_the_existing_ones(paths):
    profiles.save(paths, "Mine", Settings())
    with pytest.raises(SettingsError, match=r"Mine, Stream beside a game, Meeting, Event booth"):
        profiles.load(paths, "Yours", Settings(), NoticeBoard())


@pytest.mark.parametrize("name", profiles.PRESETS)
def test_load_when_it_is_a_preset_then_only_its_settings_change(paths, name):
    mine = Settings(mic="demo", avatar="other", background_colour="#102030")
    found = profiles.load(paths, name, mine, NoticeBoard())
    assert (found.mic, found.avatar, found.background_colour) == ("demo", "other", "#102030")
    assert all(getattr(found, key) == value for key, value in profiles.PRESETS[name].items())


def test_import_file_when_exported_elsewhere_then_a_profile_of_that_name_and_never_over_another(paths, tmp_path):
    file = tmp_path / "My show!.json"
    profiles.export(file, Settings(lookahead_ms=160))
    assert "window_geometry" not in json.loads(file.read_text())
    first, second = (profiles.import_file(paths, file, NoticeBoard()) for _ in range(2))
    assert (first, second) == ("My show!", "My show! 2")
    assert profiles.load(paths, second, Settings(), NoticeBoard()).lookahead_ms == 160


@pytest.mark.parametrize("text", ["no json", "[1]", json.dumps({"version": 99})])
def test_import_file_when_the_file_is_no_profile_then_reports_it(paths, tmp_path, text):
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(SettingsError):
        profiles.import_file(paths, file, NoticeBoard())
    assert profiles.names(paths) == ()


def test_import_file_when_one_value_is_bad_then_the_others_are_kept_and_a_notice_names_it(paths, tmp_path):
    file, notices = tmp_path / "x.json", NoticeBoard()
    file.write_text(json.dumps({"version": 1, "fps": 26, "lookahead_ms": 0}))
    name = profiles.import_file(paths, file, notices)
    assert profiles.load(paths, name, Settings(), notices) == Settings(lookahead_ms=0, profile=name)
    assert "Use one of: 25, 30, 50, 60." in notices.current()[0].text


def test_export_when_the_folder_cannot_be_made_then_reports_it(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be written"):
        profiles.export(tmp_path / "file" / "x.json", Settings())


def test_own_when_a_preset_is_in_use_then_the_replaced_settings_return_and_the_others_stay(paths):
    mine = Settings(fps=60, background="picture", mic="demo")
    profiles.keep_own(paths, mine)
    used = profiles.load(paths, "Meeting", mine, NoticeBoard()).replace(mic="", is_muted=True, fps=50)
    assert profiles.own(paths, used, NoticeBoard()) == mine.replace(mic="", is_muted=True)


def test_own_when_a_profile_of_the_user_is_in_use_then_all_settings_return(paths):
    mine = Settings(fps=60, mic="demo")
    profiles.keep_own(paths, mine)
    used = Settings(profile="Mine", fps=30, window_geometry="new")
    assert profiles.own(paths, used, NoticeBoard()) == mine.replace(window_geometry="new")


def test_own_when_their_file_is_gone_then_the_settings_stay_and_a_notice_reports_it(paths):
    notices = NoticeBoard()
    assert profiles.own(paths, Settings(profile="Meeting", fps=50), notices) == Settings(fps=50)
    assert "cannot be read" in notices.current()[0].text


def test_profile_when_it_comes_from_elsewhere_then_it_never_turns_the_webcam_on(paths, tmp_path):
    foreign = tmp_path / "foreign.json"
    foreign.write_text(json.dumps(Settings(is_following=True, webcam="file:/theirs.mp4").to_json()))
    name = profiles.import_file(paths, foreign, NoticeBoard())
    loaded = profiles.load(paths, name, Settings(webcam="Desk"), NoticeBoard())
    assert (loaded.is_following, loaded.webcam) == (False, "Desk")
    profiles.export(tmp_path / "out.json", Settings(is_following=True, webcam="file:/mine.mp4"))
    assert "mine" not in (tmp_path / "out.json").read_text()


# Hindi, Thai and Arabic write vowels and signs as marks of their own; Persian and emoji are joined by invisible ones.
SCRIPTS = ("Вечер", "晚间节目", "夜のショー", "저녁 방송", "हिन्दी", "ภาษาไทย", "عَرَبِيّ", "می\u200cخواهم", "ערב טוב",
           "Ελληνικά", "தமிழ்", "Zwölf Größen", "cafe\u0301", "Dad's & Mum's, no. 2!", "አማርኛ",
           "👩\u200d💻 🏳️\u200d🌈")  # fmt: skip


@pytest.mark.parametrize("name", [*SCRIPTS, "語" * 60])
def test_save_when_the_name_is_of_any_script_then_saved_listed_exported_and_imported(paths, tmp_path, name):
    profiles.save(paths, name, Settings(fps=60))
    assert profiles.names(paths) == (name,)
    assert profiles.load(paths, name, Settings(), NoticeBoard()).profile == name
    profiles.export(tmp_path / f"{name}.json", Settings(fps=30))
    profiles.delete(paths, name)
    assert profiles.import_file(paths, tmp_path / f"{name}.json", NoticeBoard()) == name


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have no such names")
@pytest.mark.parametrize(
    ("stem", "name"), [("a:b*c?", "a_b_c_"), (". .", "Profile"), ("nul", "nul_"), ("x" * 70, "x" * 60),
                       ("𐌰" * 55, "𐌰" * 50), ("two\nlines", "two_lines"), ("caf\udce9", "caf_")],
)  # fmt: skip
def test_import_file_when_the_file_has_no_usable_name_then_one_near_it(paths, tmp_path, stem, name):
    profiles.export(tmp_path / f"{stem}.json", Settings())
    assert profiles.import_file(paths, tmp_path / f"{stem}.json", NoticeBoard()) == name


@pytest.mark.parametrize(
    ("first", "second"), [("語" * 60, "語" * 55 + " 2"), ("x" * 60, "x" * 55 + " 2"), ("Show", "Show 2")]
)
def test_import_file_when_the_name_is_taken_then_another_that_is_short_enough(paths, tmp_path, first, second):
    profiles.save(paths, first.lower(), Settings())
    profiles.export(tmp_path / f"{first}.json", Settings())
    assert profiles.import_file(paths, tmp_path / f"{first}.json", NoticeBoard()) == second
