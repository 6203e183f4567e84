"""The training loop of all networks; a run that was killed continues to the same result."""

from __future__ import annotations

import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avatar_app.contracts.errors import StudioError
from avatar_app.studio import arithmetic
from avatar_app.studio.train import parallel
from avatar_app.studio.train.checkpoint import load_checkpoint, save_checkpoint
from avatar_app.studio.train.run_folder import RunFolder

log = logging.getLogger(__name__)


class Trainable(Protocol):
    """A task for the training loop.

    `step` must take all randomness from the given generator (torch's global generator is seeded from it before each
    call, for dropout), and keep all its state in `modules` and `optimizers`. A run that is killed and continued then
    ends with the same weights.
    """

    def modules(self) -> Mapping[str, nn.Module]:
        """Networks to save, including averaged copies."""
        ...

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """Optimizers to save."""
        ...

    def step(self, index: int, n_steps: int, rng: np.random.Generator) -> Mapping[str, float]:
        """Train on one batch; the result holds at least `loss`. `n_steps` is the length of the run, for schedules."""
        ...

    def evaluate(self) -> Mapping[str, float]:
        """Measure on held-out data; the result may be empty."""
        ...


@runtime_checkable
class ShowsSamples(Protocol):
    """A task with sample pictures."""

    def sample(self) -> NDArray[np.uint8]:
        """(h, w, 3) uint8 BGR: ground truth and results."""
        ...


@dataclass(frozen=True, slots=True)
class LoopPlan:
    """Length and intervals of a run.

    Attributes:
        n_steps: steps of the whole run.
        log_steps: steps between two lines of `metrics.jsonl`; each holds means over them.
        checkpoint_steps: steps between two checkpoints.
        evaluate_steps: steps between two evaluations; 0 evaluates at the end only.
        seed: of all randomness.
    """

    n_steps: int
    log_steps: int = 50
    checkpoint_steps: int = 200
    evaluate_steps: int = 0
    seed: int = 0


def train(task: Trainable, folder: RunFolder, plan: LoopPlan, report: Callable[[str], None] = log.info) -> None:
    """Train from the folder's checkpoint, or from the start, to the end of the plan.

    Of several processes (`parallel`) only the chief writes.

    Args:
        task: the task.
        folder: the run folder; the caller writes its request.
        plan: length and intervals.
        report: receives one line of progress per `log_steps`.

    Raises:
        StudioError: the loss is not finite (the last good checkpoint is kept), or the folder cannot be written to.
    """
    first = _restore(task, folder, plan.n_steps)
    if first < plan.n_steps and parallel.is_chief():
        folder.note_arithmetic(first, arithmetic.in_use(parallel.device().type))
    clock = _Clock(first, plan.n_steps)
    sums = _Means()
    for index in range(first, plan.n_steps):
        parts = parallel.mean_of(_one_step(task, index, plan))
        _check_finite(parts, index, folder)
        sums.add(parts)
        done = index + 1
        if done % plan.log_steps == 0 or done == plan.n_steps:
            _log_means(folder, done, sums.take(), clock, report)
        if _is_due(done, plan.evaluate_steps) or done == plan.n_steps:
            _evaluate(task, folder, done, report)
        if _is_due(done, plan.checkpoint_steps) or done == plan.n_steps:
            _save(task, folder, done)


def step_generator(seed: int, index: int) -> np.random.Generator:
    """The random generator of one step; it depends on seed and step only, so checkpoints need no generator state."""
    return np.random.default_rng([seed, index])


def cosine_rate(index: int, n_steps: int, peak: float, n_warmup: int = 200, floor_ratio: float = 0.02) -> float:
    """Learning rate: a linear rise, then half a cosine down to `floor_ratio` of the peak."""
    if index < n_warmup:
        return peak * (index + 1) / n_warmup
    progress = min(1.0, (index - n_warmup) / max(1, n_steps - n_warmup))
    return peak * (floor_ratio + (1 - floor_ratio) * 0.5 * (1 + math.cos(math.pi * progress)))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of an optimizer."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def descend(optimizer: torch.optim.Optimizer, loss: Tensor, max_norm: float | None = None) -> None:
    """One optimizer step, with the gradients of all processes.

    Args:
        optimizer: of the trained parameters.
        loss: this process's share of the loss.
        max_norm: limit of the norm of the gradient; None for none.
    """
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    parallel.average_gradients(optimizer)
    if max_norm is not None:
        nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], max_norm)
    optimizer.step()


@torch.no_grad()
def update_average(average: nn.Module, net: nn.Module, decay: float) -> None:
    """Move an averaged copy of a network (weights, and the norms' statistics) towards it."""
    for kept, new in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


def _restore(task: Trainable, folder: RunFolder, n_steps: int) -> int:
    n_steps_done = 0
    if folder.checkpoint_file.exists():
        n_steps_done = load_checkpoint(folder.checkpoint_file, task.modules(), task.optimizers())
        if n_steps_done > n_steps:
            raise StudioError(
                f"The run in {folder.path} already has {n_steps_done} steps, more than the requested {n_steps}.",
                "Set at least as many steps, or start in a new run folder.",
            )
        log.info("continuing %s after step %d", folder.path, n_steps_done)
    if parallel.is_chief():
        folder.forget_metrics_after(n_steps_done)
    # All processes read this checkpoint before the chief writes a new one.
    parallel.wait()
    return n_steps_done


def _save(task: Trainable, folder: RunFolder, done: int) -> None:
    # A step with a finite loss can still give weights that are not.
    if not all(bool(value.isfinite().all()) for net in task.modules().values() for value in net.state_dict().values()):
        raise _diverged("its weights are not finite", done, folder)
    if parallel.is_chief():
        save_checkpoint(folder.checkpoint_file, done, task.modules(), task.optimizers())
    parallel.wait()


def _one_step(task: Trainable, index: int, plan: LoopPlan) -> Mapping[str, float]:
    rng = step_generator(plan.seed, index)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**62)))
        return task.step(index, plan.n_steps, rng)


def _is_due(done: int, every: int) -> bool:
    return every > 0 and done % every == 0


def _check_finite(parts: Mapping[str, float], index: int, folder: RunFolder) -> None:
    if not math.isfinite(parts["loss"]):
        raise _diverged("the loss is not finite", index + 1, folder)


def _diverged(what: str, done: int, folder: RunFolder) -> StudioError:
    return StudioError(
        f"Training stopped at step {done}: {what}.",
        f"The last good checkpoint is in {folder.path}. The same command continues there; should it stop again, "
        "start a new run folder with another --seed.",
    )


def _log_means(
    folder: RunFolder, done: int, means: Mapping[str, float], clock: _Clock, report: Callable[[str], None]
) -> None:
    if not parallel.is_chief():
        return
    folder.append_metrics({"step": done, **{name: round(value, 6) for name, value in means.items()}})
    report(f"step {done} of {clock.n_steps}, loss {means['loss']:.4f}, {clock.describe(done)}")


def _evaluate(task: Trainable, folder: RunFolder, done: int, report: Callable[[str], None]) -> None:
    measured = task.evaluate()
    if not measured or not parallel.is_chief():
        return
    folder.append_metrics({"step": done, **{f"held_out_{k}": round(v, 6) for k, v in measured.items()}})
    if isinstance(task, ShowsSamples):
        folder.write_picture(f"samples/{done:06d}.png", task.sample())
    report(f"step {done}, held out: " + ", ".join(f"{name} {value:.4f}" for name, value in measured.items()))


class _Means:
    """Means of named numbers since the last `take`."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = defaultdict(float)
        self._n = 0

    def add(self, parts: Mapping[str, float]) -> None:
        for name, value in parts.items():
            self._sums[name] += value
        self._n += 1

    def take(self) -> dict[str, float]:
        means = {name: total / max(1, self._n) for name, total in self._sums.items()}
        self._sums.clear()
        self._n = 0
        return means


class _Clock:
    """Speed of this run and the time left."""

    def __init__(self, first: int, n_steps: int) -> None:
        self.n_steps = n_steps
        self._first = first
        self._t_start_s = time.monotonic()

    def describe(self, done: int) -> str:
        seconds_per_step = (time.monotonic() - self._t_start_s) / max(1, done - self._first)
        left_s = int(seconds_per_step * (self.n_steps - done))
        return f"{seconds_per_step:.2f} s a step, {left_s // 3600}:{left_s // 60 % 60:02d}:{left_s % 60:02d} left"
