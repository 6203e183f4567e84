"""The Output page: sections of the sinks, recording and OBS."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QPushButton

from avatar_app.gui.control import panic
from avatar_app.gui.obs.dialog import ObsDialog
from avatar_app.gui.panel import browser_section
from avatar_app.gui.panel.sink_section import SinkSection
from avatar_app.gui.panel.sink_sections import SECTIONS
from avatar_app.gui.widgets.rows import Chooser, Section
from avatar_app.gui.widgets.segments import Choice, Segments
from avatar_app.live.browser import BrowserState, BrowserStatus
from avatar_app.live.camera import CameraState, CameraStatus
from avatar_app.live.record import RecordState, RecordStatus
from avatar_app.live.voice import NO_VOICE, VoiceState
from avatar_app.settings import store
from avatar_app.settings.schema import Settings
from tests.fakes.pipeline import FakeMicStatus, running_status
from tests.fakes.sinks import OFF, changed
from tests.gui.conftest import press, settle

# The offscreen platform has no window manager that takes size hints.
OFFSCREEN_SAYS = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


@pytest.fixture
def desk(make_desk):
    desk = make_desk()
    desk.panel.show_page("output")
    return desk


def key(desk, which):
    QTest.keyClick(desk.window, which)


@pytest.mark.parametrize(
    ("find", "value", "changes"),
    [
        (lambda desk: desk.camera.switch, "meeting", {"is_camera_on": True, "camera_size": "meeting"}),
        (lambda desk: desk.camera.switch, "square-720", {"is_camera_on": True, "camera_size": "square-720"}),
        (lambda desk: desk.browser.switch, True, {"is_browser_on": True}),
        (lambda desk: desk.recording.format, "webm", {"record_format": "webm"}),
        (lambda desk: desk.panel.badge.switch, True, {"has_badge": True}),
        (lambda desk: desk.panel.cleaning.noise, "strong", {"noise_suppression": "strong"}),
    ],
)
def test_switch_when_clicked_then_its_setting_is_applied_to_the_sinks(desk, find, value, changes):
    segments = find(desk)
    press(segments.button(value))
    assert all(getattr(desk.sinks.applied[-1], name) == wanted for name, wanted in changes.items())
    assert segments.value() == value


def test_camera_when_turned_off_again_then_its_size_is_kept(desk):
    press(desk.camera.switch.button("square-720"))
    press(desk.camera.switch.button("off"))
    assert (desk.keeper.settings.is_camera_on, desk.keeper.settings.camera_size) == (False, "square-720")


def test_voice_when_an_output_is_chosen_then_it_is_used_and_none_by_default(desk):
    chooser = desk.voice.output
    assert (chooser.value(), desk.keeper.settings.voice_output) == ("", "")
    number = chooser.findData("Cable, PulseAudio")
    chooser.setCurrentIndex(number)
    chooser.activated.emit(number)
    assert desk.keeper.settings.voice_output == "Cable, PulseAudio"


def test_folder_when_chosen_then_recordings_go_there(desk):
    desk.answers.folder = "/videos/show"
    press(desk.recording.folder)
    assert desk.keeper.settings.record_folder == "/videos/show"
    assert desk.recording.folder.text() == "Folder: show"


def test_copy_when_clicked_then_the_url_with_its_token_is_in_the_clipboard_and_never_visible(desk):
    status = BrowserStatus(BrowserState.RUNNING, "http://127.0.0.1:18750/", 18750, 2, 0, 25.0, 0)
    desk.sinks.sinks_status = changed(OFF, browser=status)
    desk.window.refresh_status()
    section = desk.browser
    assert section.status.text() == "2 viewers"
    press(section.copy)
    assert QGuiApplication.clipboard().text() == desk.sinks.page_url
    labels = [*desk.panel.findChildren(QLabel), *desk.panel.findChildren(QPushButton)]
    assert not any("secret" in label.text() or "127.0.0.1" in label.text() for label in labels)
    assert section.copy.text() == browser_section.COPIED
    section._copied.timeout.emit()
    assert section.copy.text() == browser_section.COPY


@pytest.mark.parametrize(("n_viewers", "text"), [(0, "No viewers"), (1, "1 viewer"), (3, "3 viewers")])
def test_browser_when_on_then_shows_the_number_of_viewers(n_viewers, text):
    status = BrowserStatus(BrowserState.RUNNING, "http://127.0.0.1:18750/", 18750, n_viewers, 0, 25.0, 0)
    assert browser_section.status_text(status) == text


RUNNING = replace(NO_VOICE, state=VoiceState.RUNNING, delay_ms=123.4, drift_ppm=-12.3)
LOST = replace(NO_VOICE, state=VoiceState.LOST)


@pytest.mark.parametrize(
    ("voice", "has_mic", "text"),
    [
        (NO_VOICE, True, ""),
        (RUNNING, True, "123 ms delay"),
        (RUNNING, False, "Waiting for the microphone"),
        (LOST, True, "Output not connected"),
        (replace(LOST, is_feedback=True), True, "Off: feedback with the mic"),
    ],
)
def test_voice_when_in_a_state_then_the_text_names_it(desk, voice, has_mic, text):
    desk.pipeline.live_status = running_status(**({} if has_mic else {"mic": FakeMicStatus("Gone Mic")}))
    desk.sinks.sinks_status = changed(OFF, voice=voice)
    desk.window.refresh_status()
    assert desk.voice.status.text() == text
    has_drift = text == "123 ms delay"
    assert ("clock drift -12 ppm" in desk.voice.status.toolTip()) is has_drift


def places(desk):
    kinds = (Segments, Chooser, QPushButton)
    return [
        part.mapTo(desk.panel, part.rect().topLeft()).y() for kind in kinds for part in desk.panel.findChildren(kind)
    ]


@pytest.mark.parametrize("page", ["avatar", "output"])
def test_panel_when_states_change_then_nothing_moves(desk, page):
    desk.panel.show_page(page)
    settle()
    before = places(desk)
    camera = CameraStatus(
        CameraState.RUNNING, "v4l2loopback", "/dev/video10 or another name that is far too long", (1280, 720), 30, 29.9,
        0, 0, 0, 0, False, False, 0.0, 0.0, 0.0, "",
    )  # fmt: skip
    status = BrowserStatus(BrowserState.RUNNING, "http://127.0.0.1:18750/", 18750, 2, 0, 25.0, 0)
    desk.sinks.sinks_status = changed(OFF, camera=camera, browser=status, voice=RUNNING)
    desk.pipeline.live_status = running_status(mic=FakeMicStatus("A microphone of a very long name " * 3, 48_000, 2))
    desk.keeper.change({"has_global_keys": True, "is_browser_on": True, "is_camera_on": True})
    desk.window.refresh_status()
    settle()
    assert places(desk) == before


def test_record_when_its_key_is_pressed_then_starts_and_shows_the_time_until_clicked(desk):
    key(desk, Qt.Key.Key_F9)
    assert desk.sinks.is_recording
    assert (desk.window.bar.record.text(), desk.window.bar.record.isChecked()) == ("1:05", True)
    press(desk.window.bar.record)
    assert not desk.sinks.is_recording
    assert (desk.window.bar.record.text(), desk.window.bar.record.isChecked()) == ("Record", False)


def test_record_when_a_long_recording_is_being_saved_then_shows_progress_and_can_start_the_next(desk):
    status = RecordStatus(RecordState.SAVING, seconds=3600.0, saved_share=0.42)
    desk.sinks.sinks_status = changed(desk.sinks.sinks_status, record=status)
    desk.window.refresh_status()
    assert (desk.window.bar.record.text(), desk.window.bar.record.isChecked()) == ("Saving 42%", False)
    desk.sinks.sinks_status = changed(desk.sinks.sinks_status, record=replace(status, state=RecordState.SAVED))
    desk.window.refresh_status()
    assert desk.window.bar.record.text() == "Record"
    desk.sinks.sinks_status = changed(desk.sinks.sinks_status, record=status)
    desk.window.refresh_status()
    press(desk.window.bar.record)
    assert desk.sinks.is_recording
    assert (desk.window.bar.record.text(), desk.window.bar.record.isChecked()) == ("1:05", True)


def test_record_when_it_cannot_start_then_a_notice_reports_why(desk):
    desk.sinks.is_full = True
    press(desk.window.bar.record)
    assert not desk.window.bar.record.isChecked()
    assert desk.notices.current()[-1].text == "The disk is full."


def test_snapshot_when_its_key_is_pressed_then_requested_and_a_failure_is_reported(desk):
    key(desk, Qt.Key.Key_F10)
    assert desk.sinks.calls[-1] == "snapshot"
    desk.sinks.is_full = True
    key(desk, Qt.Key.Key_F10)
    assert desk.notices.current()[-1].text == "The disk is full."


def test_hide_and_panic_when_their_keys_are_pressed_then_the_avatar_hides_and_the_mic_is_muted(desk):
    key(desk, Qt.Key.Key_F7)
    assert desk.pipeline.calls[-1] == "hide" and desk.commands.is_hidden
    key(desk, Qt.Key.Key_F7)
    assert desk.pipeline.calls[-1] == "show"
    key(desk, Qt.Key.Key_F8)
    key(desk, Qt.Key.Key_F8)
    assert desk.keeper.settings.is_muted
    key(desk, Qt.Key.Key_F5)
    assert desk.pipeline.calls[-1] == "refresh_mic"


@pytest.mark.parametrize(("has_global_keys", "other"), [(False, ""), (True, " or Ctrl+Shift+F6")])
def test_panic_when_pressed_then_explains_how_to_unmute_and_never_unmutes(make_desk, has_global_keys, other):
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
    desk.window.refresh_status()
    assert not desk.keeper.settings.is_muted
    assert [card.notice.text for card in desk.window.notices.cards] == [panic.UNMUTED]


def test_mute_when_there_was_no_panic_then_posts_no_notice(desk):
    press(desk.window.bar.mute)
    press(desk.window.bar.mute)
    assert desk.notices.current() == ()


def ask_obs(desk):
    press(desk.voice.obs)
    return desk.window.findChild(ObsDialog)


def test_obs_dialog_when_opened_then_offers_the_delay_of_voice_in_sync(desk):
    dialog = ask_obs(desk)
    assert (dialog.delay.value(), dialog.double.isVisible()) == (138, False)
    dialog.reject()
    desk.qtbot.waitUntil(lambda: desk.window.findChild(ObsDialog) is None)


@OFFSCREEN_SAYS
def test_obs_dialog_when_opened_while_voice_in_sync_is_on_then_can_turn_it_off(desk):
    desk.commands.change({"voice_output": "Cable, PulseAudio"})
    dialog = ask_obs(desk)
    assert dialog.double.isVisible()
    press(dialog.voice_off)
    assert desk.keeper.settings.voice_output == ""
    dialog.reject()


def test_obs_dialog_when_obs_answered_on_another_port_then_remembers_it_and_no_password(desk):
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


def test_browser_when_its_port_was_in_use_then_the_other_port_is_saved(desk, notices):
    status = BrowserStatus(BrowserState.RUNNING, "http://127.0.0.1:18751/", 18751, 0, 0, 25.0, 0)
    desk.sinks.sinks_status = changed(OFF, browser=status)
    desk.window.refresh_status()
    desk.keeper.save_now()
    assert store.load(desk.paths, notices).browser_port == 18751


def test_voice_when_turned_on_while_obs_delays_then_a_notice_warns_until_one_of_them_ends(desk):
    dialog = ask_obs(desk)
    dialog.offset_set.emit("Mic/Aux", 138)
    assert desk.notices.current() == ()
    desk.commands.change({"voice_output": "Cable, PulseAudio"})
    (notice,) = desk.notices.current()
    assert notice.text == "OBS still delays Mic/Aux by 138 ms, and Voice in sync is on."
    assert "Reset to 0" in notice.what_to_do
    desk.commands.change({"voice_output": ""})
    assert desk.notices.current() == ()
    desk.commands.change({"voice_output": "Cable, PulseAudio"})
    dialog.offset_set.emit("Mic/Aux", 0)
    assert desk.notices.current() == ()
    dialog.reject()


def test_voice_when_the_warning_was_dismissed_then_it_does_not_return(desk):
    dialog = ask_obs(desk)
    desk.commands.change({"voice_output": "Cable, PulseAudio"})
    dialog.offset_set.emit("Mic/Aux", 138)
    desk.notices.clear("obs-delay")
    desk.commands.change({"fps": 30})
    assert desk.notices.current() == ()
    dialog.reject()


def test_start_and_stop_when_pressed_then_sinks_start_last_and_stop_first(desk):
    desk.commands.set_running(True)
    assert (desk.pipeline.calls[-1], desk.sinks.calls) == ("start", ["start"])
    desk.commands.set_running(False)
    assert desk.sinks.calls == ["start", "stop"]


@pytest.mark.parametrize(("background", "word"), [("checker", ""), ("colour", "colour"), ("picture", "picture")])
@pytest.mark.parametrize(("kind", "keeps_alpha"), [("mp4", False), ("prores", True), ("webm", True)])
@pytest.mark.parametrize("is_browser_on", [True, False])
def test_transparency_when_the_background_covers_it_then_warned_where_it_was_wanted(
    make_desk, background, word, kind, keeps_alpha, is_browser_on
):
    wanted = {"background": background, "record_format": kind, "is_browser_on": is_browser_on}
    desk = make_desk(settings=Settings(theme="dark", background_picture="/pictures/room.png", **wanted))
    desk.panel.show_page("output")
    assert desk.browser.warning.isVisible() is (bool(word) and is_browser_on)
    assert desk.recording.warning.isVisible() is (bool(word) and keeps_alpha)
    assert f"is a {word}" in desk.browser.warning.text() or not word
    desk.keeper.change({"background": "checker"})
    assert not desk.browser.warning.isVisible() and not desk.recording.warning.isVisible()


class ToySection(SinkSection):
    """The section of a sink that the program does not know."""

    def __init__(self, services):
        super().__init__()
        self.services = services
        self.shown, self.statuses, self.n_refreshed = [], [], 0
        self.switch = Segments("Toy", (Choice("meeting", "Meeting"), Choice("square-720", "Square")))
        self._add(Section("To&y", self.switch))
        self.switch.chosen.connect(lambda value: self.changed.emit({"camera_size": value}))

    def show_settings(self, settings):
        self.shown.append(settings)

    def show_status(self, status, *, has_mic):
        self.statuses.append((status.by_name.get("toy"), has_mic))

    def refresh(self):
        self.n_refreshed += 1


def test_section_when_a_new_sink_lists_one_then_the_page_shows_it_and_keeps_it_up_to_date(make_desk):
    desk = make_desk(sections=(*SECTIONS, ToySection))
    desk.panel.show_page("output")
    settle()
    toy = desk.panel.sink(ToySection)
    assert toy.isVisible() and toy.shown[-1] == desk.keeper.settings
    press(toy.switch.button("square-720"))
    assert desk.sinks.applied[-1].camera_size == "square-720" and toy.shown[-1].camera_size == "square-720"
    desk.pipeline.live_status = running_status()
    desk.sinks.sinks_status = changed(OFF, toy="busy")
    desk.window.refresh_status()
    assert toy.statuses[-1] == ("busy", True)
    desk.panel.refresh_devices()
    assert toy.n_refreshed == 1


def test_section_when_the_panel_has_none_of_a_kind_then_lookup_error(desk):
    with pytest.raises(LookupError, match="ToySection"):
        desk.panel.sink(ToySection)
