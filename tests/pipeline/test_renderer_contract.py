"""A kind of avatar that is not part of the program: a disc with a mouth that the jaw parameter opens."""

import json
import shutil
import threading
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from avatar_app.contracts.clock import ManualClock, MonotonicClock
from avatar_app.contracts.errors import AvatarError
from avatar_app.contracts.handoff import Latest
from avatar_app.contracts.head_pose import AvatarPose
from avatar_app.contracts.mouth import MOUTH_NAMES, N_MOUTH, DriverSpec, Mouth, MouthShape
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live import mouth_drivers
from avatar_app.live.frame import Background, PictureRenderer, PosedRenderer, load_avatar, renderers
from avatar_app.live.frame_thread import FrameLoop
from avatar_app.live.mic.audio_file import read_audio
from avatar_app.live.pipeline import LivePipeline
from avatar_app.live.runtime.meters import StageMeters
from avatar_app.progress import ProgressBar
from avatar_app.render import RenderJob, render
from avatar_app.settings.paths import ProfilePaths, assets_dir, demo_sample
from avatar_app.settings.schema import Settings
from tests.fakes.avatar_folder import write_avatar

SIZE_PX = 64
JAW = MOUTH_NAMES.index("jawOpen")
MOUTH_PX = slice(24, 40)


class DiscRenderer:
    """The jaw opens a dark bar; the yaw moves it sideways."""

    size_px, idle_fps, n_idle, turns_head = SIZE_PX, 25, 1, True

    def __init__(self, grey: int) -> None:
        self.grey = grey
        self.behind = None

    def set_background(self, background):
        self.behind = background.pixels(SIZE_PX)

    def render(self, idle_index, mouth=None, pose=None):
        picture = self.empty()
        y, x = np.mgrid[:SIZE_PX, :SIZE_PX] - 32
        picture[np.hypot(x, y) < 30] = (self.grey, self.grey, self.grey, 255)
        jaw = 0.0 if mouth is None or mouth.shape is None else mouth.weight * float(mouth.shape.parameters[JAW])
        left = MOUTH_PX.start + (0 if pose is None else round(pose.yaw_deg))
        picture[40 : 40 + round(10 * jaw), left : left + 16, :3] = 0
        return picture

    def prepare(self, idle_index):
        pass

    def empty(self):
        picture = np.zeros((SIZE_PX, SIZE_PX, 4), np.uint8)
        if self.behind is not None:
            picture[..., :3], picture[..., 3] = self.behind, 255
        return picture


class DiscAvatar:
    def __init__(self, folder: Path) -> None:
        self.id = folder.name
        self.grey = json.loads((folder / "avatar.json").read_text())["grey"]

    def face_input(self, size_px):
        raise AvatarError("A disc has no face.", "Choose another model.")

    def renderer(self, *, turns_head=False):
        return DiscRenderer(self.grey)


@pytest.fixture
def assets(tmp_path, monkeypatch):
    """Assets with an avatar of a kind that the test adds."""
    monkeypatch.setitem(renderers.AVATAR_KINDS, "disc", DiscAvatar)
    (tmp_path / "avatars" / "moon").mkdir(parents=True)
    (tmp_path / "avatars" / "moon" / "avatar.json").write_text(json.dumps({"kind": "disc", "grey": 200}))
    return tmp_path


def jaw_open(jaw: float, index: int, t_ns: int) -> Mouth:
    parameters = np.zeros(N_MOUTH, np.float32)
    parameters[JAW] = jaw
    return Mouth(t_ns, t_ns, index, MouthShape(parameters=parameters), 1.0)


def test_renderer_when_it_is_added_from_outside_then_the_frame_thread_shows_it(assets):
    clock, mouth, pose = ManualClock(NS_PER_S), Latest[Mouth](), [None]
    frame = FrameLoop(clock, StageMeters(), mouth, 25, lambda t_ns: pose[0])
    sink = frame.pictures.add()
    frame.set_renderer(load_avatar("moon", assets).renderer())
    frame.set_background(Background.colour("#0000ff"))

    def tick():
        frame.step(threading.Event())
        return sink.take().pixels

    silent = tick()
    assert silent.shape == (SIZE_PX, SIZE_PX, 4) and tuple(silent[0, 0]) == (255, 0, 0, 255)
    mouth.put(jaw_open(1.0, 0, clock.now_ns()))
    talking = tick()
    assert (talking[40:50, MOUTH_PX, :3] == 0).all() and (silent[40:50, MOUTH_PX, :3] == 200).all()
    pose[0] = AvatarPose(yaw_deg=5.0, weight=1.0)
    assert (tick()[42, 29:45, :3] == 0).all()
    frame.set_hidden(is_hidden=True)
    assert (tick() == (255, 0, 0, 255)).all()


def test_load_when_the_kind_is_unknown_then_the_sentence_says_so(assets):
    (assets / "avatars" / "moon" / "avatar.json").write_text(json.dumps({"kind": "hologram"}))
    with pytest.raises(AvatarError, match="of the kind 'hologram', which this version does not support"):
        load_avatar("moon", assets)


def test_load_when_the_folder_names_no_kind_then_its_head_turns_if_there_are_poses(tmp_path):
    assert "kind" not in json.loads((assets_dir() / "avatars" / "nova" / "avatar.json").read_text())
    assert isinstance(load_avatar("nova").renderer(), PictureRenderer)
    assert isinstance(load_avatar("nova").renderer(turns_head=True), PosedRenderer)
    write_avatar(tmp_path)
    assert isinstance(load_avatar("disc", tmp_path).renderer(), PictureRenderer)
    with pytest.raises(AvatarError, match="cannot be turned"):
        load_avatar("disc", tmp_path).renderer(turns_head=True)


def test_load_when_the_kind_is_picture_then_its_head_does_not_turn(tmp_path):
    shutil.copytree(assets_dir() / "avatars" / "nova", tmp_path / "avatars" / "nova")
    description = tmp_path / "avatars" / "nova" / "avatar.json"
    about = json.loads(description.read_text())
    description.write_text(json.dumps({**about, "kind": "posed"}))
    assert load_avatar("nova", tmp_path).renderer(turns_head=True).turns_head
    description.write_text(json.dumps({**about, "kind": "picture"}))
    assert not load_avatar("nova", tmp_path).renderer().turns_head
    with pytest.raises(AvatarError, match="cannot be turned"):
        load_avatar("nova", tmp_path).renderer(turns_head=True)


def test_load_when_the_avatar_lies_in_the_users_folder_then_found_after_the_shipped_ones(tmp_path, assets):
    user_dir = tmp_path / "user"
    for name in ("moon", "sun"):
        (user_dir / name).mkdir(parents=True)
        (user_dir / name / "avatar.json").write_text(json.dumps({"kind": "disc", "grey": 9}))
    assert load_avatar("sun", assets, user_dir).grey == 9
    assert load_avatar("moon", assets, user_dir).grey == 200
    with pytest.raises(AvatarError, match="no avatar named 'mars'") as caught:
        load_avatar("mars", assets, user_dir)
    assert "moon, sun" in str(caught.value.what_to_do)


@pytest.fixture
def users_moon(assets, tmp_path):
    """The paths of a user who has an avatar and a model of kinds that the tests add."""
    paths = ProfilePaths(tmp_path / "profile")
    shutil.copytree(assets / "avatars" / "moon", paths.avatars_dir / "moon")
    (paths.models_dir / "jaw").mkdir(parents=True)
    (paths.models_dir / "jaw" / "manifest.json").write_text(json.dumps({"kind": "jaw"}))
    return paths


class JawDriver:
    """Opens the jaw for every speech."""

    spec, engine_name, precision_label = DriverSpec("jaw", "Jaw", 4, (0,), 0), "", ""

    def drive(self, mel, lookahead_ms):
        return jaw_open(1.0, 0, 0).shape

    def close(self):
        pass


def test_render_command_when_avatar_and_model_are_of_added_kinds_then_the_video_shows_them(
    users_moon, tmp_path, monkeypatch
):
    monkeypatch.setitem(mouth_drivers.DRIVERS, "jaw", lambda folder, options: JawDriver())
    soundfile.write(tmp_path / "voice.wav", read_audio(demo_sample())[:16_000], 16_000)
    settings = Settings(avatar="moon", model="jaw")
    job = RenderJob(tmp_path / "voice.wav", tmp_path / "moon.mp4", settings, users_moon, "#0000ff", crf=0)
    assert render(job, ProgressBar()).n_pictures == 25
    with av.open(str(job.out)) as container:
        pictures = np.stack([picture.to_ndarray(format="bgr24") for picture in container.decode(video=0)])
    assert pictures.shape == (25, SIZE_PX, SIZE_PX, 3)
    jaws = pictures[:, 41:49, 26:38].mean(axis=(1, 2, 3))
    assert jaws.min() < 30 and jaws.max() > 180


def test_pipeline_when_avatar_and_model_are_of_added_kinds_then_it_shows_them(users_moon, monkeypatch):
    monkeypatch.setitem(mouth_drivers.DRIVERS, "jaw", lambda folder, options: JawDriver())
    pipeline = LivePipeline(
        Settings(mic="demo", avatar="moon", model="jaw"), users_moon, MonotonicClock(), NoticeBoard()
    )
    sink = pipeline.pictures.add()
    pipeline.start()
    try:
        pictures = [sink.take(timeout_s=1.0) for _ in range(200)]
    finally:
        pipeline.close()
    levels = [picture.pixels[41:49, 26:38, :3].mean() for picture in pictures if picture is not None]
    assert min(levels) < 10 and max(levels) > 190
