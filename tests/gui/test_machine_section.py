"""Starting with the machine, and keys that work everywhere."""


def test_keys_when_set_to_everywhere_then_settings_change_and_the_keys_are_listed(desk):
    machine = desk.panel.machine
    assert "Ctrl+D" in machine.keys_hint.text()
    machine.keys.button(True).click()
    assert desk.keeper.settings.has_global_keys and machine.keys_hint.text().startswith("Ctrl+Shift")
    assert desk.pipeline.applied == []


def test_autostart_when_switched_then_the_entry_is_added_and_removed(desk):
    start = desk.panel.machine.start
    assert start.value() is False
    start.button(True).click()
    assert desk.autostart.is_on() and desk.autostart.file.exists()
    start.button(False).click()
    assert not desk.autostart.file.exists()


def test_autostart_when_the_system_refuses_then_posts_a_notice_and_shows_the_real_state(desk):
    desk.autostart.file.parent.parent.mkdir(parents=True, exist_ok=True)
    desk.autostart.file.parent.write_text("in the way")
    desk.panel.machine.start.button(True).click()
    assert desk.panel.machine.start.value() is False
    assert [notice.key for notice in desk.notices.current()] == ["autostart"]


def test_auto_gain_when_switched_then_settings_follow(desk):
    desk.panel.cleaning.auto_gain.button(True).click()
    assert desk.keeper.settings.is_auto_gain_on
    desk.commands.change({"is_auto_gain_on": False})
    assert desk.panel.cleaning.auto_gain.value() is False
