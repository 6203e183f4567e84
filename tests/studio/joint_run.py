"""A small joint training in its own process: `python -m tests.studio.joint_run FOLDER N_STEPS [DIE_AT]`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch

from avatar_app.studio import arithmetic
from avatar_app.studio.nets.nova96 import Nova96
from avatar_app.studio.nets.tensor_file import save_tensors
from avatar_app.studio.train import joint, parallel
from avatar_app.studio.train.joint import JointTask
from avatar_app.studio.train.joint_config import JointConfig
from avatar_app.studio.train.loop import LoopPlan, train
from avatar_app.studio.train.run_folder import RunFolder
from tests.studio.tiny_dataset import give_weak_norms, tiny_dataset


def main() -> None:
    folder, n_steps = Path(sys.argv[1]), int(sys.argv[2])
    die_at = int(sys.argv[3]) if len(sys.argv) > 3 else -1
    parallel.start(1)
    # bf16 rounds shares of a batch differently than the whole.
    with arithmetic.using(arithmetic.FP32):
        _learn(folder, n_steps, die_at)
    parallel.stop()


def _learn(folder: Path, n_steps: int, die_at: int) -> None:
    torch.manual_seed(0)
    net = Nova96()
    give_weak_norms(net)
    joint.N_HELD_OUT_CLIPS = 4
    task = JointTask(net, tiny_dataset(), JointConfig(n_clips=2, n_pictures=3, peak_rate=1e-3))
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
