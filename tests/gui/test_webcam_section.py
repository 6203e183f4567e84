"""Head tracking in the window: the switch, the lamp, the preview, calibration and intensity."""

import threading
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from avatar_app import cli
from avatar_app.contracts.errors import CameraInputError, MissingExtraError
from avatar_app.gui.control.global_keys import COMMANDS
from avatar_app.gui.control.remote import Remote
from avatar_app.gui.panel import webcam_texts as texts
from avatar_app.live.pipeline import OpenDevices
from avatar_app.live.webcam import TrackerState, WebcamState
from avatar_app.settings.schema import Settings
from tests.fakes.webcam_status import LOST, RUNNING
from tests.gui.conftest import press, see, settle

# The platform of the tests has no window manager that could raise a list over the others.
OFFSCREEN_SAYS = pytest.mark.qt_log_ignore("This plugin does not support")
MISSING = MissingExtraError("Head tracking needs the package mediapipe.", "Run `avatar-app webcam setup` once.")


def key(desk):
    desk.qtbot.waitUntil(desk.window.isActiveWindow)
    QTest.keyClick(desk.window, Qt.Key.Key_F4)


def pick(chooser, value):
    number = chooser.findData(value)
    assert number >= 0
    chooser.setCurrentIndex(number)
    chooser.activated.emit(number)


def test_switch_when_clicked_then_webcam_and_lamp_are_on_and_details_appear(desk):
    webcam, lamp = desk.panel.webcam, desk.window.bar.camera
    assert (webcam.switch.value(), webcam.details.isVisible(), lamp.isVisible()) == (False, False, False)
    press(webcam.switch.button(True))
    assert desk.applied.is_following
    assert webcam.details.isVisible() and lamp.isVisible()
    press(webcam.switch.button(False))
    assert not desk.applied.is_following
    assert not webcam.details.isVisible() and not lamp.isVisible()


def test_lamp_when_clicked_then_the_webcam_is_off(make_following):
    desk = make_following()
    assert "F4" in desk.window.bar.camera.toolTip()
    press(desk.window.bar.camera)
    assert not desk.applied.is_following
    assert not desk.window.bar.camera.isVisible()
    assert desk.webcam.switch.value() is False


def test_lamp_when_the_webcam_is_still_open_then_lit_and_a_click_never_turns_one_on(make_following):
    desk = make_following()
    lamp = desk.window.bar.camera
    key(desk)
    assert not lamp.isVisible()
    desk.pipeline.devices = OpenDevices(has_mic=True, has_webcam=True)
    desk.window.refresh_status()
    assert lamp.isVisible()
    press(lamp)
    assert not desk.keeper.settings.is_following
    desk.pipeline.devices = OpenDevices(has_mic=True, has_webcam=False)
    desk.window.refresh_status()
    assert not lamp.isVisible()


def test_key_when_pressed_then_turns_the_webcam_off_and_on_again(make_following):
    desk = make_following()
    key(desk)
    assert not desk.keeper.settings.is_following
    key(desk)
    assert desk.keeper.settings.is_following and desk.window.bar.camera.isVisible()


def test_global_key_when_listed_then_has_the_number_of_the_local_key():
    assert COMMANDS[4] == "follow"
    assert "follow" in Remote().actions()


@pytest.mark.parametrize("on", [lambda desk: press(desk.panel.webcam.switch.button(True)), lambda desk: key(desk)])
def test_switch_when_the_tracker_is_missing_then_stays_off_and_names_the_command(make_desk, on):
    desk = make_desk()
    desk.missing = MISSING
    on(desk)
    assert not desk.keeper.settings.is_following
    assert desk.panel.webcam.switch.value() is False
    assert desk.panel.webcam.status.text() == texts.TRACKER_MISSING
    assert [notice.what_to_do for notice in desk.notices.current()] == [MISSING.what_to_do]
    desk.missing = None
    press(desk.panel.webcam.switch.button(True))
    assert desk.keeper.settings.is_following
    assert desk.notices.current() == ()


def test_fetch_when_clicked_then_counts_seconds_and_enables_head_tracking(make_desk):
    desk = make_desk()
    webcam = desk.panel.webcam
    assert not webcam.fetch.isVisible()
    desk.missing = MISSING
    press(webcam.switch.button(True))
    assert webcam.fetch.isVisible()
    may_end = threading.Event()

    n_fetched = []

    def come():
        n_fetched.append(1)
        may_end.wait(20)
        desk.missing = None

    desk.fetching = come
    press(webcam.fetch)
    assert webcam.fetch.text() == f"{texts.FETCHING} … 0 s"
    press(webcam.fetch)
    may_end.set()
    desk.qtbot.waitUntil(lambda: webcam.status.text() == texts.FETCHED)
    assert not webcam.fetch.isVisible() and desk.notices.current() == () and n_fetched == [1]
    # That the camera looks is for the user to say.
    assert not desk.keeper.settings.is_following
    press(webcam.switch.button(True))
    assert desk.keeper.settings.is_following


def test_fetch_when_it_fails_then_reports_why_and_can_be_retried(make_desk):
    desk = make_desk()
    webcam = desk.panel.webcam
    desk.missing = MISSING
    press(webcam.switch.button(True))

    def fail():
        raise CameraInputError("mediapipe could not be installed: no network.", "Try again.")

    desk.fetching = fail
    press(webcam.fetch)
    desk.qtbot.waitUntil(lambda: "no network" in webcam.status.text())
    assert webcam.status.property("state") == "bad"
    assert webcam.fetch.isVisible() and webcam.fetch.text() == texts.FETCH


def test_switch_when_settings_are_on_but_the_tracker_is_missing_then_the_lamp_is_off(make_following):
    desk = make_following()
    desk.pipeline.devices = OpenDevices(has_mic=False, has_webcam=False)
    desk.missing = MISSING
    desk.window.panel.show_page("output")
    desk.window.panel.show_page("avatar")
    desk.window.show_settings(desk.keeper.settings)
    assert not desk.window.bar.camera.isVisible()
    assert desk.webcam.switch.value() is False
    assert desk.webcam.status.text() == texts.TRACKER_MISSING


def test_switch_when_the_live_path_refuses_then_switch_and_lamp_are_off(make_desk):
    desk = make_desk(refuse={"is_following": True})
    press(desk.panel.webcam.switch.button(True))
    desk.notices.post(replace(desk.notices.current()[-1], key="follow"))
    desk.window.refresh_status()
    assert not desk.keeper.settings.is_following
    assert not desk.window.bar.camera.isVisible()
    assert "follow" in [notice.key for notice in desk.notices.current()]


def test_cameras_when_found_then_chosen_by_name_and_listed_on_another_thread(make_following):
    desk = make_following()
    chooser = desk.webcam.chooser
    desk.webcam._cameras._thread.join()
    desk.webcam.poll()
    texts = [chooser.itemText(k) for k in range(chooser.count())]
    assert texts == ["First webcam", "Alpha Cam", "Beta Cam", "Video file …"]
    pick(chooser, "Beta Cam")
    assert desk.applied.webcam == "Beta Cam"
    assert desk.webcam._cameras._thread.name == "camera-list"


@OFFSCREEN_SAYS
def test_cameras_when_the_list_is_opened_then_is_refreshed_and_the_choice_stays(make_following):
    desk = make_following(webcam="Gone Cam")
    desk.webcam._cameras._thread.join()
    desk.webcam.poll()
    assert desk.webcam.chooser.currentText() == "Gone Cam (not connected)"
    desk.cameras = (*desk.cameras, type(desk.cameras[0])("Gone Cam", "Gone Cam"))
    desk.webcam.chooser.showPopup()
    desk.webcam.chooser.hidePopup()
    desk.webcam._cameras._thread.join()
    desk.webcam.poll()
    assert desk.webcam.chooser.currentText() == "Gone Cam"
    assert desk.keeper.settings.webcam == "Gone Cam"


def test_file_when_chosen_then_replaces_the_webcam_and_is_listed(make_following):
    desk = make_following()
    pick(desk.webcam.chooser, "ask-file")
    assert desk.keeper.settings.webcam == ""
    desk.answers.video = "/videos/me.mp4"
    pick(desk.webcam.chooser, "ask-file")
    assert desk.applied.webcam == "file:/videos/me.mp4"
    assert desk.webcam.chooser.currentText() == "me.mp4"


@pytest.mark.parametrize(
    ("figures", "status", "face", "caption"),
    [
        (RUNNING, "Alpha Cam\n640 x 480, 30 fps, 12 ms", texts.FACE, ""),
        (replace(RUNNING, has_face=False), "Alpha Cam", texts.NO_FACE, ""),
        (replace(RUNNING, tracker=TrackerState.LOST), "Alpha Cam", texts.TRACKER_LOST, ""),
        (replace(RUNNING, latency_p50_ms=float("nan")), "Alpha Cam\n640 x 480, 30 fps", "Face", ""),
        (replace(RUNNING, camera=WebcamState.STARTING), texts.OPENING, "", texts.OPENING),
        (replace(RUNNING, device="Alpha Cam " * 20), "Alpha Cam Alpha Cam", texts.FACE, ""),
        (replace(LOST, problem="There is no camera 'Alpha'. " * 9), "There is no", "", texts.LOST),
        (LOST, LOST.problem, "", texts.LOST),
        (None, texts.OPENING, "", texts.OPENING),
    ],
)
def test_status_when_it_changes_then_the_text_changes_and_nothing_moves(make_following, figures, status, face, caption):
    desk = make_following()
    settle()
    places = desk.webcam.preview.y(), desk.webcam.status.height(), desk.webcam.height()
    desk.pipeline.webcam_status = figures
    see(desk)
    settle()
    assert desk.webcam.status.text().startswith(status)
    assert desk.webcam.face.text().startswith(face) and bool(desk.webcam.face.text()) == bool(face)
    assert desk.webcam.preview.caption.startswith(caption)
    assert (desk.webcam.preview.image is None) == bool(caption)
    assert (desk.webcam.preview.y(), desk.webcam.status.height(), desk.webcam.height()) == places


def test_status_when_the_avatar_is_stopped_then_the_webcam_starts_later(make_following):
    desk = make_following(figures=None)
    desk.commands.set_running(False)
    assert desk.webcam.status.text() == texts.STARTS_LATER
    assert not desk.webcam.calibrate.isEnabled()


def test_status_when_too_long_then_has_an_ellipsis_and_a_full_tooltip(make_following):
    desk = make_following(figures=replace(LOST, problem="There is no camera 'Alpha'. " * 9))
    assert desk.webcam.status.text().endswith("…")
    assert desk.webcam.status.toolTip() == desk.pipeline.webcam_status.problem


@pytest.mark.parametrize(
    ("field", "percent", "value"),
    [
        ("follow_head", 150, 1.5), ("follow_gaze", 0, 0.0), ("follow_blinks", 200, 2.0), ("follow_brows", 85, 0.85),
        ("idle_share", 100, 1.0),
    ],
)  # fmt: skip
def test_slider_when_moved_then_is_applied_within_the_range_of_the_setting(make_following, field, percent, value):
    desk = make_following()
    sliders = desk.webcam.sliders
    sliders.sliders[field].setValue(percent)
    assert getattr(desk.applied, field) == value
    assert sliders.values[field].text() == f"{percent} %"
    sliders.sliders[field].setValue(1000)
    assert getattr(desk.applied, field) == (1.0 if field == "idle_share" else 2.0)


def test_settings_when_shown_then_emit_no_change(make_following):
    desk = make_following()
    n_applied = len(desk.pipeline.applied)
    desk.panel.show_settings(Settings(is_following=True, follow_head=0.3, is_mirrored=False, webcam="Beta Cam"))
    assert len(desk.pipeline.applied) == n_applied
    assert desk.webcam.sliders.sliders["follow_head"].value() == 30


def test_remote_when_follow_is_inverted_then_head_tracking_is_off(make_following):
    desk = make_following()
    remote = Remote()
    remote.attach(desk.commands)
    desk.window.refresh_status()
    assert remote.state()["following"] is True
    remote.actions()["follow"].call(None)
    desk.qtbot.waitUntil(lambda: not desk.keeper.settings.is_following)


@pytest.mark.parametrize(
    ("words", "is_following", "webcam"),
    [
        ((), False, "Own Cam"),
        (("--camera", "Alpha Cam"), True, "Alpha Cam"),
        (("--camera", "file:me.mp4"), True, "file:me.mp4"),
        (("--camera", "off"), False, "Own Cam"),
    ],
)
def test_flag_when_given_then_applies_to_this_start_only(tmp_path, words, is_following, webcam):
    (tmp_path / "settings.json").write_text('{"version": 1, "webcam": "Own Cam"}')
    arguments = cli.build_parser().parse_args(["--profile-dir", str(tmp_path), *words])
    saved, settings, _ = cli._settings(arguments, cli.NoticeBoard())
    assert (settings.is_following, settings.webcam) == (is_following, webcam)
    assert (saved.is_following, saved.webcam) == (False, "Own Cam")
