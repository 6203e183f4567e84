import itertools
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from avatar_app.contracts.notices import Level, Notice
from avatar_app.gui.stage.hud import NOTHING
from avatar_app.gui.stage.notice_cards import EVENT_SHOWN_NS, INFO_SHOWN_NS, MIN_SHOWN_NS
from avatar_app.gui.widgets import geometry
from avatar_app.gui.widgets.geometry import FRAME_PX, first_size
from avatar_app.gui.widgets.mnemonics import show_letters
from avatar_app.gui.widgets.theme import DARK, LIGHT
from avatar_app.live.frame import Background
from avatar_app.live.frame.background import CHECKER_GREYS, CHECKER_PX
from avatar_app.live.pipeline import OpenDevices
from avatar_app.settings import store
from avatar_app.settings.schema import Settings
from tests.fakes.pipeline import FakeMicStatus, make_picture, running_status
from tests.gui.conftest import settle


def key(desk, text, modifier=Qt.KeyboardModifier.ControlModifier):
    QTest.keyClick(desk.window, text, modifier)


def test_start_when_pressed_then_starts_and_stops_the_pipeline(desk):
    QTest.mouseClick(desk.window.bar.start, Qt.MouseButton.LeftButton)
    assert desk.pipeline.calls[-1] == "start"
    assert desk.window.bar.start.text() == "Stop"
    QTest.mouseClick(desk.window.bar.start, Qt.MouseButton.LeftButton)
    assert desk.pipeline.calls[-1] == "stop"
    assert (desk.window.bar.start.text(), desk.window.stage.caption) == ("Start", "Stopped")


@pytest.mark.parametrize(
    ("letter", "field"),
    [(Qt.Key.Key_D, "is_muted"), (Qt.Key.Key_I, "is_hud_visible"), (Qt.Key.Key_B, "is_panel_visible")],
)
def test_shortcut_when_pressed_twice_then_turns_its_setting_round_and_back(desk, letter, field):
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


def test_tab_when_pressed_again_and_again_then_reaches_every_control(desk):
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


def test_picture_when_put_then_is_painted_and_noted_once(desk):
    desk.commands.set_running(True)
    desk.pipeline.put(make_picture(7, colour=(0, 0, 255)))
    desk.qtbot.waitUntil(lambda: desk.pipeline.shown != [])
    desk.window.pull_picture()
    desk.window.stage.repaint()
    settle()
    assert [index for index, _ in desk.pipeline.shown] == [7]
    centre = desk.window.stage.card().center()
    assert desk.window.stage.grab().toImage().pixelColor(centre).getRgb()[:3] == (255, 0, 0)


def test_picture_when_transparent_then_the_checkerboard_shines_through(desk):
    desk.commands.set_running(True)
    desk.window.stage.show_picture(make_picture(alpha=0))
    image = desk.window.stage.grab().toImage()
    card = desk.window.stage.card()
    cell_px = CHECKER_PX * card.width() / 512
    middles = [card.left() + round((step + 0.5) * cell_px) for step in range(4, 12)]
    row = card.top() + round(10.5 * cell_px)
    greys = [image.pixelColor(x, row).getRgb()[:3] for x in middles]
    assert greys == [(grey, grey, grey) for grey in CHECKER_GREYS] * 4


@pytest.mark.parametrize("size_px", [512, 256])
def test_picture_when_its_rim_is_soft_then_looks_as_if_composed_on_the_checkerboard(desk, size_px):
    desk.commands.set_running(True)
    picture = make_picture(size_px=size_px)
    y, x = np.mgrid[:size_px, :size_px]
    picture.pixels[:, :, 3] = np.clip((0.4 * size_px - np.hypot(x - size_px / 2, y - size_px / 2)) * 60, 0, 255)
    behind = Background.checker().pixels(size_px)
    share = picture.pixels[:, :, 3:] / 255
    composed = picture.pixels.copy()
    composed[:, :, :3] = np.rint(behind * (1 - share) + picture.pixels[:, :, :3] * share)
    composed[:, :, 3] = 255
    seen = [grab_card(desk, shown) for shown in (picture, replace(picture, pixels=composed))]
    assert np.ptp(seen[0]) > 50
    assert np.abs(seen[0].astype(int) - seen[1]).max() <= 4


def grab_card(desk, picture) -> np.ndarray:
    """(h, w, 3) of what the window shows of a picture."""
    desk.window.stage.show_picture(picture)
    image = desk.window.stage.grab(desk.window.stage.card()).toImage().convertToFormat(QImage.Format.Format_RGB32)
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4)
    return pixels[:, :, :3].copy()


def test_picture_when_a_newer_one_came_then_only_the_newest_is_shown(desk):
    for index in range(5):
        desk.pipeline.put(make_picture(index))
    desk.window.pull_picture()
    assert desk.window.stage.picture.index == 4


def test_hud_when_hidden_then_is_gone_and_remembered(desk):
    desk.commands.set_running(True)
    assert desk.window.hud.isVisible()
    QTest.mouseClick(desk.window.bar.hud, Qt.MouseButton.LeftButton)
    assert not desk.window.hud.isVisible()
    assert not desk.keeper.settings.is_hud_visible


def test_hud_when_running_then_shows_what_is_really_so(desk):
    desk.pipeline.live_status = running_status(n_dropped=3, n_repeated=4, rss_mb=291.2)
    desk.window.refresh_status()
    texts = {line.label: (line.value, line.second) for line in desk.window.hud.lines}
    assert texts["25.0 fps"] == ("of 25", "")
    assert texts["Inference"] == ("3.4", "5.1")
    assert texts["Mic to frame"] == ("104", "121")
    assert texts["Engine"] == ("OpenVINO", "")
    assert texts["Precision"] == ("FP16, run as BF16", "")
    assert (texts["Frames dropped"][0], texts["Frames repeated"][0], texts["Memory"][0]) == ("3", "4", "291 MB")


def test_hud_when_no_picture_or_no_sound_comes_then_old_figures_do_not_stay(desk):
    def shown(**changes):
        desk.pipeline.live_status = running_status(**changes)
        desk.window.refresh_status()
        return {line.label: (line.value, line.second) for line in desk.window.hud.lines}

    frozen = shown(fps_out=0.0)
    assert "0.0 fps" in frozen
    assert {frozen[name] for name in ("Capture", "Inference", "Compose", "Mic to frame")} == {(NOTHING, NOTHING)}
    silent = shown(mic=FakeMicStatus("Built-in Audio", 0, 0))
    assert silent["Inference"] == silent["Mic to frame"] == (NOTHING, NOTHING)
    assert silent["Compose"] == ("1.6", "2.4")


def test_hud_when_the_window_is_small_then_is_short_and_inside_the_picture(desk):
    desk.window.resize(900, 640)
    settle()
    desk.pipeline.live_status = running_status()
    desk.window.refresh_status()
    assert len(desk.window.hud.lines) <= 6
    assert desk.window.stage.card().contains(desk.window.hud.geometry())


def test_hud_when_there_is_room_then_does_not_cover_the_picture(desk):
    settle()
    assert not desk.window.stage.card().intersects(desk.window.hud.geometry())


def test_mute_when_pressed_then_the_face_is_told_and_the_stage_says_so(desk):
    desk.commands.set_running(True)
    desk.window.stage.show_picture(make_picture())
    QTest.mouseClick(desk.window.bar.mute, Qt.MouseButton.LeftButton)
    assert desk.applied.is_muted
    assert (desk.window.bar.mute.text(), desk.window.stage.caption) == ("Unmute", "Muted")


def test_notice_when_posted_then_is_shown_with_what_to_do(desk):
    desk.notices.post(Notice("x", Level.ERROR, "It broke.", "Mend it."))
    desk.window.refresh_status()
    (card,) = desk.window.notices.cards
    assert card.isVisible()
    assert card.accessibleName() == "error: It broke. Mend it."


def test_notice_when_dismissed_then_goes_and_is_taken_off_the_board(desk):
    desk.notices.post(Notice("x", Level.WARNING, "It broke.", "Mend it."))
    desk.window.refresh_status()
    QTest.mouseClick(desk.window.notices.cards[0].close_button, Qt.MouseButton.LeftButton)
    assert desk.window.notices.cards == ()
    assert desk.notices.current() == ()


def test_notice_when_a_command_mends_it_then_it_can_be_copied_and_covers_little(desk):
    command = "sudo apt install v4l2loopback-dkms && sudo modprobe v4l2loopback " + "and much more " * 20
    desk.notices.post(Notice("x", Level.WARNING, "The module is not installed.", "Copy the command.", command))
    desk.window.refresh_status()
    (card,) = desk.window.notices.cards
    assert card.copy_button.isVisible() and card.height() < 130
    QTest.mouseClick(card.copy_button, Qt.MouseButton.LeftButton)
    assert QApplication.clipboard().text() == command
    assert card.copy_button.text() == "Copied"


def test_notice_when_there_is_no_command_then_there_is_no_button(desk):
    desk.notices.post(Notice("x", Level.WARNING, "It broke.", "Mend it."))
    desk.window.refresh_status()
    assert not desk.window.notices.cards[0].copy_button.isVisible()


def test_notice_when_taken_down_at_once_then_stays_long_enough_to_be_read(desk):
    desk.notices.post(Notice("x", Level.ERROR, "It broke.", ""))
    desk.window.refresh_status()
    desk.notices.clear("x")
    desk.window.refresh_status()
    assert len(desk.window.notices.cards) == 1
    desk.clock.advance(MIN_SHOWN_NS)
    desk.window.refresh_status()
    assert desk.window.notices.cards == ()


def test_notice_when_it_only_informs_then_leaves_by_itself_and_does_not_come_back(desk):
    desk.notices.post(Notice("x", Level.INFO, "The sample is playing.", ""))
    desk.window.refresh_status()
    desk.clock.advance(INFO_SHOWN_NS)
    desk.window.refresh_status()
    desk.window.refresh_status()
    assert desk.window.notices.cards == ()


@pytest.mark.parametrize("size", [(720, 400), (800, 460), (1200, 780), (1600, 1000)])
@pytest.mark.parametrize("is_hud_visible", [True, False])
def test_notices_when_shown_then_no_part_of_the_picture_is_covered(make_desk, size, is_hud_visible):
    desk = make_desk(settings=Settings(theme="dark", is_hud_visible=is_hud_visible))
    desk.window.resize(*size)
    window = desk.window
    desk.qtbot.waitUntil(lambda: (window.width(), window.height()) == size)
    alone_px = window.stage.card().width()
    for number in range(3):
        desk.notices.post(Notice(str(number), Level.ERROR, f"Trouble number {number}.", "Wait until it is over."))
    window.refresh_status()
    QApplication.processEvents()
    assert window.notices.cards[-1].notice.key == "2"
    assert not window.notices.geometry().intersects(window.stage.card())
    assert window.stage.rect().contains(window.notices.geometry()) and window.stage.card().width() > 150
    assert window.notices.rect().contains(window.notices.cards[-1].geometry())
    for card in window.notices.cards:
        assert card.height() >= card.height_px(card.width())
    for notice in desk.notices.current():
        window.notices.dismiss(notice.key)
    QApplication.processEvents()
    assert window.stage.card().width() == alone_px


@pytest.mark.parametrize("screen", [(800, 500), (911, 512), (1366, 768), (1600, 1000)])
def test_window_when_it_opens_then_fits_on_the_screen_with_its_frame(desk, screen):
    """1600 x 1000 at 200 %, 1366 x 768 at 150 and at 100 %, 1600 x 1000 at 100 %."""
    width, height = first_size(QSize(*screen))
    least = desk.window.minimumSize()
    assert least.width() <= width <= screen[0] and least.height() <= height <= screen[1] - FRAME_PX
    desk.window.resize(width, height)
    assert (desk.window.width(), desk.window.height()) == (width, height)


@pytest.mark.parametrize("level", [Level.WARNING, Level.ERROR])
def test_notice_when_it_tells_what_has_happened_then_leaves_by_itself_and_one_that_is_still_so_stays(desk, level):
    desk.notices.post(Notice("event", level, "The port was taken."))
    desk.notices.post(Notice("state", level, "The microphone is gone.", is_lasting=True))
    desk.window.refresh_status()
    assert [card.notice.key for card in desk.window.notices.cards] == ["event", "state"]
    desk.clock.advance(EVENT_SHOWN_NS)
    desk.window.refresh_status()
    assert [card.notice.key for card in desk.window.notices.cards] == ["state"]
    desk.notices.clear("state")
    desk.window.refresh_status()
    assert desk.window.notices.cards == ()


def test_notice_when_nobody_can_see_it_then_waits_with_all_of_its_time(desk):
    desk.window.notices.set_quiet(is_quiet=True)
    desk.notices.post(Notice("event", Level.WARNING, "The port was taken."))
    desk.window.refresh_status()
    for _ in range(3):
        desk.clock.advance(EVENT_SHOWN_NS)
        desk.window.refresh_status()
    desk.window.notices.set_quiet(is_quiet=False)
    desk.window.refresh_status()
    desk.clock.advance(EVENT_SHOWN_NS // 2)
    desk.window.refresh_status()
    assert [card.notice.key for card in desk.window.notices.cards] == ["event"]
    desk.clock.advance(EVENT_SHOWN_NS)
    desk.window.refresh_status()
    assert desk.window.notices.cards == ()


def test_notices_when_many_then_the_newest_three_are_shown_inside_the_stage(desk):
    for number in range(6):
        desk.notices.post(Notice(str(number), Level.ERROR, f"Trouble number {number}.", "Wait."))
    desk.window.refresh_status()
    assert [card.notice.key for card in desk.window.notices.cards] == ["3", "4", "5"]
    assert desk.window.stage.rect().contains(desk.window.notices.geometry())


@pytest.mark.parametrize(
    ("field", "value", "key_"),
    [("model", "nova-96", "model"), ("mic", "Beta Mic, ALSA", "mic"), ("precision", "int8", "model")],
)
def test_choice_when_it_fails_then_goes_back_to_what_is_in_use_and_says_so(make_desk, field, value, key_):
    desk = make_desk(refuse={field: value})
    desk.keeper.change({field: value})
    desk.window.refresh_status()
    assert getattr(desk.keeper.settings, field) == getattr(Settings(), field)
    assert desk.panel.quality.precision.value() == "auto"
    assert [card.notice.key for card in desk.window.notices.cards] == [key_]


def test_choice_when_a_good_one_follows_a_failed_one_then_it_holds(make_desk):
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


def test_state_when_stopped_while_the_driver_still_opens_the_microphone_then_not_told_stopped_yet(desk):
    desk.commands.set_running(True)
    desk.pipeline.devices = OpenDevices(has_mic=True, has_webcam=False)
    desk.commands.set_running(False)
    assert desk.window.stage.caption == "Closing the microphone …"
    desk.pipeline.devices = OpenDevices(has_mic=False, has_webcam=False)
    desk.window.refresh_status()
    assert desk.window.stage.caption == "Stopped"


def test_stop_when_a_recording_takes_long_to_end_then_microphone_and_camera_are_closed_before_it(desk, monkeypatch):
    desk.commands.set_running(True)
    before = []
    monkeypatch.setattr(desk.sinks, "stop", lambda: before.extend(desk.pipeline.calls))
    desk.commands.set_running(False)
    assert before[-1] == "close_devices"
    assert desk.pipeline.calls[-1] == "stop"


def test_settings_when_changed_then_are_saved_and_found_again(desk, paths, notices):
    desk.keeper.change({"fps": 50, "lookahead_ms": 0})
    desk.window.shut_down()
    desk.keeper.save_now()
    again = store.load(paths, notices)
    assert (again.fps, again.lookahead_ms) == (50, 0)
    assert again.window_geometry


def test_settings_when_changed_then_are_saved_without_waiting_for_the_end(desk, paths, notices):
    desk.keeper.change({"fps": 50})
    desk.qtbot.waitUntil(lambda: store.load(paths, notices).fps == 50)


def test_geometry_when_restored_then_the_window_has_its_old_size(desk, make_desk):
    desk.window.resize(790, 707)
    desk.window.shut_down()
    again = make_desk(settings=Settings(window_geometry=desk.keeper.settings.window_geometry))
    geometry.restore(again.window, again.keeper.settings.window_geometry)
    assert (again.window.width(), again.window.height()) == (790, 707)


def test_geometry_when_nonsense_then_the_first_size_is_used(make_desk):
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
def test_window_when_of_any_size_then_nothing_sticks_out(desk, size):
    desk.window.resize(*size)
    settle()
    assert (desk.window.width(), desk.window.height()) == size
    assert desk.window.stage.rect().contains(desk.window.stage.card())
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
def test_colours_when_text_stands_on_a_ground_then_have_enough_contrast(tokens):
    for ground in (tokens.ground, tokens.surface, tokens.raised, tokens.control):
        assert _contrast(tokens.text, ground) >= 7
        assert _contrast(tokens.muted, ground) >= 4.5
        assert _contrast(tokens.accent, ground) >= 3
    assert _contrast(tokens.on_accent, tokens.accent) >= 4.5
    assert _contrast(tokens.danger, tokens.raised) >= 4.5


def test_notices_when_the_first_comes_while_the_window_is_up_then_it_has_room(desk):
    desk.window.show_settings(desk.keeper.settings)
    settle()
    desk.notices.post(Notice("camera", Level.WARNING, "The virtual camera cannot be opened.", "Load its module."))
    desk.window.refresh_status()
    # Two lines of text with their margins.
    assert desk.window.notices.height() > 50


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
