"""The lists of avatars and models follow the user's folders while the window is open."""

import shutil
from types import SimpleNamespace

import pytest

from avatar_app.contracts.atomic_file import replacing_folder
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.gui.control.library_watcher import LibraryWatcher
from avatar_app.gui.panel.avatar_menu import AvatarMenu
from avatar_app.gui.panel.catalogue import catalogue
from avatar_app.gui.panel.picture_sections import MAKE, AvatarGroup
from avatar_app.live.library import (
    delete_avatar,
    export_avatar,
    import_avatar,
    library_state,
    made_state,
    rename_avatar,
)
from avatar_app.settings.paths import assets_dir, models_dir
from avatar_app.settings.schema import Settings
from tests.fakes.model_folder import change_manifest, write_model
from tests.fakes.own_avatar import write_own


@pytest.fixture
def group(qtbot, paths):
    choices = catalogue(tuple, assets_dir(), models_dir(), paths.models_dir, paths.avatars_dir)
    made = AvatarGroup(choices, AvatarMenu(paths, None, NoticeBoard()))
    qtbot.addWidget(made)
    made.emitted = []
    made.changed.connect(made.emitted.append)
    made.show_settings(Settings())
    return made


@pytest.fixture
def watcher(group, paths):
    return LibraryWatcher(lambda: library_state(paths), group.refresh)


def texts(chooser):
    return [chooser.itemText(row) for row in range(chooser.count()) if chooser.itemText(row) != MAKE.text]


def test_list_when_avatars_come_change_and_go_then_follows_and_the_choice_stays(group, watcher, paths, tmp_path):
    assert texts(group.avatar) == ["Nova"]
    write_own(paths, "zoe")
    watcher.poll()
    assert texts(group.avatar) == ["Nova", "Zoe"] and group.avatar.value() == "nova"
    rename_avatar("zoe", "Anna", paths)
    watcher.poll()
    assert texts(group.avatar) == ["Anna", "Nova"] and group.avatar.currentText() == "Nova"
    import_avatar(export_avatar("zoe", tmp_path, paths), paths)
    watcher.poll()
    assert texts(group.avatar) == ["Anna", "Anna (2)", "Nova"]
    delete_avatar("zoe", paths)
    delete_avatar("zoe-2", paths)
    watcher.poll()
    assert texts(group.avatar) == ["Nova"] and group.emitted == []


def test_list_when_the_avatar_in_use_is_deleted_then_it_is_shown_as_missing(group, watcher, paths):
    write_own(paths)
    watcher.poll()
    group.show_settings(Settings(avatar="ada"))
    assert group.avatar.currentText() == "Ada"
    delete_avatar("ada", paths)
    watcher.poll()
    assert group.avatar.currentText() == "ada (missing)" and group.emitted == []


def test_models_when_one_is_added_to_the_avatar_in_use_then_listed(group, watcher, paths):
    write_own(paths)
    group.show_settings(Settings(avatar="ada"))
    watcher.poll()
    assert texts(group.model) == ["Ada-Hd"] and group.model.value() == "ada-hd"
    change_manifest(write_model(paths.models_dir / "ada-96"), avatar_id="ada", title="Small")
    watcher.poll()
    assert texts(group.model) == ["Ada-Hd", "Small"] and group.model.value() == "ada-hd"


@pytest.mark.parametrize("name", ["avatar", "model"])
def test_list_when_it_is_open_then_it_changes_after_it_is_closed(group, watcher, paths, monkeypatch, name):
    chooser = getattr(group, name)
    monkeypatch.setattr(chooser, "view", lambda: SimpleNamespace(isVisible=lambda: True))
    write_own(paths)
    watcher.poll()
    assert texts(group.avatar) == ["Nova"]
    monkeypatch.undo()
    watcher.poll()
    assert texts(group.avatar) == ["Ada", "Nova"]


def test_watcher_when_nothing_changes_then_nothing_is_listed(paths):
    write_own(paths)
    calls = []
    watcher = LibraryWatcher(lambda: library_state(paths), lambda: calls.append(1) or True)
    watcher.poll()
    assert calls == []
    rename_avatar("ada", "B", paths)
    watcher.poll()
    watcher.poll()
    assert calls == [1]


def test_watcher_when_started_then_polls_until_it_is_stopped(qtbot, paths, monkeypatch):
    monkeypatch.setattr("avatar_app.gui.control.library_watcher.POLL_MS", 5)
    calls = []
    watcher = LibraryWatcher(lambda: len(calls), lambda: calls.append(1) or True)
    watcher._last = -1
    watcher.start()
    qtbot.waitUntil(lambda: len(calls) > 2)
    watcher.stop()
    watcher.stop()
    n_calls = len(calls)
    qtbot.wait(50)
    assert len(calls) == n_calls


@pytest.mark.parametrize("what", ["avatars/ada", "models/ada-hd"])
def test_avatar_in_use_when_it_is_made_again_then_it_is_opened_again_once(paths, what):
    write_own(paths)
    write_own(paths, "bob", models=("bob-hd",))
    chosen, reloads = ["ada"], []
    watcher = LibraryWatcher(
        lambda: library_state(paths),
        lambda: True,
        lambda: (chosen[0], made_state(chosen[0], paths)),
        lambda: reloads.append(chosen[0]),
    )
    rename_avatar("ada", "B", paths)
    watcher.poll()
    assert reloads == [], "a new name changes no picture"
    with replacing_folder(paths.dir / what) as folder:
        shutil.copytree(paths.dir / what, folder, dirs_exist_ok=True)
    watcher.poll()
    watcher.poll()
    assert reloads == ["ada"]
    chosen[0] = "bob"
    watcher.poll()
    delete_avatar("ada", paths)
    watcher.poll()
    assert reloads == ["ada"]
