"""The teacher computes the lower half of Wav2Lip's output."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the studio extra")

from avatar_app.studio.nets import Wav2Lip  # noqa: E402
from avatar_app.studio.nets.teacher import Teacher  # noqa: E402

pytestmark = pytest.mark.studio


@pytest.fixture(scope="module")
def net():
    """A Wav2Lip with random norms, whose output varies in each row."""
    torch.manual_seed(0)
    net = Wav2Lip()
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(layer.running_var, 0.5, 1.5)
    return net.eval()


@pytest.fixture(scope="module")
def sound_and_face():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 1, 80, 16, generator=generator), torch.rand(1, 6, 96, 96, generator=generator)


@torch.no_grad()
def test_forward_then_equals_the_lower_rows_of_wav2lip(net, sound_and_face):
    mel, face = sound_and_face
    teacher = Teacher(net).eval()
    whole = net(mel, face.expand(2, -1, -1, -1))
    assert whole.std() > 0.01
    torch.testing.assert_close(teacher(mel, teacher.encode_face(face)), whole[:, :, 48:], atol=1e-5, rtol=0)


def test_wav2lip_then_holds_the_same_weights_by_the_published_names(net):
    state = Teacher(net).wav2lip().state_dict()
    assert state.keys() == net.state_dict().keys()
    assert all(torch.equal(state[name], value) for name, value in net.state_dict().items())
