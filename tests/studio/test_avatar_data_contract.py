"""The contract of avatar data: a kind that a test adds, and the rendered one, both up to an avatar that opens."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from avatar_app import cli
from avatar_app.contracts.avatar_data import AvatarData, Consent, Split
from avatar_app.contracts.errors import AvatarError, StudioError
from avatar_app.live.frame import Avatar
from avatar_app.studio.enrol import readers, rendered
from avatar_app.studio.enrol.readers import READERS, Reader
from tests.fakes.data_folder import write_data

SIZE_PX, CROP_PX = 64, 32
CONSENT = Consent("A. Person", "You may make an avatar of my face and stream it.", "2026-03-01")


def read_stills(folder: Path) -> AvatarData:
    """Three pictures of a person, who consents in a file beside them."""
    pictures = [cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in sorted(folder.glob("still_*.png"))]
    crop = np.array([[1, 0, 16], [0, 1, 16]], np.float32)
    return AvatarData(
        title="Stills",
        licence="private use",
        credit="made in a test",
        consent=Consent.from_json(json.loads((folder / "consent.json").read_text())),
        fps=10,
        size_px=SIZE_PX,
        idle=pictures,
        crop_to_portrait=np.stack([crop] * 3),
        reference=np.ascontiguousarray(pictures[0][16:48, 16:48, :3]),
        mask=np.full((CROP_PX, CROP_PX), 255, np.uint8),
    )


@pytest.fixture
def stills(tmp_path, monkeypatch):
    """A folder of a kind that the program does not know, and its reader."""
    folder = tmp_path / "stills"
    folder.mkdir()
    for k in range(3):
        picture = np.full((SIZE_PX, SIZE_PX, 4), 80 + 40 * k, np.uint8)
        picture[:, :4, 3] = 0
        cv2.imwrite(str(folder / f"still_{k}.png"), picture)
    (folder / "consent.json").write_text(json.dumps(CONSENT.to_json()))
    monkeypatch.setitem(READERS, "stills", Reader("stills", lambda f: (f / "still_0.png").exists(), read_stills))
    return folder


@pytest.mark.parametrize("kind", [[], ["--from", "stills"]])
def test_avatar_when_a_test_adds_a_reader_then_its_data_becomes_an_avatar_that_opens(stills, tmp_path, kind):
    out = tmp_path / "avatars" / "me"
    assert cli.main(["studio", "avatar", "--data", str(stills), "--out", str(out), *kind]) == 0
    avatar = Avatar.load("me", tmp_path)
    assert (avatar.n_idle, avatar.spec.idle_fps, avatar.spec.models) == (3, 10, ())
    colours, alpha = avatar.idle(2)
    assert colours[32, 32].tolist() == pytest.approx([160] * 3, abs=2)
    assert (alpha[32, 32], alpha[32, 0]) == (160, 0)
    assert avatar.reference.shape == (CROP_PX, CROP_PX, 3)


def test_avatar_when_a_person_consents_then_licence_and_consent_are_in_the_folder(stills, tmp_path):
    words = ["--licence", "CC-BY-4.0", "--title", "Me", "--models", "a", "b"]
    cli.main(["studio", "avatar", "--data", str(stills), "--out", str(tmp_path / "avatars" / "me"), *words])
    spec = Avatar.load("me", tmp_path).spec
    assert (spec.licence, spec.title, spec.credit, spec.models) == ("CC-BY-4.0", "Me", "made in a test", ("a", "b"))
    assert spec.consent == CONSENT


def test_avatar_when_its_folder_is_of_an_older_version_then_it_has_no_consent():
    assert Avatar.load("nova").spec.consent is None


@pytest.mark.parametrize("change", [{"date": "soon"}, {"person": " "}, {"statement": 3}, {"person": "x" * 5000}])
def test_avatar_when_its_consent_is_not_valid_then_one_sentence(stills, tmp_path, change):
    out = tmp_path / "avatars" / "me"
    cli.main(["studio", "avatar", "--data", str(stills), "--out", str(out)])
    description = json.loads((out / "avatar.json").read_text())
    description["consent"] |= change
    (out / "avatar.json").write_text(json.dumps(description))
    with pytest.raises(AvatarError, match="cannot be used"):
        Avatar.load("me", tmp_path)


def test_avatar_when_a_picture_has_another_size_then_one_sentence_and_the_old_folder_stays(stills, tmp_path, capsys):
    command = ["studio", "avatar", "--data", str(stills), "--out", str(tmp_path / "avatars" / "me")]
    cli.main(command)
    cv2.imwrite(str(stills / "still_1.png"), np.zeros((32, 32, 4), np.uint8))
    assert cli.main(command) == 2
    assert "Idle picture 1 is (32, 32, 4)" in capsys.readouterr().err
    assert Avatar.load("me", tmp_path).n_idle == 3
    assert [path.name for path in (tmp_path / "avatars").iterdir()] == ["me"]


def test_find_reader_when_a_folder_is_of_no_kind_or_the_kind_is_unknown_then_names_the_kinds(tmp_path):
    with pytest.raises(StudioError, match="no known avatar data") as caught:
        readers.find_reader(tmp_path)
    assert "--from: rendered" in str(caught.value)
    with pytest.raises(StudioError, match="no kind of avatar data 'film'"):
        readers.find_reader(tmp_path, "film")


def test_find_reader_when_two_recognise_a_folder_then_the_user_chooses(stills):
    (stills / "nova").mkdir()
    with pytest.raises(StudioError, match="several kinds of avatar data"):
        readers.find_reader(stills)
    assert readers.find_reader(stills, "stills") is READERS["stills"]


def test_avatar_data_when_shapes_do_not_fit_then_refused(stills):
    data = read_stills(stills)
    fields = {name: getattr(data, name) for name in data.__dataclass_fields__}
    for wrong in ({"mask": data.mask[:-1]}, {"crop_to_portrait": data.crop_to_portrait[:, :1]}):
        with pytest.raises(ValueError, match=r"fit|not \(n, 2, 3\)"):
            AvatarData(**{**fields, **wrong})


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Rendered data: clips, and an idle loop of pictures of the shipped avatar."""
    root = write_data(tmp_path_factory.mktemp("data"))
    idle, nova = root / "nova" / "idle", Avatar.load("nova")
    idle.mkdir()
    for k in range(12):
        cv2.imwrite(str(idle / f"{k:06d}.webp"), np.dstack(nova.idle(4 * k)))
    pose = np.random.default_rng(0).uniform(-1, 1, (12, 3))
    np.savez(idle / "params.npz", params=pose, names=np.array(rendered.POSE))
    return root


def test_avatar_when_made_from_rendered_data_then_the_face_crop_lies_on_the_face(data, tmp_path):
    assert cli.main(["studio", "avatar", "--data", str(data), "--out", str(tmp_path / "avatars" / "n")]) == 0
    avatar = Avatar.load("n", tmp_path)
    assert (avatar.spec.title, avatar.spec.licence, avatar.spec.models) == (
        "Nova",
        "Apache-2.0",
        ("nova-hd", "nova-96"),
    )
    assert avatar.n_idle == 12 and avatar.spec.consent is None
    shipped = Avatar.load("nova").spec.crop_to_portrait[0] @ [128, 200, 1]
    assert avatar.spec.crop_to_portrait[0] @ [128, 200, 1] == pytest.approx(shipped, abs=3)


def test_rendered_when_read_then_its_clips_have_pictures_mouths_sound_and_a_split(data):
    clips = rendered.read(data).clips
    assert [(clip.name, clip.split) for clip in clips] == [
        ("still_000", Split.TRAIN), ("still_001", Split.TRAIN), ("still_002", Split.TEST),
    ]  # fmt: skip
    assert next(clips[0].frames()).shape == (256, 256, 3)
    assert clips[0].mouth().shape == (50, 14)
    assert len(clips[0].samples()) == 2 * 16_000
