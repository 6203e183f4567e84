"""The list of avatars with its entries for own avatars, and the menu beside it."""

import json

import pytest

from avatar_app.contracts.errors import AvatarError
from avatar_app.gui.panel import avatar_menu
from avatar_app.gui.panel.picture_sections import MAKE
from avatar_app.gui.ports import Option
from avatar_app.settings.schema import Settings
from tests.gui.conftest import settle
from tests.gui.test_texts import check, texts_of


@pytest.fixture
def own(paths):
    """An avatar of the user, which can be listed."""
    folder = paths.avatars_dir / "solo"
    folder.mkdir(parents=True)
    (folder / "avatar.json").write_text(json.dumps({"id": "solo", "title": "Ada"}), encoding="utf-8")
    return folder


@pytest.fixture
def desk(make_desk, own):
    desk = make_desk(settings=Settings(theme="dark", avatar="solo"))
    yield desk
    desk.avatar_menu.wait()


def texts(group):
    return [group.avatar.itemText(row) for row in range(group.avatar.count())]


def choose(group, text):
    row = texts(group).index(text)
    group.avatar.setCurrentIndex(row)
    group.avatar.activated.emit(row)


def finish(desk):
    desk.avatar_menu.wait()
    settle()


def test_list_when_shown_then_ends_with_an_avatar_of_yourself(desk):
    group = desk.panel.avatar
    asked = []
    group.make_asked.connect(lambda: asked.append("make"))
    group.continue_asked.connect(asked.append)
    group.show_enrolments((Option("bo", "Continue making Bo …"),), frozenset())
    assert texts(group)[-2:] == ["Continue making Bo …", MAKE.text] and MAKE.text == "Make an avatar of yourself …"
    for text in texts(group)[-2:]:
        choose(group, text)
    # Neither is an avatar: the list shows the one in use, and no setting changes.
    assert asked == ["bo", "make"] and group.avatar.value() == desk.keeper.settings.avatar == "solo"


def test_menu_when_the_avatar_is_not_the_users_then_offers_only_the_import(desk):
    menu = desk.avatar_menu
    assert all(action.isEnabled() for action in (menu.rename_action, menu.export_action, menu.delete_action))
    assert not menu.improve_action.isEnabled()
    desk.panel.avatar.show_enrolments((), frozenset({"solo"}))
    assert menu.improve_action.isEnabled()
    desk.keeper.change({"avatar": "nova"})
    actions = (menu.rename_action, menu.export_action, menu.delete_action, menu.improve_action)
    assert not any(action.isEnabled() for action in actions)


def test_rename_when_a_name_is_given_then_the_description_has_it(desk, own):
    desk.avatar_menu.rename()
    assert json.loads((own / "avatar.json").read_text(encoding="utf-8"))["title"] == "Ada"
    desk.answers.title = "Ada Lovelace"
    desk.avatar_menu.rename()
    assert json.loads((own / "avatar.json").read_text(encoding="utf-8"))["title"] == "Ada Lovelace"
    desk.answers.title = "\n"
    desk.avatar_menu.rename()
    assert "cannot be named" in desk.notices.current()[0].text


@pytest.mark.parametrize("agrees", [False, True])
def test_delete_when_agreed_then_avatar_recording_and_choice_are_gone(desk, own, paths, agrees):
    (paths.enrolments_dir / "solo").mkdir(parents=True)
    desk.answers.agrees = agrees
    desk.avatar_menu.delete()
    finish(desk)
    assert own.exists() is not agrees and (paths.enrolments_dir / "solo").exists() is not agrees
    assert desk.keeper.settings.avatar == ("nova" if agrees else "solo")
    if agrees:
        assert desk.notices.current()[0].text == "The avatar solo and its recording were deleted."


def test_export_and_import_when_chosen_then_call_the_library_and_report(desk, paths, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(avatar_menu, "export_avatar", lambda *args: calls.append(args) or args[1])
    monkeypatch.setattr(avatar_menu, "import_avatar", lambda *args: calls.append(args) or "nova")
    desk.avatar_menu.export()
    desk.avatar_menu.import_()
    assert calls == []
    file = desk.answers.avatar = desk.answers.avatar_to_write = tmp_path / "ada.avatar"
    desk.avatar_menu.export()
    finish(desk)
    assert desk.notices.current()[0].text == f"The avatar solo was exported to {file}."
    desk.avatar_menu.import_()
    finish(desk)
    assert calls == [("solo", file, paths), (file, paths)]
    assert desk.keeper.settings.avatar == "nova"


def test_import_when_the_file_is_damaged_then_one_notice(desk, tmp_path, monkeypatch):
    def refuse(*_):
        raise AvatarError("The avatar file is damaged.", "Export it again.")

    monkeypatch.setattr(avatar_menu, "import_avatar", refuse)
    desk.answers.avatar = tmp_path / "bad.avatar"
    desk.avatar_menu.import_()
    finish(desk)
    assert [(one.text, one.what_to_do) for one in desk.notices.current()] == [
        ("The avatar file is damaged.", "Export it again.")
    ]
    assert desk.keeper.settings.avatar == "solo"


def test_menu_when_read_then_its_texts_are_plain(desk):
    group = desk.panel.avatar
    group.show_enrolments((Option("bo", "Making Bo: 42 % …", "Open the window in which it is made"),), frozenset())
    actions = [action.text() for action in desk.avatar_menu.menu().actions()]
    check((*texts_of(group), *actions))


@pytest.mark.qt_log_ignore("This plugin does not support")
def test_list_when_opened_then_is_wide_enough_for_its_texts(desk):
    box = desk.panel.avatar.avatar
    box.showPopup()
    settle()
    widest_px = box.fontMetrics().horizontalAdvance(MAKE.text)
    assert box.view().viewport().width() >= widest_px > box.width() - 48
    box.hidePopup()
