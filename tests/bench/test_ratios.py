"""Speeds against each other in one run, never against a clock: machines are shared, and differ."""

import itertools
import time

import cv2
import numpy as np
import pytest

from avatar_app.contracts.student_spec import PatchBox
from avatar_app.live.frame import Avatar, Background, Compositor
from avatar_app.live.student import load
from avatar_app.settings.paths import assets_dir

N_ROUNDS, N_STEPS = 6, 15


def medians_ms(actions: dict, clock_s=time.perf_counter) -> dict:
    """Median milliseconds of each action, all taken in turns; by `time.thread_time`, what else runs does not count."""
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


def test_compose_when_idle_picture_stays_then_only_the_mouth_costs():
    """At 60 pictures a second most idle pictures are shown twice or more: the second time must be cheap."""
    avatar = Avatar.load("nova")
    student = load("nova-hd", "int8")
    compositor = Compositor(avatar, student.spec.box, student.spec.size_px)
    compositor.set_background(Background.checker())
    mouth = student.draw(np.zeros((80, student.spec.n_mel_columns), np.float32), 80)
    turn = iter(range(10_000))
    found = medians_ms(
        {
            "same": lambda: compositor.compose(5, mouth, 1.0),
            "next": lambda: compositor.compose(next(turn) % avatar.n_idle, mouth, 1.0),
        }
    )
    student.close()
    assert found["next"] / found["same"] > 1.5


@pytest.mark.parametrize("background", [Background.transparent(), Background.colour("#336699")])
def test_compose_when_every_picture_is_another_then_most_of_the_time_goes_into_decoding_it(background):
    """Mouth and outline are small; while whole pictures were computed, it was four to seven times as long."""
    avatar = Avatar.load("nova")
    box = PatchBox(32, 144, 192, 112)
    compositor = Compositor(avatar, box, 256)
    compositor.set_background(background)
    mouth = np.full((box.h, box.w, 3), 120, np.uint8)
    encoded = [
        np.frombuffer((assets_dir() / "avatars" / "nova" / name).read_bytes(), np.uint8)
        for name in avatar.spec.idle_files[:30]
    ]
    turns = {name: itertools.cycle(range(30)) for name in ("compose", "decode")}
    actions = {
        "compose": lambda: compositor.compose(next(turns["compose"]), mouth, 1.0),
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
