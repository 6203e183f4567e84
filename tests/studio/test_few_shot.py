"""The few-shot table: a layer that must find how a mouth follows its features."""

import json

import pytest
import torch

from avatar_app.contracts.errors import StudioError
from avatar_app.studio.evaluate.few_shot import FewShotFace, cells, read_table, run_table
from avatar_app.studio.train.person_head import HeadSample, LinearLayer

LAYER = LinearLayer(torch.zeros(14, 6), torch.zeros(14))


def sentence(seed, tempo=1.0, n=50):
    """Features that are waves, and a mouth that is a mixture of them."""
    at = torch.arange(n) / 25 * tempo
    features = torch.stack([torch.sin(at * (k + 1) + seed) for k in range(6)], dim=1)
    mixture = torch.rand(6, 14, generator=torch.Generator().manual_seed(7)) * 0.05
    return HeadSample(features, 0.4 + features @ mixture)


@pytest.fixture
def face():
    train = [sentence(k) for k in range(4)]
    voice = [HeadSample(sentence(k, 1.25, 40).features, one.mouth) for k, one in enumerate(train)]
    return FewShotFace("a", train, [voice], [sentence(8)], [sentence(9)], [])


def test_cells_then_no_loss_without_synthetic_voices(face):
    found = list(cells(face, (5,), (0, 1), 2))
    assert len(found) == 2 * 2 * (1 + 2)
    assert {cell.loss for cell in found if not cell.n_voices} == {""}
    assert {cell.loss for cell in found if cell.n_voices} == {"soft-DTW", "truncated"}


def test_table_then_has_low_errors_and_continues(face, tmp_path):
    file = tmp_path / "table.jsonl"
    run_table([face], LAYER, file, seconds=(4,), voices=(0, 1), n_seeds=1)
    lines = read_table(file)
    assert len(lines) == 6
    by_loss = {(line["cell"]["start"], line["cell"]["loss"]): line["scores"] for line in lines}
    assert by_loss["scratch", ""]["mse"] < 1e-3 and by_loss["scratch", ""]["opening"] > 0.9
    assert by_loss["scratch", "soft-DTW"]["mse"] < by_loss["scratch", "truncated"]["mse"]
    # A kill after the third line: the rest is measured again, and nothing twice.
    file.write_text("".join(json.dumps(line) + "\n" for line in lines[:3]))
    run_table([face], LAYER, file, seconds=(4,), voices=(0, 1), n_seeds=1)
    assert read_table(file) == lines


def test_damaged_table_then_says_so(tmp_path):
    file = tmp_path / "table.jsonl"
    file.write_text("{")
    with pytest.raises(StudioError, match="cannot be read"):
        read_table(file)
