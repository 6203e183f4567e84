"""The published networks answer as the published code does, on weights made by a formula."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the studio extra")

from avatar_app.studio.nets import Student28x, SyncNet, Wav2Lip  # noqa: E402

pytestmark = pytest.mark.studio

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
NETS = {"wav2lip": Wav2Lip, "student28x": Student28x, "syncnet_color": SyncNet}


def formula_weight(name: str, shape: list[int], salt: str = "0"):
    """One tensor of the formula: a value for every name, whatever the network's own initialisation is."""
    x = np.random.default_rng(zlib.crc32(f"{salt}:{name}".encode())).standard_normal(shape).astype(np.float32)
    if name.endswith("running_var"):
        return torch.from_numpy(np.abs(x) * np.float32(0.2) + np.float32(0.9))
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    if name.endswith(("running_mean", ".bias")):
        return torch.from_numpy(x * np.float32(0.05))
    if len(shape) == 1:
        return torch.from_numpy(1 + np.float32(0.1) * x)
    return torch.from_numpy(x * np.float32(np.sqrt(1.3 / np.prod(shape[1:]))))


@pytest.fixture(scope="module")
def shapes():
    return json.loads((GOLDEN / "state_dict_shapes.json").read_text())


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "nets.npz") as arrays:
        return dict(arrays)


def formula_net(name: str, shapes):
    net = NETS[name]()
    net.load_state_dict({key: formula_weight(key, shape) for key, shape in shapes[name].items()}, strict=True)
    return net.eval()


@pytest.mark.parametrize("name", NETS)
def test_state_dict_of_a_new_net_has_exactly_the_published_names_and_shapes(name, shapes):
    own = {key: list(value.shape) for key, value in NETS[name]().state_dict().items()}
    assert own == shapes[name]


@pytest.mark.parametrize("name", ["wav2lip", "student28x"])
def test_generator_on_formula_weights_draws_the_golden_picture(name, shapes, golden):
    net = formula_net(name, shapes)
    with torch.no_grad():
        picture = net(torch.from_numpy(golden["mel"]), torch.from_numpy(golden["face"])).numpy()
    assert picture.shape == golden[name].shape
    np.testing.assert_allclose(picture, golden[name], atol=1e-4, rtol=0)


def test_syncnet_on_formula_weights_gives_the_golden_embeddings(shapes, golden):
    net = formula_net("syncnet_color", shapes)
    with torch.no_grad():
        audio, video = net(torch.from_numpy(golden["mel"]), torch.from_numpy(golden["sync_face"]))
    np.testing.assert_allclose(audio.numpy(), golden["sync_audio"], atol=1e-4, rtol=0)
    np.testing.assert_allclose(video.numpy(), golden["sync_video"], atol=1e-4, rtol=0)


def test_golden_picture_when_a_residual_is_dropped_differs(shapes, golden):
    net = formula_net("wav2lip", shapes)
    net.audio_encoder[1].is_residual = False
    with torch.no_grad():
        picture = net(torch.from_numpy(golden["mel"]), torch.from_numpy(golden["face"])).numpy()
    assert np.abs(picture - golden["wav2lip"]).max() > 1e-3
