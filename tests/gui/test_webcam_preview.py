"""The preview of the webcam, and the calibration."""

from dataclasses import replace

import numpy as np

from avatar_app.gui.panel import webcam_texts as texts
from avatar_app.live.webcam import Preview
from avatar_app.live.webcam.picture_source import CameraFrame
from tests.fakes.webcam_status import RUNNING, picture
from tests.gui.conftest import press, see


def colour_at(preview, x_ratio):
    image = preview.grab().toImage()
    return image.pixelColor(round(image.width() * x_ratio), image.height() // 4)


def test_preview_when_mirrored_then_is_a_mirror_image(make_following):
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


def test_preview_when_hidden_or_off_then_no_picture_is_requested_or_kept(make_following):
    desk = make_following()
    assert desk.webcam.preview.image is not None
    desk.panel.show_page("output")
    assert desk.webcam.preview.image is None
    assert not desk.webcam._poll.isActive()
    desk.panel.show_page("avatar")
    see(desk)
    assert desk.webcam.preview.image is not None
    n_requested = desk.pipeline.n_previews
    desk.webcam.turn(False)
    see(desk)
    assert desk.webcam.preview.image is None
    assert desk.pipeline.n_previews == n_requested


def test_preview_when_scrolled_away_then_no_picture_is_requested(make_following):
    desk = make_following()
    desk.window.resize(1280, 560)
    scroll = desk.panel._stack.currentWidget().verticalScrollBar()
    desk.qtbot.waitUntil(lambda: scroll.maximum() > 600)
    scroll.setValue(scroll.maximum())
    desk.qtbot.waitUntil(lambda: desk.webcam.preview.visibleRegion().isEmpty())
    n_requested = desk.pipeline.n_previews
    desk.webcam.poll()
    assert desk.pipeline.n_previews == n_requested


def test_preview_when_the_picture_is_unchanged_then_is_not_converted_again(make_following):
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


def test_calibrate_when_clicked_then_counts_down_and_confirms(make_following):
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


def test_calibrate_when_running_then_the_bar_grows(make_following):
    desk = make_following(figures=replace(RUNNING, calibration_ratio=0.5))
    image = desk.webcam.calibrate.grab().toImage()
    done, open_ = (image.pixelColor(round(image.width() * x), image.height() - 3) for x in (0.3, 0.7))
    assert done.blue() > open_.blue() + 60
