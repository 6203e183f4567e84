"""Speeds against each other in one run, never against a clock: machines are shared, and differ."""

import time

import numpy as np
import pytest

from avatar_app.live.frame import Avatar, Background, Compositor
from avatar_app.live.student import load

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
