"""The picture and the statistics."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest

from avatar_app.gui.stage.hud import NOTHING
from avatar_app.live.frame import Background
from avatar_app.live.frame.background import CHECKER_GREYS, CHECKER_PX
from tests.fakes.pipeline import FakeMicStatus, make_picture, running_status
from tests.gui.conftest import settle


def test_picture_when_received_then_is_painted_and_recorded_once(desk):
    desk.commands.set_running(True)
    desk.pipeline.put(make_picture(7, colour=(0, 0, 255)))
    desk.qtbot.waitUntil(lambda: desk.pipeline.shown != [])
    desk.window.pull_picture()
    desk.window.view.repaint()
    settle()
    assert [index for index, _ in desk.pipeline.shown] == [7]
    centre = desk.window.view.card().center()
    assert desk.window.view.grab().toImage().pixelColor(centre).getRgb()[:3] == (255, 0, 0)


def test_picture_when_transparent_then_the_checkerboard_is_visible(desk):
    desk.commands.set_running(True)
    desk.window.view.show_picture(make_picture(alpha=0))
    image = desk.window.view.grab().toImage()
    card = desk.window.view.card()
    cell_px = CHECKER_PX * card.width() / 512
    middles = [card.left() + round((step + 0.5) * cell_px) for step in range(4, 12)]
    row = card.top() + round(10.5 * cell_px)
    greys = [image.pixelColor(x, row).getRgb()[:3] for x in middles]
    assert greys == [(grey, grey, grey) for grey in CHECKER_GREYS] * 4


@pytest.mark.parametrize("size_px", [512, 256])
def test_picture_when_its_edge_is_soft_then_equals_a_composite_on_the_checkerboard(desk, size_px):
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
    desk.window.view.show_picture(picture)
    image = desk.window.view.grab(desk.window.view.card()).toImage().convertToFormat(QImage.Format.Format_RGB32)
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4)
    return pixels[:, :, :3].copy()


def test_picture_when_several_arrived_then_only_the_newest_is_shown(desk):
    for index in range(5):
        desk.pipeline.put(make_picture(index))
    desk.window.pull_picture()
    assert desk.window.view.picture.index == 4


def test_hud_when_hidden_then_disappears_and_the_setting_is_saved(desk):
    desk.commands.set_running(True)
    assert desk.window.hud.isVisible()
    QTest.mouseClick(desk.window.bar.hud, Qt.MouseButton.LeftButton)
    assert not desk.window.hud.isVisible()
    assert not desk.keeper.settings.is_hud_visible


def test_hud_when_running_then_shows_the_status(desk):
    desk.pipeline.live_status = running_status(n_dropped=3, n_repeated=4, rss_mb=291.2)
    desk.window.refresh_status()
    texts = {line.label: (line.value, line.second) for line in desk.window.hud.lines}
    assert texts["25.0 fps"] == ("of 25", "")
    assert texts["Inference"] == ("3.4", "5.1")
    assert texts["Mic to frame"] == ("104", "121")
    assert texts["Engine"] == ("OpenVINO", "")
    assert texts["Precision"] == ("FP16, run as BF16", "")
    assert (texts["Frames dropped"][0], texts["Frames repeated"][0], texts["Memory"][0]) == ("3", "4", "291 MB")


def test_hud_when_no_picture_or_no_sound_arrives_then_old_values_disappear(desk):
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
    assert desk.window.view.card().contains(desk.window.hud.geometry())


def test_hud_when_there_is_room_then_does_not_cover_the_picture(desk):
    settle()
    assert not desk.window.view.card().intersects(desk.window.hud.geometry())


def test_hud_when_times_are_long_then_without_decimals_so_that_columns_stay_apart(desk):
    desk.pipeline.live_status = running_status(stage_ms={"capture": (202.64, 1377.0), "mel": (99.94, float("nan"))})
    desk.window.refresh_status()
    texts = {line.label: (line.value, line.second) for line in desk.window.hud.lines}
    assert texts["Capture"] == ("203", "1377")
    assert texts["Mel"] == ("99.9", NOTHING)
