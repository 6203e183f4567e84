"""`avatar-app avatars`."""

import pytest

from avatar_app import avatars, cli
from avatar_app.live.library import list_own
from avatar_app.settings.paths import ProfilePaths
from tests.fakes.own_avatar import write_own, write_recording


@pytest.fixture
def paths(tmp_path):
    return ProfilePaths(tmp_path / "profile")


@pytest.fixture
def run(paths, capsys):
    def run_command(*words, profile=paths.dir):
        code = cli.main(["avatars", *map(str, words), "--profile-dir", str(profile)])
        output = capsys.readouterr()
        return code, output.out + output.err

    return run_command


def test_list_when_there_are_avatars_then_one_line_each(run, paths):
    assert run("list") == (0, f"There are no avatars in {paths.avatars_dir}.\n")
    write_own(paths)
    write_own(paths, "bob", models=())
    write_recording(paths, "bob")
    (paths.avatars_dir / "bob" / "avatar.json").write_text("{")
    code, text = run("list")
    first, second = text.splitlines()
    assert code == 0 and first.startswith("ada: Ada; 1.") and "models: ada-hd; consent: Ada, 2026-11-30" in first
    assert second.startswith("bob: bob;") and "with its recording; damaged: The avatar description" in second


def test_rename_when_the_id_is_known_then_renamed_and_else_one_sentence(run, paths):
    write_own(paths)
    assert run("rename", "ada", "Ada  L.")[0] == 0
    assert list_own(paths)[0].title == "Ada L."
    assert run("rename", "bob", "B") == (2, "You have no avatar named 'bob'. You have: ada.\n")


def test_export_and_import_when_run_between_profiles_then_the_avatar_moves(run, paths, tmp_path):
    write_own(paths)
    assert run("export", "ada", tmp_path / "me") == (0, f"{tmp_path / 'me.avatar'}\n")
    code, text = run("import", tmp_path / "me.avatar", profile=tmp_path / "other")
    assert (code, text) == (0, "The avatar is imported. Use it with: avatar-app --avatar ada\n")
    assert [avatar.id for avatar in list_own(ProfilePaths(tmp_path / "other"))] == ["ada"]
    (tmp_path / "bad.avatar").write_bytes(b"x")
    code, text = run("import", tmp_path / "bad.avatar")
    assert code == 2 and text.startswith(f"{tmp_path / 'bad.avatar'} is not an avatar file.") and text.count("\n") == 1


@pytest.mark.parametrize(
    ("answer", "is_deleted"), [("y", True), ("YES ", True), ("", False), ("n", False), ("yeah", False)]
)
def test_delete_when_asked_on_a_terminal_then_only_yes_deletes(run, paths, monkeypatch, answer, is_deleted):
    write_own(paths)
    monkeypatch.setattr(avatars.sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: answer)
    code, _ = run("delete", "ada")
    assert (code, list_own(paths) == []) == (int(not is_deleted), is_deleted)


def test_delete_when_there_is_no_terminal_then_needs_a_flag(run, paths, monkeypatch):
    write_own(paths)
    monkeypatch.setattr(avatars.sys.stdin, "isatty", lambda: False, raising=False)
    code, text = run("delete", "ada")
    assert code == 2 and "Add --yes." in text and list_own(paths)
    code, text = run("delete", "ada", "--yes")
    assert (code, text) == (0, "The avatar ada, its models and its recording are deleted.\n")
    assert list_own(paths) == []


def test_delete_when_it_is_shipped_then_refused(run):
    assert run("delete", "nova", "--yes") == (
        2,
        "The avatar nova belongs to the program. Choose one of your own avatars.\n",
    )


def test_avatars_when_no_subcommand_is_given_then_usage(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["avatars"])
    assert ended.value.code == 2
