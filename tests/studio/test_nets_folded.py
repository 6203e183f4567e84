"""The folded graphs compute what the trained network computes."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the studio extra")

from avatar_app.studio.nets import Nova96  # noqa: E402
from avatar_app.studio.nets.cost import measure_cost  # noqa: E402
from avatar_app.studio.nets.folded import N_LEVELS, FaceMaps, FoldedStudent, PackedStudent  # noqa: E402
from avatar_app.studio.nets.subpixel import pack, packed_up_weight, packed_weight, unpack  # noqa: E402

pytestmark = pytest.mark.studio


@pytest.fixture(scope="module")
def net():
    """A network with random weights and norms, in which all parts affect the output."""
    torch.manual_seed(0)
    net = Nova96()
    for layer in net.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            torch.nn.init.kaiming_normal_(layer.weight)
            torch.nn.init.uniform_(layer.bias, -0.2, 0.2)
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(layer.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(layer.bias, -0.3, 0.3)
    return net.eval()


@pytest.fixture(scope="module")
def outputs(net):
    """For each look-ahead: inputs, maps, and the output of the trained network."""
    generator = torch.Generator().manual_seed(1)
    mel, face = torch.randn(1, 1, 80, 16, generator=generator), torch.rand(1, 6, 96, 96, generator=generator)
    with torch.no_grad():
        maps, features = FaceMaps(net)(face), net.encode_face(face)
        return [(mel, head, maps, net(mel, head, *features)) for head in torch.eye(4).split(1)]


@pytest.mark.parametrize(
    ("student", "part"), [(FoldedStudent, slice(N_LEVELS)), (PackedStudent, slice(N_LEVELS, None))]
)
def test_student_when_folded_then_same_output_at_every_lookahead(net, outputs, student, part):
    twin = student(net)
    pictures = []
    for mel, head, maps, true in outputs:
        with torch.no_grad():
            pictures.append(twin(mel, head, *maps[part]))
        torch.testing.assert_close(pictures[-1], true, atol=1e-5, rtol=0)
    assert true.std() > 0.05
    assert (pictures[0] - pictures[3]).abs().max() > 1e-3


def test_student_when_folded_then_a_fifth_less_work(net, outputs):
    mel, head, maps, _ = outputs[0]
    with torch.no_grad():
        features = net.encode_face(torch.zeros(1, 6, 96, 96))
    before = measure_cost(net, mel, head, *features).n_macs
    assert measure_cost(FoldedStudent(net), mel, head, *maps[:N_LEVELS]).n_macs < 0.8 * before


def test_pack_when_unpacked_then_the_same():
    x = torch.randn(1, 3, 6, 8)
    assert torch.equal(unpack(pack(x)), x)


def test_packed_up_weight_when_used_then_equals_the_transposed_convolution():
    up = torch.nn.ConvTranspose2d(3, 5, 3, 2, 1, 1, bias=False)
    x = torch.randn(1, 3, 4, 6)
    padded = torch.nn.functional.pad(x, (0, 1, 0, 1))
    y = unpack(torch.nn.functional.conv2d(padded, packed_up_weight(up.weight)))
    torch.testing.assert_close(y, up(x), atol=1e-5, rtol=0)


def test_packed_weight_when_used_then_equals_the_convolution_one_pixel_further():
    conv = torch.nn.Conv2d(3, 5, 3, bias=False)
    x = torch.randn(1, 3, 8, 10)
    y = unpack(torch.nn.functional.conv2d(pack(x), packed_weight(conv.weight)))
    torch.testing.assert_close(y, conv(x), atol=1e-5, rtol=0)
