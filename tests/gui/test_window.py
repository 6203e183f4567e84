import itertools

import numpy as np
import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from avatar_app.gui.widgets import geometry
from avatar_app.gui.widgets.geometry import FRAME_PX, first_size
from avatar_app.gui.widgets.mnemonics import show_letters
from avatar_app.gui.widgets.theme import DARK, LIGHT
from avatar_app.live.pipeline import OpenDevices
from avatar_app.settings import store
from avatar_app.settings.schema import Settings
from tests.fakes.pipeline import make_picture
from tests.gui.conftest import settle


def key(desk, text, modifier=Qt.KeyboardModifier.ControlModifier):
    QTest.keyClick(desk.window, text, modifier)


def test_start_when_pressed_then_starts_and_stops_the_pipeline(desk):
    QTest.mouseClick(desk.window.bar.start, Qt.MouseButton.LeftButton)
    assert desk.pipeline.calls[-1] == "start"
    assert desk.window.bar.start.text() == "Stop"
    QTest.mouseClick(desk.window.bar.start, Qt.MouseButton.LeftButton)
    assert desk.pipeline.calls[-1] == "stop"
    assert (desk.window.bar.start.text(), desk.window.view.caption) == ("Start", "Stopped")


@pytest.mark.parametrize(
    ("letter", "field"),
    [(Qt.Key.Key_D, "is_muted"), (Qt.Key.Key_I, "is_hud_visible"), (Qt.Key.Key_B, "is_panel_visible")],
)
def test_shortcut_when_pressed_twice_then_inverts_its_setting_and_restores_it(desk, letter, field):
    before = getattr(desk.keeper.settings, field)
    key(desk, letter)
    assert getattr(desk.keeper.settings, field) is not before
    key(desk, letter)
    assert getattr(desk.keeper.settings, field) is before


def test_shortcut_when_ctrl_r_is_pressed_then_starts(desk):
    key(desk, Qt.Key.Key_R)
    assert desk.commands.is_running


@pytest.mark.parametrize("button", ["start", "mute", "hud", "panel"])
def test_tool_tips_when_read_then_name_the_key(desk, button):
    assert "(Ctrl+" in getattr(desk.window.bar, button).toolTip()


@pytest.mark.parametrize(
    ("letter", "find"),
    [
        (Qt.Key.Key_C, lambda panel: panel.sound.chooser),
        (Qt.Key.Key_G, lambda panel: panel.sound.gain),
        (Qt.Key.Key_A, lambda panel: panel.avatar.avatar),
        (Qt.Key.Key_O, lambda panel: panel.avatar.model),
        (Qt.Key.Key_P, lambda panel: panel.quality.precision.button("auto")),
        (Qt.Key.Key_F, lambda panel: panel.quality.fps.button(25)),
        (Qt.Key.Key_L, lambda panel: panel.quality.lookahead),
        (Qt.Key.Key_B, lambda panel: panel.background.kind.button("checker")),
        (Qt.Key.Key_T, lambda panel: panel.theme.switch.button("dark")),
    ],
)
def test_alt_and_letter_when_pressed_then_focus_the_control(desk, letter, find):
    key(desk, letter, Qt.KeyboardModifier.AltModifier)
    assert QApplication.focusWidget() is find(desk.panel)


def test_alt_and_letter_when_pressed_then_press_the_button(desk):
    key(desk, Qt.Key.Key_S, Qt.KeyboardModifier.AltModifier)
    desk.qtbot.waitUntil(lambda: desk.commands.is_running)  # a mnemonic animates the press
    key(desk, Qt.Key.Key_M, Qt.KeyboardModifier.AltModifier)
    desk.qtbot.waitUntil(lambda: desk.keeper.settings.is_muted)


def test_alt_when_held_then_underlines_the_letters(desk):
    QTest.keyPress(desk.window, Qt.Key.Key_Alt)
    assert desk.window.bar.start.text() == "&Start"
    QTest.keyRelease(desk.window, Qt.Key.Key_Alt)
    assert desk.window.bar.start.text() == "Start"


def test_tab_when_pressed_repeatedly_then_reaches_every_control(desk):
    reached = set()
    desk.window.bar.start.setFocus()
    for _ in range(60):
        reached.add(QApplication.focusWidget())
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
    panel, bar = desk.panel, desk.window.bar
    wanted = {bar.start, bar.mute, bar.hud, bar.panel, panel.sound.chooser, panel.sound.gain, panel.avatar.avatar}
    wanted |= {
        panel.avatar.model,
        panel.quality.lookahead,
        panel.quality.fps.button(25),
        panel.theme.switch.button("dark"),
    }
    assert wanted <= reached


def test_mute_when_clicked_then_is_applied_and_the_caption_shows_it(desk):
    desk.commands.set_running(True)
    desk.window.view.show_picture(make_picture())
    QTest.mouseClick(desk.window.bar.mute, Qt.MouseButton.LeftButton)
    assert desk.applied.is_muted
    assert (desk.window.bar.mute.text(), desk.window.view.caption) == ("Unmute", "Muted")


@pytest.mark.parametrize("screen", [(800, 500), (911, 512), (1366, 768), (1600, 1000)])
def test_window_when_first_opened_then_fits_on_the_screen_with_its_frame(desk, screen):
    """1600 x 1000 at 200 %, 1366 x 768 at 150 and at 100 %, 1600 x 1000 at 100 %."""
    width, height = first_size(QSize(*screen))
    least = desk.window.minimumSize()
    assert least.width() <= width <= screen[0] and least.height() <= height <= screen[1] - FRAME_PX
    desk.window.resize(width, height)
    assert (desk.window.width(), desk.window.height()) == (width, height)


@pytest.mark.parametrize(
    ("field", "value", "key_"),
    [("model", "nova-96", "model"), ("mic", "Beta Mic, ALSA", "mic"), ("precision", "int8", "model")],
)
def test_choice_when_it_fails_then_returns_to_the_setting_in_use_with_a_notice(make_desk, field, value, key_):
    desk = make_desk(refuse={field: value})
    desk.keeper.change({field: value})
    desk.window.refresh_status()
    assert getattr(desk.keeper.settings, field) == getattr(Settings(), field)
    assert desk.panel.quality.precision.value() == "auto"
    assert [card.notice.key for card in desk.window.notices.cards] == [key_]


def test_choice_when_a_valid_one_follows_a_failed_one_then_stays_and_clears_the_notice(make_desk):
    desk = make_desk(refuse={"model": "nova-x"})
    desk.keeper.change({"model": "nova-x"})
    desk.window.refresh_status()
    desk.keeper.change({"fps": 30})
    assert [notice.key for notice in desk.notices.current()] == ["model"]
    desk.keeper.change({"model": "nova-96"})
    desk.window.refresh_status()
    assert desk.keeper.settings.model == "nova-96"
    assert desk.notices.current() == ()


def test_choice_when_corrected_before_the_failed_one_is_reported_then_the_correction_stays(make_desk):
    desk = make_desk(refuse={"model": "nova-x"})
    desk.keeper.change({"model": "nova-x"})
    desk.keeper.change({"model": "nova-96"})
    # It still loads.
    desk.pipeline.in_use = desk.pipeline.in_use.replace(model="")
    desk.window.refresh_status()
    assert desk.keeper.settings.model == "nova-96"


def test_state_when_stopped_while_the_driver_opens_the_microphone_then_shows_closing(desk):
    desk.commands.set_running(True)
    desk.pipeline.devices = OpenDevices(has_mic=True, has_webcam=False)
    desk.commands.set_running(False)
    assert desk.window.view.caption == "Closing the microphone …"
    desk.pipeline.devices = OpenDevices(has_mic=False, has_webcam=False)
    desk.window.refresh_status()
    assert desk.window.view.caption == "Stopped"


def test_stop_when_a_recording_takes_long_to_end_then_microphone_and_camera_are_closed_before_it(desk, monkeypatch):
    desk.commands.set_running(True)
    before = []
    monkeypatch.setattr(desk.sinks, "stop", lambda: before.extend(desk.pipeline.calls))
    desk.commands.set_running(False)
    assert before[-1] == "close_devices"
    assert desk.pipeline.calls[-1] == "stop"


def test_settings_when_changed_then_are_saved_and_loaded_again(desk, paths, notices):
    desk.keeper.change({"fps": 50, "lookahead_ms": 0})
    desk.window.shut_down()
    desk.keeper.save_now()
    again = store.load(paths, notices)
    assert (again.fps, again.lookahead_ms) == (50, 0)
    assert again.window_geometry


def test_settings_when_changed_then_are_saved_before_the_program_ends(desk, paths, notices):
    desk.keeper.change({"fps": 50})
    desk.qtbot.waitUntil(lambda: store.load(paths, notices).fps == 50)


def test_geometry_when_restored_then_the_window_has_its_old_size(desk, make_desk):
    desk.window.resize(790, 707)
    desk.window.shut_down()
    again = make_desk(settings=Settings(window_geometry=desk.keeper.settings.window_geometry))
    geometry.restore(again.window, again.keeper.settings.window_geometry)
    assert (again.window.width(), again.window.height()) == (790, 707)


def test_geometry_when_invalid_then_the_first_size_is_used(make_desk):
    desk = make_desk(settings=Settings(window_geometry="!!!"))
    geometry.restore(desk.window, "!!!")
    assert desk.window.width() >= 700


def test_panel_when_collapsed_then_the_level_meter_moves_to_the_bar(desk):
    assert not desk.window.bar.meter.isVisible()
    desk.commands.toggle("is_panel_visible")
    assert desk.window.bar.meter.isVisible()
    assert not desk.panel.isVisible()


def test_level_when_running_then_the_meter_follows(desk):
    desk.commands.set_running(True)
    desk.window.refresh_level()
    assert desk.panel.sound.meter.level_db > -60


@pytest.mark.parametrize("size", [(720, 400), (720, 560), (800, 460), (910, 472), (900, 640), (1280, 800), (1366, 728)])
def test_window_when_of_any_size_then_everything_fits(desk, size):
    desk.window.resize(*size)
    settle()
    assert (desk.window.width(), desk.window.height()) == size
    assert desk.window.view.rect().contains(desk.window.view.card())
    assert desk.window.rect().contains(desk.window.bar.geometry())
    for button in (desk.window.bar.start, desk.window.bar.mute, desk.window.bar.panel):
        assert desk.window.bar.rect().contains(button.geometry())
        assert button.width() >= button.minimumSizeHint().width()


def _contrast(one, other):
    def luminance(colour):
        channels = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("tokens", [DARK, LIGHT])
def test_colours_when_text_is_on_a_background_then_have_enough_contrast(tokens):
    for ground in (tokens.ground, tokens.surface, tokens.raised, tokens.control):
        assert _contrast(tokens.text, ground) >= 7
        assert _contrast(tokens.muted, ground) >= 4.5
        assert _contrast(tokens.accent, ground) >= 3
    assert _contrast(tokens.on_accent, tokens.accent) >= 4.5
    assert _contrast(tokens.danger, tokens.raised) >= 4.5


@pytest.mark.parametrize("has_panel", [True, False])
def test_bar_when_window_is_small_and_the_camera_is_on_then_no_button_covers_another(make_desk, has_panel):
    desk = make_desk(settings=Settings(theme="dark", is_panel_visible=has_panel))
    bar = desk.window.bar
    desk.pipeline.devices = OpenDevices(has_mic=True, has_webcam=True)
    desk.window.refresh_status()
    desk.window.resize(720, 560)
    settle()
    buttons = (bar.start, bar.mute, bar.record, bar.camera, bar.snapshot, bar.hud, bar.panel)
    assert all(button.isVisible() for button in buttons)
    for left, right in itertools.pairwise(buttons):
        assert left.geometry().right() < right.geometry().left()
    assert bar.rect().contains(bar.panel.geometry())
    assert bool(bar.start.text()) is not has_panel
    assert bar.start.accessibleName() == "Start"
    show_letters(desk.window, is_alt_held=True)
    show_letters(desk.window, is_alt_held=False)
    assert bool(bar.start.text()) is not has_panel
    desk.window.resize(1100, 640)
    settle()
    assert (bar.start.text(), bar.record.text()) == ("Start", "Record")
