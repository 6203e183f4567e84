"""A tiny speaking run as a process of its own: `python -m tests.studio.speak_run FOLDER N_STEPS [DIE_AT]`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch

from avatar_app.studio import arithmetic
from avatar_app.studio.nets.nova96 import Nova96
from avatar_app.studio.nets.tensor_file import save_tensors
from avatar_app.studio.train import joint as speaking
from avatar_app.studio.train import parallel
from avatar_app.studio.train.joint import SpeakConfig, SpeakTask
from avatar_app.studio.train.loop import LoopPlan, train
from avatar_app.studio.train.run_folder import RunFolder
from tests.studio.tiny_stage import give_weak_norms, tiny_stage


def main() -> None:
    folder, n_steps = Path(sys.argv[1]), int(sys.argv[2])
    die_at = int(sys.argv[3]) if len(sys.argv) > 3 else -1
    parallel.start(1)
    # bf16 would round shares of a batch differently than the whole.
    with arithmetic.using(arithmetic.FP32):
        _learn(folder, n_steps, die_at)
    parallel.stop()


def _learn(folder: Path, n_steps: int, die_at: int) -> None:
    torch.manual_seed(0)
    net = Nova96()
    give_weak_norms(net)
    speaking.N_HELD_OUT_TAKES = 4
    task = SpeakTask(net, tiny_stage(), SpeakConfig(n_takes=2, n_pictures=3, peak_rate=1e-3))
    learn = task.step

    def step(index, steps, rng):
        if index == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return learn(index, steps, rng)

    task.step = step
    train(task, RunFolder(folder), LoopPlan(n_steps, log_steps=1, checkpoint_steps=2, seed=3))
    if parallel.is_chief():
        save_tensors(folder / "net.safetensors", task.net.state_dict(), {})


if __name__ == "__main__":
    main()
