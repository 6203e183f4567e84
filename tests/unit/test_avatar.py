import json

import numpy as np
import pytest

from avatar_app.contracts.errors import AvatarError
from avatar_app.live.frame import Avatar
from tests.fakes.avatar_folder import N_IDLE, idle_picture, write_avatar


def test_load_when_complete_then_pictures_are_those_on_disk(tmp_path):
    write_avatar(tmp_path)
    avatar = Avatar.load("disc", tmp_path)
    assert avatar.n_idle == N_IDLE
    for k in range(N_IDLE):
        colours, alpha = avatar.idle(k)
        assert np.abs(colours.astype(int) - idle_picture(k)[0]).max() <= 2
        assert np.array_equal(alpha, idle_picture(k)[1])


def test_face_input_when_made_then_lower_half_is_hidden_in_the_first_picture_only(tmp_path):
    write_avatar(tmp_path)
    face = Avatar.load("disc", tmp_path).face_input(32)
    assert face.shape == (1, 6, 32, 32)
    assert face.dtype == np.float32
    assert not face[0, :3, 16:].any()
    assert np.array_equal(face[0, :3, :16], face[0, 3:, :16])
    assert face[0, 3:, 16:].min() > 0 and face.max() <= 1


def test_load_when_avatar_is_unknown_then_error_names_those_that_exist(tmp_path):
    write_avatar(tmp_path)
    with pytest.raises(AvatarError, match="disc"):
        Avatar.load("disk", tmp_path)


@pytest.mark.parametrize("name", ["idle/2.jpg", "idle/1.png", "mask.png", "reference.png"])
def test_load_when_picture_is_missing_then_error_names_it(tmp_path, name):
    (write_avatar(tmp_path) / name).unlink()
    with pytest.raises(AvatarError, match=name.replace(".", r"\.")):
        Avatar.load("disc", tmp_path)


@pytest.mark.parametrize("name", ["idle/2.jpg", "idle/1.png", "mask.png"])
def test_load_when_picture_is_cut_short_then_error_names_it(tmp_path, name):
    path = write_avatar(tmp_path) / name
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(AvatarError, match=name.replace(".", r"\.")):
        Avatar.load("disc", tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}'])
def test_load_when_description_is_invalid_then_avatar_error(tmp_path, text):
    (write_avatar(tmp_path) / "avatar.json").write_text(text)
    with pytest.raises(AvatarError, match=r"avatar\.json"):
        Avatar.load("disc", tmp_path)


@pytest.mark.parametrize("damaged", [[1], [0, 1], [1, 2, 3], [0]])
def test_idle_when_a_picture_is_damaged_then_its_nearest_neighbour_and_no_error(tmp_path, damaged, caplog):
    folder = write_avatar(tmp_path)
    for k in damaged:
        file = folder / f"idle/{k}.png"
        content = bytearray(file.read_bytes())
        content[40:-12] = bytes(len(content) - 52)
        file.write_bytes(content)
    avatar = Avatar.load("disc", tmp_path)
    whole = [k for k in range(N_IDLE) if k not in damaged]
    for k in [*range(N_IDLE), *range(N_IDLE)]:
        nearest = min(whole, key=lambda other, k=k: (abs(other - k), other))
        assert np.array_equal(avatar.idle(k)[1], idle_picture(nearest)[1])
    assert avatar.damaged_files == tuple(f"idle/{k}.jpg" for k in damaged)
    assert len(caplog.records) == len(damaged), "each is told once, not with every frame"


def test_load_when_all_pictures_are_damaged_then_avatar_error(tmp_path):
    folder = write_avatar(tmp_path)
    for k in range(N_IDLE):
        (folder / f"idle/{k}.jpg").write_bytes(b"\xff\xd8\xff\xff\xd9")
    with pytest.raises(AvatarError, match="No idle picture"):
        Avatar.load("disc", tmp_path)


def test_load_when_pictures_are_too_many_bytes_then_avatar_error(tmp_path, monkeypatch):
    write_avatar(tmp_path)
    monkeypatch.setattr("avatar_app.live.frame.avatar.MAX_IDLE_BYTES", 2000)
    with pytest.raises(AvatarError, match="too large"):
        Avatar.load("disc", tmp_path)


def test_load_when_pictures_have_another_size_then_avatar_error(tmp_path):
    path = write_avatar(tmp_path) / "avatar.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "size_px": 256}))
    with pytest.raises(AvatarError, match="No idle picture"):
        Avatar.load("disc", tmp_path)
