"""Every reader of files and messages from outside, fed with what no honest program would write.

Each must answer with the one kind of error that it promises, or with a value that its own checks hold of.
"""

import contextlib
import dataclasses
import io
import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avatar_app.contracts.clock import ManualClock
from avatar_app.contracts.errors import AvatarError, InputFileError, ModelError, SettingsError
from avatar_app.contracts.fields import check_fields
from avatar_app.contracts.input_file import read_arrays
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.gui.panel.catalogue import avatar_options, model_options
from avatar_app.live.browser.control import Action, Argument, ControlApi
from avatar_app.live.frame import Avatar, Background, PoseAssets
from avatar_app.live.frame.picture_file import picture_size
from avatar_app.live.student import list_models, ranking
from avatar_app.live.student.folder import read_manifest
from avatar_app.live.student.onnx_graph import is_whole
from avatar_app.live.webcam.face import N_LANDMARKS
from avatar_app.live.webcam.neutral import NeutralPose
from avatar_app.live.webcam.protocol import FACE, FACE_BYTES, PICTURE, Reply, read_picture, read_reply
from avatar_app.settings import store
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings
from avatar_app.settings.secret import secret
from tests.fakes.avatar_folder import write_avatar
from tests.fakes.hostile import FUZZ, bitten, check_sentence, hostile, values
from tests.fakes.model_folder import student_graph, write_models
from tests.fakes.pose_folder import POSE, write_poses


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return write_models(tmp_path_factory.mktemp("models"), "a", "b")


@pytest.fixture(scope="module")
def assets(tmp_path_factory):
    root = tmp_path_factory.mktemp("assets")
    write_avatar(root)
    return root


def good(file):
    return json.loads(file.read_text(encoding="utf-8"))


@given(data=st.data())
@FUZZ
def test_manifest_when_hostile_then_a_spec_within_its_ranges_or_one_error(models, data):
    folder = models / "b"
    (models / "c").mkdir(exist_ok=True)
    (models / "c" / "manifest.json").write_bytes(data.draw(hostile(good(folder / "manifest.json"))))
    try:
        spec = read_manifest(models / "c")
    except ModelError as error:
        check_sentence(error)
    else:
        check_fields(spec)
        assert spec.box.x + spec.box.w <= spec.size_px <= 1024
        ranking.within_budget(spec)
        assert spec.nearest_lookahead_ms(80) in spec.lookahead_ms
    options = model_options(models, "disc", models)
    assert [option.value for option in options][:2] == ["a", "b"], "one bad folder leaves the others"


@given(data=st.data())
@FUZZ
def test_avatar_when_hostile_then_drawn_or_one_error(assets, data):
    folder = assets / "avatars" / "bad"
    folder.mkdir(exist_ok=True)
    for name in ("idle", "mask.png", "reference.png"):
        if not (folder / name).exists():
            (folder / name).symlink_to(assets / "avatars" / "disc" / name)
    (folder / "avatar.json").write_bytes(data.draw(hostile(good(assets / "avatars" / "disc" / "avatar.json"))))
    try:
        avatar = Avatar.load("bad", assets)
        avatar.idle(0)
    except AvatarError as error:
        check_sentence(error)
    else:
        assert np.isfinite(avatar.spec.crop_to_portrait).all() and avatar.spec.idle_fps >= 1
    assert "disc" in [option.value for option in avatar_options(assets)]


@given(data=st.data())
@FUZZ
def test_registry_when_hostile_then_a_list_or_one_error(tmp_path_factory, data):
    root = tmp_path_factory.mktemp("registry")
    (root / "registry.json").write_bytes(data.draw(hostile({"schema": 1, "default": "a", "models": ["a", "b"]})))
    try:
        assert all(isinstance(name, str) for name in list_models(root))
    except ModelError as error:
        check_sentence(error)
    model_options(root, "disc")


@given(data=st.data())
@FUZZ
def test_settings_when_hostile_then_settings_and_at_most_one_short_notice(tmp_path_factory, data):
    paths, notices = ProfilePaths(tmp_path_factory.mktemp("profile")), NoticeBoard()
    content = data.draw(hostile(Settings(fps=30, background_picture="a.png").to_json()))
    paths.config_file.write_bytes(content)
    loaded = store.load(paths, notices)
    assert Settings(**dataclasses.asdict(loaded)) == loaded
    for notice in notices.current():
        assert len(notice.text) < 2500
    assert store.save(paths, loaded, notices) and store.load(paths, NoticeBoard()) == loaded
    (paths.dir / "profile.json").write_bytes(content)
    try:
        store.read(paths.dir / "profile.json", notices)
    except SettingsError as error:
        check_sentence(error)


@given(data=st.data())
@FUZZ
def test_ranking_when_hostile_then_one_that_can_be_used_or_none(models, tmp_path_factory, data):
    spec, cache = read_manifest(models / "a"), tmp_path_factory.mktemp("cache")
    pair = ranking.Pair("openvino", "fp32", "FP32", 1.0, 1.5)
    ranking.write(spec, cache, ranking.Ranking((pair, pair)))
    (file,) = cache.iterdir()
    file.write_bytes(data.draw(hostile(good(file))))
    found = ranking.read(spec, cache)
    if found is not None:
        found.order()


@given(data=st.data())
@FUZZ
def test_neutral_pose_when_hostile_then_one_of_a_face_or_the_one_error(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("neutral") / "neutral.json"
    file.write_bytes(data.draw(hostile(dataclasses.asdict(NeutralPose()))))
    try:
        check_fields(NeutralPose.read(file))
    except InputFileError as error:
        assert 0 < len(str(error)) < 500


@pytest.fixture(scope="module")
def poses(tmp_path_factory):
    return write_poses(tmp_path_factory.mktemp("pose"))


@given(data=st.data())
@FUZZ
def test_poses_when_hostile_then_assets_that_fit_or_one_error(poses, data):
    (poses / "pose.json").write_bytes(data.draw(hostile(POSE)))
    try:
        assets = PoseAssets.load(poses)
    except AvatarError as error:
        check_sentence(error)
    else:
        assert np.isfinite(assets.pivot).all() and assets.nodes.shape[:2] == assets.fields.shape[:2]


@pytest.mark.parametrize(
    ("file", "name", "spoil"),
    [
        ("fields", "fields", lambda a: a[:1]), ("fields", "fields", lambda a: a[..., :9]),
        ("fields", "fields", lambda a: np.full_like(a, np.nan)), ("fields", "fields", lambda a: a.astype("U8")),
        ("fields", "fields", lambda a: a[0]), ("fields", "idle", lambda a: a[:, :6]),
        ("fields", "idle", lambda a: a[:0]),
        ("fields", "idle", lambda a: a[0]), ("fields", "head_rows", lambda a: a[1:]), ("eyes", "lids", lambda a: a[0]),
        ("eyes", "lids", lambda a: a[:, :1]), ("eyes", "lids", lambda a: a.astype(float)),
        ("eyes", "mask", lambda a: a[:, 1:]), ("eyes", "corners", lambda a: a[:1]),
        ("eyes", "irises", lambda a: np.full_like(a, np.inf)), ("eyes", "openings", lambda a: a[:, 1:]),
    ],
)  # fmt: skip
def test_poses_when_an_array_does_not_fit_then_one_error_that_names_its_file(tmp_path, file, name, spoil):
    folder = write_poses(tmp_path)
    assert PoseAssets.load(folder).nodes.shape == (2, 2, 16, 16, 4)
    arrays = read_arrays(folder / f"{file}.npz", 1_000_000)
    np.savez(folder / f"{file}.npz", **{**arrays, name: spoil(arrays[name])})
    with pytest.raises(AvatarError, match=f"{file}.npz") as caught:
        PoseAssets.load(folder)
    check_sentence(caught.value)


@given(data=st.data())
@FUZZ
def test_request_when_hostile_then_an_answer_that_is_short_json(data):
    done = []
    actions = [Action(kind.name.lower(), "", kind, done.append) for kind in Argument]
    desk = ControlApi({action.name: action for action in actions}, lambda: {"is_muted": False}, ManualClock())
    text = data.draw(hostile({"id": 1, "do": "number", "value": 3})).decode(errors="replace")
    answer = desk.answer(text)
    assert isinstance(answer["ok"], bool) and len(json.dumps(answer, allow_nan=False)) < 2000
    assert isinstance(desk.answer_post("number", text)["ok"], bool)
    assert all(value is None or isinstance(value, bool | str) or np.isfinite(value) for value in done)


def reply_bytes():
    floats = np.zeros(FACE_BYTES // 4, np.float32).tobytes()
    return FACE + (7).to_bytes(4, "little") + FACE_BYTES.to_bytes(4, "little") + floats


@given(content=st.one_of(st.binary(max_size=60), bitten(reply_bytes())))
@FUZZ
def test_tracker_when_its_answer_is_nonsense_then_an_answer_or_the_end_and_never_a_long_read(content):
    asked, stream = [], io.BytesIO(content)

    def read(n):
        asked.append(n)
        return stream.read(n)

    reply = read_reply(read)
    assert max(asked) <= FACE_BYTES
    assert reply is None or isinstance(reply, Reply)
    if reply is not None and reply.detected is not None:
        assert reply.detected.points_px.shape == (N_LANDMARKS, 3) and np.isfinite(reply.detected.points_px).all()
    picture = read_picture(io.BufferedReader(io.BytesIO(content)))
    assert picture is None or picture[1].nbytes <= len(content)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("place", [0, 3, -1])
def test_tracker_when_a_measure_is_not_finite_then_the_end(value, place):
    floats = np.zeros(FACE_BYTES // 4, np.float32)
    assert read_reply(io.BytesIO(reply_bytes()).read).detected is not None
    floats[place] = value
    assert read_reply(io.BytesIO(reply_bytes()[: -len(floats.tobytes())] + floats.tobytes()).read) is None


def test_tracker_when_a_picture_of_gigabytes_is_announced_then_no_room_is_made_for_it(monkeypatch):
    monkeypatch.setattr(np, "empty", None)
    assert read_picture(io.BufferedReader(io.BytesIO(PICTURE.pack(1, 65535, 65535)))) is None


def picture_bytes():
    pixels = np.arange(64 * 48 * 3, dtype=np.uint32).astype(np.uint8).reshape(48, 64, 3)
    return {ending: cv2.imencode(ending, pixels)[1].tobytes() for ending in (".png", ".jpg", ".webp", ".bmp", ".tif")}


PICTURES = picture_bytes()


@given(content=st.one_of(st.binary(max_size=100), *(bitten(whole) for whole in PICTURES.values())))
@FUZZ
def test_background_when_the_picture_is_hostile_then_a_square_or_one_error(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("background") / "a.png"
    file.write_bytes(content)
    try:
        pixels = Background.picture(file).pixels(32)
    except SettingsError as error:
        check_sentence(error)
    else:
        assert pixels.shape == (32, 32, 3)


@pytest.mark.parametrize("ending", PICTURES)
def test_picture_size_when_whole_then_that_of_the_decoded_picture(ending):
    assert picture_size(PICTURES[ending]) == (64, 48)


@given(path=st.one_of(st.text(max_size=40), values.map(str)))
@FUZZ
def test_background_when_the_path_is_hostile_then_one_error(path):
    with pytest.raises(SettingsError) as caught:
        Background.picture(f"/nothing-here/{path}")
    check_sentence(caught.value)


GRAPH = student_graph(has_face=True).SerializeToString()


@given(content=st.one_of(st.binary(max_size=200), bitten(GRAPH)))
@FUZZ
def test_graph_when_hostile_then_whole_or_not_or_no_graph(content):
    with contextlib.suppress(ValueError):
        assert is_whole(content) in (True, False)


def arrays_bytes():
    packed = io.BytesIO()
    np.savez_compressed(packed, a=np.zeros((3, 4), np.float32), b=np.arange(5, dtype=np.uint8))
    return packed.getvalue()


@given(content=st.one_of(st.binary(max_size=200), bitten(arrays_bytes())))
@FUZZ
def test_arrays_when_hostile_then_arrays_or_the_one_error(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("arrays") / "a.npz"
    file.write_bytes(content)
    try:
        assert all(isinstance(array, np.ndarray) for array in read_arrays(file, 10_000).values())
    except InputFileError as error:
        assert str(error)


@given(content=st.binary(max_size=100))
@FUZZ
def test_secret_when_its_file_is_hostile_then_a_secret_anyway(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("secret") / "token"
    file.write_bytes(content)
    assert len(secret(file)) >= 16
