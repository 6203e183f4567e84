"""What a keyboard reaches, and what a screen reader says of it."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget

from avatar_app.gui.obs.dialog import ObsDialog
from avatar_app.gui.widgets.segments import Segments
from avatar_app.settings.schema import Settings
from tests.fakes.webcam_status import RUNNING

ROLE = QAccessible.Role
AVATAR_PAGE = ("Settings", "Microphone", "Gain", "Head tracking", "Webcam", "Avatar", "More for this avatar",
               "Model", "Precision", "Frame rate", "Look-ahead", "Background", "Theme")  # fmt: skip
FOLLOWING = ("Set neutral pose", "Head", "Gaze", "Blinks", "Brows", "Idle motion", "Mirror")
OUTPUT_PAGE = ("Settings", "Profile", "More", "Recordings", "Folder for recordings", "Mark as AI", "Virtual camera",
               "Browser source", "Voice in sync", "Delay in OBS …", "Noise suppression", "Automatic gain",
               "Keys", "Autostart")  # fmt: skip
BAR = ("Start", "Mute the microphone", "Record", "Snapshot", "Statistics", "Settings panel")


def name_of(widget):
    """As a screen reader makes it: of the label that stands before a control, else the control's own.

    On Linux Qt gives a drop-down list its value as name, because readers there follow the label.
    """
    interface = QAccessible.queryAccessibleInterface(widget)
    labels = [other for other, relation in interface.relations() if relation & QAccessible.RelationFlag.Label]
    return (labels[0] if labels else interface).text(QAccessible.Text.Name)


def stop_name(widget):
    """What stands for a tab stop: the group of a radio button, else the control itself."""
    return name_of(widget.parentWidget() if isinstance(widget.parentWidget(), Segments) else widget)


def tab_stops(desk):
    """The controls that Tab reaches, in order, once round."""
    desk.qtbot.waitUntil(desk.window.isActiveWindow)
    desk.window.bar.start.setFocus()
    stops = [QApplication.focusWidget()]
    while True:
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        if QApplication.focusWidget() in stops:
            return stops
        stops.append(QApplication.focusWidget())


@pytest.mark.parametrize(
    ("page", "is_following", "names"),
    [
        ("avatar", False, AVATAR_PAGE),
        ("avatar", True, (*AVATAR_PAGE, *FOLLOWING)),
        ("output", False, OUTPUT_PAGE),
    ],
)
def test_tab_when_pressed_repeatedly_then_each_choice_is_one_stop_named_by_its_label(
    make_desk, page, is_following, names
):
    desk = make_desk(settings=Settings(theme="dark", is_following=is_following))
    desk.pipeline.webcam_status = RUNNING
    desk.panel.webcam.show_settings(desk.keeper.settings)
    desk.panel.show_page(page)
    stops = [stop_name(stop) for stop in tab_stops(desk)]
    lamp = ("Turn the webcam off",) if is_following else ()
    assert sorted(stops) == sorted((*BAR, *lamp, *names))
    assert len(stops) <= 28


def test_tab_when_a_choice_changes_then_stops_at_the_chosen_button(desk):
    desk.keeper.change({"precision": "int8", "fps": 60})
    stops = tab_stops(desk)
    assert desk.panel.quality.precision.button("int8") in stops
    assert desk.panel.quality.fps.button(60) in stops
    assert desk.panel.quality.precision.button("auto") not in stops


def test_arrow_keys_when_pressed_in_a_choice_then_move_within_it_and_choose(desk):
    desk.qtbot.waitUntil(desk.window.isActiveWindow)
    fps = desk.panel.quality.fps
    fps.button(25).setFocus()
    for wanted, key in (
        (30, Qt.Key.Key_Right),
        (50, Qt.Key.Key_Down),
        (30, Qt.Key.Key_Left),
        (25, Qt.Key.Key_Up),
        (60, Qt.Key.Key_Left),
    ):
        QTest.keyClick(QApplication.focusWidget(), key)
        assert QApplication.focusWidget() is fps.button(wanted)
        assert desk.keeper.settings.fps == wanted


def test_arrow_keys_when_a_choice_fails_then_the_focus_returns_to_the_chosen_button(make_desk):
    desk = make_desk(refuse={"precision": "int8"})
    desk.qtbot.waitUntil(desk.window.isActiveWindow)
    precision = desk.panel.quality.precision
    precision.button("auto").setFocus()
    QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Right)
    desk.window.refresh_status()
    assert precision.value() == "auto" and QApplication.focusWidget() is precision.button("auto")


def test_choice_when_read_by_a_screen_reader_then_is_a_named_group_of_radio_buttons(desk):
    found = [each for each in desk.window.findChildren(Segments) if each.isVisible()]
    assert len(found) >= 6
    for choice in found:
        group = QAccessible.queryAccessibleInterface(choice)
        assert group.role() is ROLE.Grouping and group.text(QAccessible.Text.Name)
        buttons = [QAccessible.queryAccessibleInterface(each) for each in choice.findChildren(QAbstractButton)]
        assert {each.role() for each in buttons} == {ROLE.RadioButton}
        assert sum(each.state().checked for each in buttons) == 1
        assert all(each.text(QAccessible.Text.Name) == each.object().text() for each in buttons)


@pytest.mark.parametrize("page", ["avatar", "output"])
def test_names_when_values_change_then_remain_the_labels(make_desk, page):
    desk = make_desk(settings=Settings(theme="dark", is_following=True, background="colour"))
    desk.panel.show_page(page)
    before = {widget: name_of(widget) for widget in focusable(desk.window)}
    assert all(before.values())
    changes = {"mic": "Beta Mic, ALSA", "mic_gain_db": 12.0, "follow_head": 0.5, "background_colour": "#123456"}
    changes |= {"record_folder": "/videos/mine", "lookahead_ms": 160, "fps": 60, "voice_output": "Cable, PulseAudio"}
    desk.keeper.change(changes)
    desk.commands.set_recording(True)
    after = {widget: name_of(widget) for widget in focusable(desk.window)}
    assert after == before


def focusable(page):
    found = [widget for widget in page.findChildren(QWidget) if widget.isVisible()]
    return [widget for widget in found if widget.focusPolicy() & Qt.FocusPolicy.ClickFocus]


@pytest.mark.qt_log_ignore("does not support propagateSizeHints")
def test_names_when_the_dialog_for_obs_is_open_then_are_its_labels(qtbot):
    dialog = ObsDialog(lambda: 108.4)
    qtbot.addWidget(dialog)
    dialog.show()
    named = {dialog.port: "Port", dialog.password: "Password in OBS", dialog.inputs: "Microphone in OBS"}
    named |= {dialog.delay: "Delay", dialog.search: "Find microphones", dialog.set: "Set delay"}
    assert {widget: name_of(widget) for widget in named} == named
