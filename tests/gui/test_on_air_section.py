"""What goes out is switched in the window, and what really goes out is said there."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QPushButton

from avatar_app.gui.obs.dialog import ObsDialog
from avatar_app.gui.panel import output_section as on_air_section
from avatar_app.gui.stage import panic
from avatar_app.gui.widgets.rows import Chooser
from avatar_app.gui.widgets.segments import Segments
from avatar_app.live.browser import BrowserState, BrowserStatus
from avatar_app.live.camera import CameraState, CameraStatus
from avatar_app.live.record import RecordState, RecordStatus
from avatar_app.live.voice import NO_VOICE, VoiceState
from avatar_app.settings import store
from avatar_app.settings.schema import Settings
from tests.fakes.pipeline import FakeMicStatus, running_status
from tests.fakes.sinks import OFF, changed
from tests.gui.conftest import settle

# The platform of the tests has no window manager that could be told a least size.
OFFSCREEN_SAYS = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


@pytest.fixture
def desk(make_desk):
    desk = make_desk()
    desk.panel.show_page("on-air")
    return desk


def press(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def key(desk, which):
    QTest.keyClick(desk.window, which)


@pytest.mark.parametrize(
    ("find", "value", "changes"),
    [
        (lambda group: group.camera, "meeting", {"is_camera_on": True, "camera_size": "meeting"}),
        (lambda group: group.camera, "square-720", {"is_camera_on": True, "camera_size": "square-720"}),
        (lambda group: group.browser, "on", {"is_browser_on": True}),
        (lambda group: group.format, "webm", {"record_format": "webm"}),
        (lambda group: group.badge, True, {"has_badge": True}),
        (lambda group: group.noise, "strong", {"noise_suppression": "strong"}),
    ],
)
def test_switch_when_pressed_then_its_setting_holds_and_what_is_on_air_hears_of_it(desk, find, value, changes):
    segments = find(desk.panel.on_air)
    press(segments.button(value))
    assert all(getattr(desk.on_air.applied[-1], name) == wanted for name, wanted in changes.items())
    assert segments.value() == value


def test_camera_when_turned_off_again_then_its_size_is_kept(desk):
    press(desk.panel.on_air.camera.button("square-720"))
    press(desk.panel.on_air.camera.button("off"))
    assert (desk.keeper.settings.is_camera_on, desk.keeper.settings.camera_size) == (False, "square-720")


def test_voice_when_an_output_is_chosen_then_it_is_used_and_never_one_by_itself(desk):
    chooser = desk.panel.on_air.voice
    assert (chooser.value(), desk.keeper.settings.voice_output) == ("", "")
    number = chooser.findData("Cable, PulseAudio")
    chooser.setCurrentIndex(number)
    chooser.activated.emit(number)
    assert desk.keeper.settings.voice_output == "Cable, PulseAudio"


def test_folder_when_chosen_then_recordings_go_there(desk):
    desk.answers.folder = "/films/show"
    press(desk.panel.on_air.folder)
    assert desk.keeper.settings.record_folder == "/films/show"
    assert desk.panel.on_air.folder.text() == "Folder: show"


def test_copy_when_pressed_then_the_address_with_its_token_is_in_the_clipboard_and_nowhere_in_sight(desk):
    status = BrowserStatus(BrowserState.RUNNING, "http://127.0.0.1:18750/", 18750, 2, 0, 25.0, 0)
    desk.on_air.figures = changed(OFF, browser=status)
    desk.window.refresh_figures()
    group = desk.panel.on_air
    assert group.browser_state.text() == "2 viewers"
    press(group.copy)
    assert QGuiApplication.clipboard().text() == desk.on_air.page_url
    labels = [*group.findChildren(QLabel), *group.findChildren(QPushButton)]
    assert not any("secret" in label.text() or "127.0.0.1" in label.text() for label in labels)
    assert group.copy.text() == on_air_section.COPIED
    group._copied.timeout.emit()
    assert group.copy.text() == on_air_section.COPY


@pytest.mark.parametrize(("n_viewers", "words"), [(0, "Nobody looks"), (1, "1 viewer"), (3, "3 viewers")])
def test_browser_when_on_then_says_how_many_look_and_no_address_that_would_not_work(desk, n_viewers, words):
    status = BrowserStatus(BrowserState.RUNNING, "http://127.0.0.1:18750/", 18750, n_viewers, 0, 25.0, 0)
    assert on_air_section.browser_words(changed(OFF, browser=status)) == words


RUNNING = replace(NO_VOICE, state=VoiceState.RUNNING, delay_ms=123.4, drift_ppm=-12.3)
LOST = replace(NO_VOICE, state=VoiceState.LOST)


@pytest.mark.parametrize(
    ("voice", "has_mic", "words"),
    [
        (NO_VOICE, True, ""),
        (RUNNING, True, "123 ms behind you"),
        (RUNNING, False, "Waiting for the microphone"),
        (LOST, True, "Waiting for this output"),
        (replace(LOST, is_heard_by_mic=True), True, "Not played: it would howl"),
    ],
)
def test_voice_when_in_a_state_then_its_words_are_true(desk, voice, has_mic, words):
    desk.pipeline.figures = running_status(**({} if has_mic else {"mic": FakeMicStatus("Gone Mic")}))
    desk.on_air.figures = changed(OFF, voice=voice)
    desk.window.refresh_figures()
    assert desk.panel.on_air.voice_state.text() == words
    has_clocks = words == "123 ms behind you"
    assert ("clocks -12 ppm apart" in desk.panel.on_air.voice_state.toolTip()) is has_clocks


def places(desk):
    kinds = (Segments, Chooser, QPushButton)
    return [
        part.mapTo(desk.panel, part.rect().topLeft()).y() for kind in kinds for part in desk.panel.findChildren(kind)
    ]


@pytest.mark.parametrize("page", ["avatar", "on-air"])
def test_panel_when_states_come_and_go_then_nothing_moves(desk, page):
    desk.panel.show_page(page)
    settle()
    before = places(desk)
    camera = CameraStatus(
        CameraState.RUNNING, "v4l2loopback", "/dev/video10 or another name that is far too long", (1280, 720), 30, 29.9,
        0, 0, 0, 0, False, False, 0.0, 0.0, 0.0, "",
    )  # fmt: skip
    status = BrowserStatus(BrowserState.RUNNING, "http://127.0.0.1:18750/", 18750, 2, 0, 25.0, 0)
    desk.on_air.figures = changed(OFF, camera=camera, browser=status, voice=RUNNING)
    desk.pipeline.figures = running_status(mic=FakeMicStatus("A microphone of a very long name " * 3, 48_000, 2))
    desk.keeper.change({"has_global_keys": True, "is_browser_on": True, "is_camera_on": True})
    desk.window.refresh_figures()
    settle()
    assert places(desk) == before


def test_record_when_its_key_is_pressed_then_begins_shows_the_time_and_ends(desk):
    key(desk, Qt.Key.Key_F9)
    assert desk.on_air.is_recording
    assert (desk.window.bar.record.text(), desk.window.bar.record.isChecked()) == ("1:05", True)
    press(desk.window.bar.record)
    assert not desk.on_air.is_recording
    assert (desk.window.bar.record.text(), desk.window.bar.record.isChecked()) == ("Record", False)


def test_record_when_a_long_film_is_being_saved_then_the_button_says_how_far_and_begins_the_next(desk):
    status = RecordStatus(RecordState.SAVING, seconds=3600.0, saved_share=0.42)
    desk.on_air.figures = changed(desk.on_air.figures, record=status)
    desk.window.refresh_figures()
    assert (desk.window.bar.record.text(), desk.window.bar.record.isChecked()) == ("Saving 42%", False)
    desk.on_air.figures = changed(desk.on_air.figures, record=replace(status, state=RecordState.SAVED))
    desk.window.refresh_figures()
    assert desk.window.bar.record.text() == "Record"
    desk.on_air.figures = changed(desk.on_air.figures, record=status)
    desk.window.refresh_figures()
    press(desk.window.bar.record)
    assert desk.on_air.is_recording
    assert (desk.window.bar.record.text(), desk.window.bar.record.isChecked()) == ("1:05", True)


def test_record_when_it_cannot_begin_then_a_notice_says_why(desk):
    desk.on_air.is_full = True
    press(desk.window.bar.record)
    assert not desk.window.bar.record.isChecked()
    assert desk.notices.current()[-1].text == "The disk is full."


def test_snapshot_when_its_key_is_pressed_then_it_is_asked_for_and_a_failure_is_told(desk):
    key(desk, Qt.Key.Key_F10)
    assert desk.on_air.calls[-1] == "snapshot"
    desk.on_air.is_full = True
    key(desk, Qt.Key.Key_F10)
    assert desk.notices.current()[-1].text == "The disk is full."


def test_hide_and_panic_when_their_keys_are_pressed_then_nothing_of_the_user_is_seen_or_heard(desk):
    key(desk, Qt.Key.Key_F7)
    assert desk.pipeline.calls[-1] == "hide" and desk.window.is_hidden
    key(desk, Qt.Key.Key_F7)
    assert desk.pipeline.calls[-1] == "show"
    key(desk, Qt.Key.Key_F8)
    key(desk, Qt.Key.Key_F8)
    assert desk.keeper.settings.is_muted
    key(desk, Qt.Key.Key_F5)
    assert desk.pipeline.calls[-1] == "refresh_mic"


@pytest.mark.parametrize(("has_global_keys", "other"), [(False, ""), (True, " or Ctrl+Shift+F6")])
def test_panic_when_pressed_then_says_how_to_come_back_and_never_does_by_itself(make_desk, has_global_keys, other):
    desk = make_desk(settings=Settings(theme="dark", has_global_keys=has_global_keys))
    with desk.qtbot.waitActive(desk.window):
        desk.window.activateWindow()
    for _ in range(3):
        key(desk, Qt.Key.Key_F8)
        assert desk.keeper.settings.is_muted
    (card,) = desk.window.notices.cards
    assert card.notice.text == panic.MUTED
    assert f"press Unmute (Ctrl+D{other})" in card.notice.what_to_do
    QTest.keyClick(desk.window, Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier)
    desk.window.refresh_figures()
    assert not desk.keeper.settings.is_muted
    assert [card.notice.text for card in desk.window.notices.cards] == [panic.HEARING]


def test_mute_when_there_was_no_panic_then_is_no_news(desk):
    press(desk.window.bar.mute)
    press(desk.window.bar.mute)
    assert desk.notices.current() == ()


def ask_obs(desk):
    press(desk.panel.on_air.obs)
    return desk.window.findChild(ObsDialog)


def test_obs_when_asked_for_then_offers_the_delay_of_the_voice_in_sync(desk):
    dialog = ask_obs(desk)
    assert (dialog.delay.value(), dialog.double.isVisible()) == (138, False)
    dialog.reject()
    desk.qtbot.waitUntil(lambda: desk.window.findChild(ObsDialog) is None)


@OFFSCREEN_SAYS
def test_obs_when_asked_for_while_the_voice_is_in_sync_then_the_voice_can_be_turned_off(desk):
    desk.window.change({"voice_output": "Cable, PulseAudio"})
    dialog = ask_obs(desk)
    assert dialog.double.isVisible()
    press(dialog.voice_off)
    assert desk.keeper.settings.voice_output == ""
    dialog.reject()


def test_obs_when_it_answered_at_another_port_then_that_is_offered_the_next_time_and_no_password_is_kept(desk):
    dialog = ask_obs(desk)
    dialog.password.setText("correct horse")
    dialog.port_found.emit(4460)
    dialog.reject()
    desk.qtbot.waitUntil(lambda: desk.window.findChild(ObsDialog) is None)
    desk.keeper.save_now()
    assert "correct horse" not in desk.paths.config_file.read_text()
    dialog = ask_obs(desk)
    assert (dialog.port.value(), dialog.password.text()) == (4460, "")
    dialog.reject()


def test_browser_when_its_port_was_taken_then_the_one_that_is_used_is_kept(desk, notices):
    status = BrowserStatus(BrowserState.RUNNING, "http://127.0.0.1:18751/", 18751, 0, 0, 25.0, 0)
    desk.on_air.figures = changed(OFF, browser=status)
    desk.window.refresh_figures()
    desk.keeper.save_now()
    assert store.load(desk.paths, notices).browser_port == 18751


def test_voice_when_turned_on_while_obs_delays_then_a_notice_says_so_until_one_of_them_ends(desk):
    dialog = ask_obs(desk)
    dialog.offset_set.emit("Mic/Aux", 138)
    assert desk.notices.current() == ()
    desk.window.change({"voice_output": "Cable, PulseAudio"})
    (notice,) = desk.notices.current()
    assert notice.text == "OBS still delays Mic/Aux by 138 ms, and Voice in sync is on."
    assert "Set back to 0" in notice.what_to_do
    desk.window.change({"voice_output": ""})
    assert desk.notices.current() == ()
    desk.window.change({"voice_output": "Cable, PulseAudio"})
    dialog.offset_set.emit("Mic/Aux", 0)
    assert desk.notices.current() == ()
    dialog.reject()


def test_voice_when_the_notice_was_taken_away_then_it_does_not_come_back(desk):
    dialog = ask_obs(desk)
    desk.window.change({"voice_output": "Cable, PulseAudio"})
    dialog.offset_set.emit("Mic/Aux", 138)
    desk.notices.clear("obs-delay")
    desk.window.change({"fps": 30})
    assert desk.notices.current() == ()
    dialog.reject()


def test_start_and_stop_when_pressed_then_go_on_air_last_and_off_first(desk):
    desk.window.set_running(True)
    assert (desk.pipeline.calls[-1], desk.on_air.calls) == ("start", ["start"])
    desk.window.set_running(False)
    assert desk.on_air.calls == ["start", "stop"]


@pytest.mark.parametrize(("background", "word"), [("checker", ""), ("colour", "colour"), ("picture", "picture")])
@pytest.mark.parametrize(("kind", "keeps_alpha"), [("mp4", False), ("prores", True), ("webm", True)])
@pytest.mark.parametrize("is_browser_on", [True, False])
def test_transparency_when_a_background_takes_it_then_said_where_it_was_wanted(
    make_desk, background, word, kind, keeps_alpha, is_browser_on
):
    wanted = {"background": background, "record_format": kind, "is_browser_on": is_browser_on}
    desk = make_desk(settings=Settings(theme="dark", background_picture="/pictures/room.png", **wanted))
    desk.panel.show_page("on-air")
    group = desk.panel.on_air
    assert group.opaque_page.isVisible() is (bool(word) and is_browser_on)
    assert group.opaque_film.isVisible() is (bool(word) and keeps_alpha)
    assert f"a {word} is behind" in group.opaque_page.text() or not word
    desk.keeper.change({"background": "checker"})
    assert not group.opaque_page.isVisible() and not group.opaque_film.isVisible()
