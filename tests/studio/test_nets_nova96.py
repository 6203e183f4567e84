from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the studio extra")

from avatar_app.studio.data.faces import TOP_PX  # noqa: E402
from avatar_app.studio.nets import Nova96  # noqa: E402
from avatar_app.studio.nets.cost import count_parameters  # noqa: E402
from avatar_app.studio.nets.nova96 import LOOKAHEAD_MS  # noqa: E402

pytestmark = pytest.mark.studio


@pytest.fixture(scope="module")
def net():
    """A network with random weights and norms, in which all parts affect the output."""
    torch.manual_seed(0)
    net = Nova96()
    for layer in net.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            torch.nn.init.kaiming_normal_(layer.weight)
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(layer.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(layer.bias, -0.3, 0.3)
    return net.eval()


@pytest.fixture(scope="module")
def sound_and_face():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 1, 80, 16, generator=generator), torch.rand(1, 6, 96, 96, generator=generator)


def one_hot(lookahead_ms):
    return torch.eye(4)[[LOOKAHEAD_MS.index(lookahead_ms)] * 2]


@pytest.mark.parametrize("lookahead_ms", LOOKAHEAD_MS)
def test_forward_at_each_lookahead_equals_the_rows_of_its_student28x(net, sound_and_face, lookahead_ms):
    mel, face = sound_and_face
    with torch.no_grad():
        patch = net(mel, one_hot(lookahead_ms), *net.encode_face(face))
        whole = net.student(lookahead_ms)(mel, face.expand(2, -1, -1, -1))
    assert patch.shape == (2, 3, 48, 96)
    torch.testing.assert_close(patch, whole[:, :, TOP_PX:], atol=1e-5, rtol=0)


def test_student_of_each_lookahead_has_the_published_number_of_parameters(net):
    assert {count_parameters(net.student(ms)) for ms in LOOKAHEAD_MS} == {1_258_143}


def test_forward_when_the_lookahead_changes_then_the_output_changes(net, sound_and_face):
    mel, face = sound_and_face
    with torch.no_grad():
        features = net.encode_face(face)
        assert (net(mel, one_hot(0), *features) - net(mel, one_hot(160), *features)).abs().max() > 1e-3
