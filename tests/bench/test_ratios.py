"""Ratios of speeds in one run, never absolute times, because machines are shared and differ."""

import itertools
import time

import cv2
import numpy as np
import pytest

from avatar_app.contracts.mouth import Mouth, PatchBox, PatchPlace
from avatar_app.live.frame import Avatar, Background, PictureRenderer
from avatar_app.live.student import load
from avatar_app.settings.paths import assets_dir
from tests.fakes.mouth import mouth_of

N_ROUNDS, N_STEPS = 6, 15


def medians_ms(actions: dict, clock_s=time.perf_counter) -> dict:
    """Median milliseconds of each action, measured in turns; with `time.thread_time` other threads do not count."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(N_ROUNDS):
        for name, action in actions.items():
            for _ in range(N_STEPS):
                t_start_s = clock_s()
                action()
                times[name].append(1e3 * (clock_s() - t_start_s))
    return {name: float(np.median(values)) for name, values in times.items()}


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime-cpu"])
def test_step_when_int8_or_mixed_then_faster_than_fp32(engine):
    students = {name: load("nova-hd", name, engine) for name in ("fp32", "int8", "mixed")}
    mel = np.zeros((80, students["fp32"].spec.n_mel_columns), np.float32)
    found = medians_ms({name: lambda s=student: s.draw(mel, 80) for name, student in students.items()})
    for student in students.values():
        student.close()
    assert found["fp32"] / found["int8"] > 1.3
    assert found["fp32"] / found["mixed"] > 1.2


def test_render_when_idle_picture_stays_then_only_the_mouth_costs():
    """At 60 pictures a second most idle pictures are shown twice or more: the second time must be cheap."""
    avatar = Avatar.load("nova")
    student = load("nova-hd", "int8")
    renderer = PictureRenderer(avatar)
    renderer.set_background(Background.checker())
    shape = student.drive(np.zeros((80, student.spec.n_mel_columns), np.float32), 80)
    mouth = Mouth(0, 0, 0, shape, 1.0)
    turn = iter(range(10_000))
    found = medians_ms(
        {
            "same": lambda: renderer.render(5, mouth),
            "next": lambda: renderer.render(next(turn) % avatar.n_idle, mouth),
        }
    )
    student.close()
    assert found["next"] / found["same"] > 1.5


@pytest.mark.parametrize("background", [Background.transparent(), Background.colour("#336699")])
def test_render_when_every_picture_is_another_then_most_of_the_time_goes_into_decoding_it(background):
    """Mouth and outline are small; while whole pictures were computed, it was four to seven times as long."""
    avatar = Avatar.load("nova")
    box = PatchBox(32, 144, 192, 112)
    renderer = PictureRenderer(avatar)
    renderer.set_background(background)
    mouth = mouth_of(np.full((box.h, box.w, 3), 120, np.uint8), PatchPlace(box, 256))
    encoded = [
        np.frombuffer((assets_dir() / "avatars" / "nova" / name).read_bytes(), np.uint8)
        for name in avatar.spec.idle_files[:30]
    ]
    turns = {name: itertools.cycle(range(30)) for name in ("compose", "decode")}
    actions = {
        "compose": lambda: renderer.render(next(turns["compose"]), mouth),
        "decode": lambda: cv2.imdecode(encoded[next(turns["decode"])], cv2.IMREAD_COLOR),
    }
    n_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        # Alpha and light of each picture are found out when it is first shown.
        medians_ms(actions, time.thread_time)
        found = medians_ms(actions, time.thread_time)
    finally:
        cv2.setNumThreads(n_threads)
    assert found["compose"] / found["decode"] < 3.5
