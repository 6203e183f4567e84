from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the studio extra")

from avatar_app.contracts.errors import StudioError  # noqa: E402
from avatar_app.studio.nets import Student28x, Wav2Lip, load_published  # noqa: E402

pytestmark = pytest.mark.studio


@pytest.fixture
def weights():
    return Student28x().state_dict()


@pytest.mark.parametrize("is_wrapped", [False, True])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_load_published_with_any_published_layout_fills_the_net(tmp_path, weights, is_wrapped, prefix):
    data = {prefix + name: value for name, value in weights.items()}
    data = {"state_dict": data, "optimizer": None, "global_step": 7} if is_wrapped else data
    torch.save(data, tmp_path / "checkpoint.pth")
    net = load_published(tmp_path / "checkpoint.pth", Student28x())
    assert not net.training
    assert all(torch.equal(value, weights[name]) for name, value in net.state_dict().items())


def test_load_published_of_another_network_gives_an_error_with_the_difference(tmp_path, weights):
    torch.save(weights, tmp_path / "student.pth")
    with pytest.raises(StudioError, match=r"does not belong to Wav2Lip: `.+` is missing"):
        load_published(tmp_path / "student.pth", Wav2Lip())


def test_load_published_of_another_size_gives_an_error_about_the_shape(tmp_path, weights):
    torch.save(weights, tmp_path / "student.pth")
    with pytest.raises(StudioError, match="has another shape"):
        load_published(tmp_path / "student.pth", Student28x(size_px=128))


class Code:
    """A pickle that runs code when it is loaded without weights_only."""

    def __reduce__(self):
        return (print, ("ran",))


def test_load_published_of_a_pickle_with_code_gives_an_error_and_runs_nothing(tmp_path, capsys):
    torch.save({"state_dict": Code()}, tmp_path / "evil.pth")
    with pytest.raises(StudioError, match="cannot be read"):
        load_published(tmp_path / "evil.pth", Student28x())
    assert "ran" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut"])
def test_load_published_of_a_broken_file_gives_an_error(tmp_path, content):
    (tmp_path / "broken.pth").write_bytes(content)
    with pytest.raises(StudioError, match="cannot be read") as caught:
        load_published(tmp_path / "broken.pth", Student28x())
    assert "\n" not in str(caught.value)


def test_load_published_of_another_object_gives_an_error(tmp_path):
    torch.save([1, 2, 3], tmp_path / "list.pth")
    with pytest.raises(StudioError, match="holds no network weights"):
        load_published(tmp_path / "list.pth", Student28x())


def test_load_published_of_a_missing_file_gives_an_error(tmp_path):
    with pytest.raises(StudioError, match="There is no checkpoint"):
        load_published(tmp_path / "none.pth", Student28x())
