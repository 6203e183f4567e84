"""The folder of a run, opened by several processes at once as `torchrun` starts them."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the studio extra")

from avatar_app.studio.train.run_folder import RunFolder

pytestmark = pytest.mark.studio

N_FOLDERS = 60


def open_all(folder: Path, together) -> None:
    for k in range(N_FOLDERS):
        together.wait(60)
        RunFolder(folder / str(k)).open_request({"rate": 1}, seed=0)


def test_request_when_two_processes_write_it_at_once_then_neither_fails_and_it_is_whole(tmp_path):
    context = multiprocessing.get_context("fork")
    together = context.Barrier(2)
    processes = [context.Process(target=open_all, args=(tmp_path, together)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    assert all((tmp_path / str(k) / "request.json").exists() for k in range(N_FOLDERS))
    assert list(tmp_path.rglob("*.tmp")) == []
