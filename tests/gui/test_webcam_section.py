"""Head tracking in the window: the switch, the lamp, the preview, calibration and intensity."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from avatar_app import cli
from avatar_app.contracts.errors import CameraInputError, MissingExtraError
from avatar_app.gui.control.global_keys import COMMANDS
from avatar_app.gui.control.remote import Remote
from avatar_app.gui.panel import webcam_section
from avatar_app.gui.panel import webcam_texts as texts
from avatar_app.live.pipeline import OpenDevices
from avatar_app.live.webcam import Preview, TrackerState, WebcamState, WebcamStatus
from avatar_app.live.webcam.picture_source import CameraFrame
from avatar_app.settings.schema import Settings
from tests.gui.conftest import settle

# The platform of the tests has no window manager that could raise a list over the others.
OFFSCREEN_SAYS = pytest.mark.qt_log_ignore("This plugin does not support")
MISSING = MissingExtraError("Head tracking needs the package mediapipe.", "Run `avatar-app webcam setup` once.")
RUNNING = WebcamStatus(
    camera=WebcamState.RUNNING, tracker=TrackerState.RUNNING, device="Alpha Cam", size=(640, 480), fps=29.8,
    fps_tracked=29.8, has_face=True, latency_p50_ms=12.4, latency_p95_ms=17.0, n_unread=0, n_restarts=0,
    calibration_ratio=None, problem="",
)  # fmt: skip
LOST = replace(RUNNING, camera=WebcamState.LOST, problem="The camera Alpha Cam gives no more pictures.")


def picture(t_capture_ns=1, points=((40.0, 30.0),), width_px=640):
    """Red on the left half, blue on the right one."""
    pixels = np.zeros((480, width_px, 3), np.uint8)
    pixels[:, : width_px // 2, 2] = pixels[:, width_px // 2 :, 0] = 200
    pixels.flags.writeable = False
    return Preview(CameraFrame(t_capture_ns, 0, pixels), np.array(points, np.float32) if points else None)


@pytest.fixture
def make_following(make_desk):
    def make(figures=RUNNING, preview=None, **settings):
        desk = make_desk(settings=Settings(theme="dark", is_following=True, **settings))
        desk.pipeline.webcam_status, desk.pipeline.preview = figures, preview or picture()
        desk.commands.set_running(True)
        desk.webcam = desk.panel.webcam
        # Looks are asked for by the test.
        desk.webcam._poll.stop()
        see(desk)
        return desk

    return make


def see(desk):
    """As many looks as it takes until the status is asked for again."""
    for _ in range(webcam_section.N_POLLS_PER_STATUS):
        desk.panel.webcam.poll()


def press(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def key(desk):
    desk.qtbot.waitUntil(desk.window.isActiveWindow)
    QTest.keyClick(desk.window, Qt.Key.Key_F4)


def pick(chooser, value):
    number = chooser.findData(value)
    assert number >= 0
    chooser.setCurrentIndex(number)
    chooser.activated.emit(number)


def colour_at(preview, x_ratio):
    image = preview.grab().toImage()
    return image.pixelColor(round(image.width() * x_ratio), image.height() // 4)


def test_switch_when_pressed_then_the_camera_is_on_the_lamp_is_lit_and_the_rest_unfolds(desk):
    webcam, lamp = desk.panel.webcam, desk.window.bar.camera
    assert (webcam.switch.value(), webcam.details.isVisible(), lamp.isVisible()) == (False, False, False)
    press(webcam.switch.button(True))
    assert desk.applied.is_following
    assert webcam.details.isVisible() and lamp.isVisible()
    press(webcam.switch.button(False))
    assert not desk.applied.is_following
    assert not webcam.details.isVisible() and not lamp.isVisible()


def test_lamp_when_pressed_then_the_camera_is_cut(make_following):
    desk = make_following()
    assert "F4" in desk.window.bar.camera.toolTip()
    press(desk.window.bar.camera)
    assert not desk.applied.is_following
    assert not desk.window.bar.camera.isVisible()
    assert desk.webcam.switch.value() is False


def test_lamp_when_the_camera_is_still_open_though_cut_then_lit_and_pressing_it_never_turns_one_on(make_following):
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


def test_key_when_pressed_then_cuts_the_camera_and_turns_it_on_again(make_following):
    desk = make_following()
    key(desk)
    assert not desk.keeper.settings.is_following
    key(desk)
    assert desk.keeper.settings.is_following and desk.window.bar.camera.isVisible()


def test_global_key_when_pressed_then_is_the_same_number_and_no_other_command_has_it():
    assert COMMANDS[4] == "follow"
    assert "follow" in Remote().actions()


@pytest.mark.parametrize("on", [lambda desk: press(desk.panel.webcam.switch.button(True)), lambda desk: key(desk)])
def test_switch_when_the_tracker_is_missing_then_stays_off_and_says_the_command(make_desk, on):
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


def test_fetch_when_pressed_then_counts_and_then_her_head_can_follow(make_desk):
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


def test_fetch_when_it_fails_then_says_why_and_can_be_tried_again(make_desk):
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


def test_switch_when_settings_say_on_but_the_tracker_is_missing_then_no_lamp_claims_a_camera(make_following):
    desk = make_following()
    desk.pipeline.devices = OpenDevices(has_mic=False, has_webcam=False)
    desk.missing = MISSING
    desk.window.panel.show_page("output")
    desk.window.panel.show_page("avatar")
    desk.window.show_settings(desk.keeper.settings)
    assert not desk.window.bar.camera.isVisible()
    assert desk.webcam.switch.value() is False
    assert desk.webcam.status.text() == texts.TRACKER_MISSING


def test_switch_when_the_live_path_refuses_then_goes_back_and_the_lamp_with_it(make_desk):
    desk = make_desk(refuse={"is_following": True})
    press(desk.panel.webcam.switch.button(True))
    desk.notices.post(replace(desk.notices.current()[-1], key="follow"))
    desk.window.refresh_status()
    assert not desk.keeper.settings.is_following
    assert not desk.window.bar.camera.isVisible()
    assert "follow" in [notice.key for notice in desk.notices.current()]


def test_cameras_when_found_then_chosen_by_name_and_never_asked_for_on_the_windows_thread(make_following):
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
def test_cameras_when_the_list_is_opened_then_a_new_one_is_in_it_and_the_choice_stays(make_following):
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


def test_file_when_chosen_then_plays_the_camera_and_is_named(make_following):
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
def test_status_when_it_changes_then_says_so_and_nothing_jumps(make_following, figures, status, face, caption):
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


def test_status_when_the_avatar_is_stopped_then_the_camera_waits_for_it(make_following):
    desk = make_following(figures=None)
    desk.commands.set_running(False)
    assert desk.webcam.status.text() == texts.STARTS_LATER
    assert not desk.webcam.calibrate.isEnabled()


def test_status_when_too_long_then_ends_with_an_ellipsis_and_is_whole_in_the_tool_tip(make_following):
    desk = make_following(figures=replace(LOST, problem="There is no camera 'Alpha'. " * 9))
    assert desk.webcam.status.text().endswith("…")
    assert desk.webcam.status.toolTip() == desk.pipeline.webcam_status.problem


def test_preview_when_mirrored_then_shows_the_user_as_a_mirror_does(make_following):
    desk = make_following(is_mirrored=True)
    assert desk.webcam.preview.n_points == 1
    assert colour_at(desk.webcam.preview, 0.7).red() > 150 > colour_at(desk.webcam.preview, 0.7).blue()
    press(desk.webcam.mirror.button(False))
    assert desk.applied.is_mirrored is False
    assert colour_at(desk.webcam.preview, 0.7).blue() > 150 > colour_at(desk.webcam.preview, 0.7).red()


def test_preview_when_points_are_found_then_they_lie_on_the_picture(make_following):
    grey = Preview(CameraFrame(1, 0, np.zeros((480, 640, 3), np.uint8)), np.array([(160.0, 240.0)], np.float32))
    desk = make_following(preview=grey, is_mirrored=False)
    preview = desk.webcam.preview
    image = preview.grab().toImage()
    left_px = (preview.width() - preview.height() * 4 / 3) / 2
    x_px, y_px = round(left_px + preview.height() / 3), preview.height() // 2
    near = [image.pixelColor(x_px + i, y_px + j).lightness() for i in (-1, 0, 1) for j in (-1, 0, 1)]
    assert max(near) > 40
    assert image.pixelColor(x_px + 12, y_px).lightness() == 0


def test_preview_when_out_of_sight_or_cut_then_no_picture_is_asked_for_or_kept(make_following):
    desk = make_following()
    assert desk.webcam.preview.image is not None
    desk.panel.show_page("output")
    assert desk.webcam.preview.image is None
    assert not desk.webcam._poll.isActive()
    desk.panel.show_page("avatar")
    see(desk)
    assert desk.webcam.preview.image is not None
    n_asked = desk.pipeline.n_previews
    desk.webcam.turn(False)
    see(desk)
    assert desk.webcam.preview.image is None
    assert desk.pipeline.n_previews == n_asked


def test_preview_when_scrolled_away_then_no_picture_is_asked_for(make_following):
    desk = make_following()
    desk.window.resize(1280, 560)
    scroll = desk.panel._stack.currentWidget().verticalScrollBar()
    desk.qtbot.waitUntil(lambda: scroll.maximum() > 600)
    scroll.setValue(scroll.maximum())
    desk.qtbot.waitUntil(lambda: desk.webcam.preview.visibleRegion().isEmpty())
    n_asked = desk.pipeline.n_previews
    desk.webcam.poll()
    assert desk.pipeline.n_previews == n_asked


def test_preview_when_the_same_picture_is_given_again_then_is_not_made_anew_and_at_most_15_a_second(make_following):
    desk = make_following()
    image = desk.webcam.preview.image
    desk.webcam.poll()
    assert desk.webcam.preview.image is image
    desk.pipeline.preview = picture(t_capture_ns=2)
    desk.webcam.poll()
    assert desk.webcam.preview.image is not image
    assert desk.webcam._poll.interval() >= 1000 / 15


def test_preview_when_shown_then_owns_a_small_copy(make_following):
    given = picture(width_px=641)
    image = make_following(preview=given).webcam.preview.image
    assert image.width() <= 288 and image.height() <= 162
    assert np.shares_memory(np.asarray(image.constBits()), given.frame.pixels) is False


def test_calibrate_when_pressed_then_shows_how_long_to_hold_still_and_that_it_was_learned(make_following):
    desk = make_following()
    button = desk.webcam.calibrate
    press(button)
    assert desk.pipeline.calls[-1] == "calibrate_webcam"
    for ratio, text in ((0.0, "… 3"), (0.5, "… 2"), (0.9, "… 1")):
        desk.pipeline.webcam_status = replace(RUNNING, calibration_ratio=ratio)
        see(desk)
        assert button.ratio == ratio and button.text().endswith(text)
    desk.pipeline.webcam_status = replace(RUNNING, calibration_ratio=0.9, has_face=False)
    see(desk)
    assert button.text() == "No face in view …"
    desk.pipeline.webcam_status = RUNNING
    see(desk)
    assert (button.ratio, button.text()) == (None, texts.CALIBRATED)
    desk.webcam.calibrate._confirmed.stop()
    see(desk)
    assert button.text() == texts.CALIBRATE


def test_calibrate_when_it_goes_on_then_the_bar_grows(make_following):
    desk = make_following(figures=replace(RUNNING, calibration_ratio=0.5))
    image = desk.webcam.calibrate.grab().toImage()
    done, open_ = (image.pixelColor(round(image.width() * x), image.height() - 3) for x in (0.3, 0.7))
    assert done.blue() > open_.blue() + 60


@pytest.mark.parametrize(
    ("field", "percent", "value"),
    [
        ("follow_head", 150, 1.5), ("follow_gaze", 0, 0.0), ("follow_blinks", 200, 2.0), ("follow_brows", 85, 0.85),
        ("idle_share", 100, 1.0),
    ],
)  # fmt: skip
def test_slider_when_moved_then_is_applied_and_ends_where_the_setting_does(make_following, field, percent, value):
    desk = make_following()
    sliders = desk.webcam.sliders
    sliders.sliders[field].setValue(percent)
    assert getattr(desk.applied, field) == value
    assert sliders.values[field].text() == f"{percent} %"
    sliders.sliders[field].setValue(1000)
    assert getattr(desk.applied, field) == (1.0 if field == "idle_share" else 2.0)


def test_settings_when_shown_then_tell_of_no_change(make_following):
    desk = make_following()
    n_applied = len(desk.pipeline.applied)
    desk.panel.show_settings(Settings(is_following=True, follow_head=0.3, is_mirrored=False, webcam="Beta Cam"))
    assert len(desk.pipeline.applied) == n_applied
    assert desk.webcam.sliders.sliders["follow_head"].value() == 30


def test_remote_when_asked_to_follow_then_turned_round_and_told(make_following):
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
def test_flag_when_given_then_holds_for_this_start_only(tmp_path, words, is_following, webcam):
    (tmp_path / "settings.json").write_text('{"version": 1, "webcam": "Own Cam"}')
    arguments = cli.build_parser().parse_args(["--profile-dir", str(tmp_path), *words])
    saved, settings, _ = cli._settings(arguments, cli.NoticeBoard())
    assert (settings.is_following, settings.webcam) == (is_following, webcam)
    assert (saved.is_following, saved.webcam) == (False, "Own Cam")
