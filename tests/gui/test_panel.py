"""Every control changes its setting, which the pipeline then applies."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from avatar_app.settings.schema import FRAME_RATES_FPS, LOOKAHEADS_MS, PRECISIONS, Settings
from tests.fakes.pipeline import running_status
from tests.gui.conftest import press


def pick(chooser, value):
    """Choose an entry as the user does."""
    number = chooser.findData(value)
    assert number >= 0
    chooser.setCurrentIndex(number)
    chooser.activated.emit(number)


@pytest.mark.parametrize("precision", PRECISIONS[1:])
def test_precision_when_pressed_then_is_applied(desk, precision):
    press(desk.panel.quality.precision.button(precision))
    assert desk.applied == Settings(theme="dark", precision=precision)


@pytest.mark.parametrize("fps", FRAME_RATES_FPS[1:])
def test_frame_rate_when_pressed_then_is_applied(desk, fps):
    press(desk.panel.quality.fps.button(fps))
    assert desk.applied.fps == fps


def test_choice_when_clicked_again_then_nothing_changes(desk):
    press(desk.panel.quality.fps.button(25))
    assert desk.keeper.settings.fps == 25
    assert all(settings.fps == 25 for settings in desk.pipeline.applied)


def test_arrow_key_when_a_choice_has_the_focus_then_moves_to_the_next(desk):
    button = desk.panel.quality.fps.button(25)
    button.setFocus()
    QTest.keyClick(button, Qt.Key.Key_Right)
    assert desk.applied.fps == 30


@pytest.mark.parametrize("lookahead_ms", LOOKAHEADS_MS)
def test_lookahead_when_clicked_at_a_stop_then_is_applied(make_desk, lookahead_ms):
    desk = make_desk(settings=Settings(theme="dark", lookahead_ms=40 if lookahead_ms != 40 else 80))
    dial = desk.panel.quality.lookahead
    x_px = dial._x_px(LOOKAHEADS_MS.index(lookahead_ms))
    QTest.mouseClick(dial, Qt.MouseButton.LeftButton, pos=dial.rect().topLeft() + type(dial.pos())(round(x_px), 16))
    assert desk.applied.lookahead_ms == lookahead_ms
    assert dial.accessibleDescription().startswith(f"{lookahead_ms} ms")


def test_lookahead_when_moved_with_keys_then_is_applied(desk):
    dial = desk.panel.quality.lookahead
    QTest.keyClick(dial, Qt.Key.Key_End)
    assert desk.applied.lookahead_ms == 160
    QTest.keyClick(dial, Qt.Key.Key_Left)
    assert desk.applied.lookahead_ms == 80


def test_lookahead_when_settings_are_shown_then_emits_nothing(desk):
    n_applied = len(desk.pipeline.applied)
    desk.panel.show_settings(Settings(lookahead_ms=0, fps=60, precision="fp32", mic_gain_db=12.0))
    assert len(desk.pipeline.applied) == n_applied
    assert desk.panel.quality.lookahead.lookahead_ms == 0


def test_microphone_when_chosen_then_is_applied(desk):
    pick(desk.panel.sound.chooser, "Beta Mic, ALSA")
    assert desk.applied.mic == "Beta Mic, ALSA"


def test_microphone_when_a_sound_file_is_chosen_then_its_path_is_applied(desk):
    desk.answers.sound = "/music/speech.ogg"
    pick(desk.panel.sound.chooser, "ask-file")
    assert desk.applied.mic == "file:/music/speech.ogg"
    assert desk.panel.sound.chooser.currentText() == "speech.ogg"


def test_microphone_when_the_file_dialog_is_cancelled_then_stays(desk):
    pick(desk.panel.sound.chooser, "ask-file")
    assert desk.pipeline.applied == []
    assert desk.panel.sound.chooser.value() == ""


def test_microphone_when_the_saved_one_is_missing_then_is_listed_and_kept(make_desk):
    desk = make_desk(settings=Settings(theme="dark", mic="Gone Mic, ALSA"))
    assert desk.panel.sound.chooser.currentText() == "Gone Mic, ALSA (not connected)"
    assert desk.keeper.settings.mic == "Gone Mic, ALSA"


def test_microphone_list_when_a_device_is_added_then_shows_it_and_keeps_the_choice(desk):
    pick(desk.panel.sound.chooser, "Alpha Mic, ALSA")
    n_applied = len(desk.pipeline.applied)
    desk.mics.append(type(desk.mics[0])("New Mic, ALSA", "New Mic, ALSA"))
    desk.panel.sound.refresh()
    assert desk.panel.sound.chooser.findData("New Mic, ALSA") >= 0
    assert desk.panel.sound.chooser.value() == "Alpha Mic, ALSA"
    assert len(desk.pipeline.applied) == n_applied


def test_gain_when_moved_then_is_applied(desk):
    desk.panel.sound.gain.setValue(6)
    assert desk.applied.mic_gain_db == 6.0
    assert desk.panel.sound.gain_label.text() == "+6 dB"


def test_avatar_when_chosen_then_takes_its_own_default_model(make_desk):
    desk = make_desk(settings=Settings(theme="dark", model="nova-96"))
    pick(desk.panel.avatar.avatar, "solo")
    assert (desk.applied.avatar, desk.applied.model) == ("solo", "")
    assert not desk.panel.avatar.model_section.isVisible()


def test_model_when_chosen_then_is_applied(desk):
    assert desk.panel.avatar.model_section.isVisible()
    pick(desk.panel.avatar.model, "nova-96")
    assert desk.applied.model == "nova-96"


def test_background_colour_when_pressed_then_is_applied_and_can_be_picked(desk):
    press(desk.panel.background.kind.button("colour"))
    assert desk.applied.background == "colour"
    desk.answers.colour = "#336699"
    press(desk.panel.background.detail)
    assert (desk.applied.background, desk.applied.background_colour) == ("colour", "#336699")
    assert desk.panel.background.detail.text() == "#336699"


def test_background_picture_when_pressed_then_asks_for_a_file(desk):
    desk.answers.picture = "/pictures/wall.jpg"
    press(desk.panel.background.kind.button("picture"))
    assert (desk.applied.background, desk.applied.background_picture) == ("picture", "/pictures/wall.jpg")
    assert desk.panel.background.detail.text() == "wall.jpg"


def test_background_picture_when_cancelled_then_the_old_kind_stays(desk):
    press(desk.panel.background.kind.button("picture"))
    assert desk.pipeline.applied == []
    assert desk.panel.background.kind.value() == "checker"


def test_theme_when_clicked_then_the_window_changes_its_colours(desk):
    dark = desk.window.grab().toImage().pixelColor(4, 4)
    press(desk.panel.theme.switch.button("light"))
    light = desk.window.grab().toImage().pixelColor(4, 4)
    assert light.lightness() > 200 > 60 > dark.lightness()
    assert desk.pipeline.applied == []


def test_hints_when_running_then_name_what_is_in_use(desk):
    desk.pipeline.live_status = running_status(engine="onnxruntime-cpu", precision="FP16, run as BF16")
    desk.window.refresh_status()
    assert desk.panel.quality.engine_hint.text() == "ONNX Runtime (CPU), FP16, run as BF16"
    assert desk.panel.sound.device_hint.text() == "Built-in Audio Analog Stereo, 48 kHz stereo"
