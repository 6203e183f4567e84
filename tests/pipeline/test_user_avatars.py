"""Avatars in the user's data folder, with their own models: chosen as the shipped ones, in the whole live path."""

import shutil
import threading
import time

import pytest

from avatar_app import doctor
from avatar_app.contracts.clock import ManualClock, MonotonicClock
from avatar_app.contracts.errors import ModelError
from avatar_app.contracts.handoff import Latest
from avatar_app.contracts.mouth import Mouth, MouthShape
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live import loader
from avatar_app.live.avatar_models import choose_model, models_of
from avatar_app.live.frame import load_avatar
from avatar_app.live.frame_thread import FrameLoop
from avatar_app.live.library import delete_avatar
from avatar_app.live.loader import AvatarSlot
from avatar_app.live.pipeline import LivePipeline
from avatar_app.live.runtime.meters import StageMeters
from avatar_app.live.runtime.slot import Refused
from avatar_app.live.speech_thread import SpeechLoop
from avatar_app.live.student.engines import installed_engines
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings
from tests.fakes.avatar_folder import write_avatar
from tests.fakes.model_folder import change_manifest, write_model
from tests.fakes.own_avatar import change_avatar, write_own

NEVER = threading.Event()
WAIT_S = 60


@pytest.fixture
def paths(tmp_path):
    return ProfilePaths(tmp_path)


class Desk:
    """A running pipeline with two avatars of the user; it begins with the first."""

    def __init__(self, paths, **changes) -> None:
        self.paths, self.notices = paths, NoticeBoard()
        self.settings = Settings(avatar="ada", mic="demo", precision="fp32", engine="onnxruntime-cpu").replace(
            **changes
        )
        self.pipeline = LivePipeline(self.settings, paths, MonotonicClock(), self.notices)
        self.pipeline.start()

    def change(self, **changes) -> None:
        self.settings = self.settings.replace(**changes)
        self.pipeline.apply(self.settings)

    def told(self):
        """The notices, without those about a busy machine."""
        return tuple(notice for notice in self.notices.current() if not notice.key.startswith("stall"))

    def settle(self) -> tuple[str, str]:
        """Wait until no part is being opened; the avatar and the model in use."""
        for _ in range(2):
            for slot in (self.pipeline._avatar, self.pipeline._model):
                slot.wait_until_idle()
        avatar = self.pipeline._avatar.part
        return "" if avatar is None else avatar.id, self.pipeline.status().model

    def wait_for(self, is_so) -> None:
        t_limit_s = time.monotonic() + WAIT_S
        while not is_so() and time.monotonic() < t_limit_s:
            time.sleep(0.01)
        assert is_so()


@pytest.fixture
def make_desk(paths):
    made = []

    def make(**changes):
        made.append(Desk(paths, **changes))
        return made[-1]

    yield make
    for desk in made:
        desk.pipeline.close()


@pytest.fixture
def desk(paths, make_desk):
    write_own(paths, "ada", ("ada-hd", "ada-96"))
    write_own(paths, "bob", ("bob-hd",))
    made = make_desk()
    assert made.settle() == ("ada", "ada-hd")
    return made


def test_avatar_when_it_is_the_users_then_the_live_path_opens_it(tmp_path):
    write_avatar(tmp_path, "mine")
    notices, frame = NoticeBoard(), FrameLoop(ManualClock(), StageMeters(), Latest(), 25)
    slot = AvatarSlot(Settings(), notices, ProfilePaths(tmp_path), frame)
    slot.start()
    try:
        slot.request(Settings(avatar="mine"))
        assert slot.wait_until_idle().id == "mine" and notices.current() == ()
    finally:
        slot.stop()
        slot.join(30)


def test_avatar_when_another_one_is_chosen_then_it_speaks_with_its_own_model(desk, monkeypatch):
    real, n_opened = loader.open_driver, []
    monkeypatch.setattr(loader, "open_driver", lambda *a, **b: n_opened.append(a[0]) or real(*a, **b))
    sink = desk.pipeline.pictures.add()
    desk.change(avatar="bob", model="")
    assert desk.settle() == ("bob", "bob-hd") and desk.told() == ()
    assert desk.pipeline.settings == desk.settings
    desk.wait_for(lambda: desk.pipeline.status().t_first_mouth_ns is not None)
    assert sink.take(timeout_s=WAIT_S).pixels.shape == (128, 128, 4)
    assert n_opened == ["bob-hd"], "once"
    desk.change(avatar="ada", model="ada-96")
    assert desk.settle() == ("ada", "ada-96")


@pytest.mark.parametrize("precision", ["auto", "fp32", "fp16"])
@pytest.mark.parametrize("engine", ["auto", *installed_engines()])
def test_model_when_it_is_the_users_then_it_runs_in_every_precision_and_engine(desk, engine, precision, monkeypatch):
    monkeypatch.setattr("avatar_app.live.student.measuring.start_measuring", no_child)
    desk.change(avatar="bob", model="", engine=engine, precision=precision)
    assert desk.settle() == ("bob", "bob-hd") and desk.told() == ()
    status = desk.pipeline.status()
    assert engine in ("auto", status.engine) and (precision == "auto" or status.precision.lower().startswith(precision))


def no_child(*arguments, **more):
    raise OSError("no child process in tests")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (
            lambda paths: shutil.rmtree(paths.models_dir / "bob-hd"),
            "has no model that generates its mouth: bob-hd is missing",
        ),
        (lambda paths: (paths.models_dir / "bob-hd" / "student-fp32.onnx").write_bytes(b"x"), "wrong checksum"),
        (lambda paths: (paths.models_dir / "bob-hd" / "manifest.json").write_text("{"), "manifest"),
        (lambda paths: (paths.avatars_dir / "bob" / "mask.png").unlink(), "mask.png"),
        (lambda paths: delete_avatar("bob", paths), "There is no avatar named 'bob'"),
    ],
)
def test_avatar_when_it_or_its_model_cannot_be_used_then_one_sentence_and_the_last_good_pair_stays(
    desk, spoil, sentence
):
    desk.change(model="ada-96")
    assert desk.settle() == ("ada", "ada-96")
    desk.pipeline.take_results()
    spoil(desk.paths)
    desk.change(avatar="bob", model="")
    assert desk.settle() == ("ada", "ada-96")
    (notice,) = desk.told()
    assert sentence in notice.text and notice.what_to_do and not notice.is_lasting
    (refused,) = [result for result in desk.pipeline.take_results() if isinstance(result, Refused)]
    assert refused.fields == ("avatar", "model"), "the window takes both back"
    in_use = desk.pipeline.settings
    assert (in_use.avatar, in_use.model) == ("ada", "ada-96")


def test_model_when_it_is_of_another_avatar_then_one_sentence_and_the_old_one_stays(desk):
    desk.change(model="bob-hd")
    assert desk.settle() == ("ada", "ada-hd")
    (notice,) = desk.told()
    assert notice.text == "The model bob-hd was made for another avatar than ada."
    assert notice.what_to_do == "Choose one of: ada-hd, ada-96."
    desk.change(avatar="bob", model="")
    assert desk.settle() == ("bob", "bob-hd") and desk.told() == ()


def test_precision_when_it_changes_while_a_bad_avatar_is_opened_then_the_avatar_in_use_gets_it(desk):
    desk.change(model="ada-96")
    assert desk.settle() == ("ada", "ada-96")
    (desk.paths.models_dir / "bob-hd" / "student-fp16.onnx").write_bytes(b"x")
    desk.change(avatar="bob", model="", precision="fp16")
    desk.change(precision="fp16", engine="openvino")
    assert desk.settle() == ("ada", "ada-96")
    assert desk.pipeline.status().engine == "openvino" and desk.pipeline.settings.model == "ada-96"


def test_model_of_the_avatar_before_when_it_opens_later_than_another_avatar_then_it_is_not_used(desk, monkeypatch):
    real, may_open, is_opening = loader.open_driver, threading.Event(), threading.Event()

    def open_slowly(model_id, *rest, **options):
        if model_id == "ada-96":
            is_opening.set()
            assert may_open.wait(WAIT_S)
        return real(model_id, *rest, **options)

    monkeypatch.setattr(loader, "open_driver", open_slowly)
    desk.change(model="ada-96")
    assert is_opening.wait(WAIT_S)
    desk.change(avatar="bob", model="")
    desk.pipeline._avatar.wait_until_idle()
    may_open.set()
    assert desk.settle() == ("bob", "bob-hd")


def test_avatar_when_changed_quickly_then_the_last_one_wins_with_its_model(desk):
    for avatar in ("bob", "ada", "bob", "ada", "bob"):
        desk.change(avatar=avatar, model="")
    desk.wait_for(lambda: desk.settle() == ("bob", "bob-hd"))
    speech = desk.pipeline._speech
    desk.wait_for(lambda: speech._driver is not None and speech._driver.spec.id == "bob-hd")
    assert desk.told() == ()


def test_avatar_when_it_was_made_again_then_it_is_opened_again_with_its_model(desk):
    before = desk.pipeline._avatar.part, desk.pipeline._model.part
    desk.pipeline.refresh_avatar()
    assert desk.settle() == ("ada", "ada-hd")
    assert desk.pipeline._avatar.part is not before[0] and desk.pipeline._model.part is not before[1]


def test_start_when_the_avatar_is_gone_then_the_programs_own_is_the_one_to_go_on_with(make_desk):
    desk = make_desk(avatar="gone", model="gone-hd")
    desk.settle()
    (notice,) = desk.told()
    assert "There is no avatar named 'gone'" in notice.text
    assert any(isinstance(result, Refused) for result in desk.pipeline.take_results())
    in_use = desk.pipeline.settings
    assert (in_use.avatar, in_use.model) == ("nova", "")
    desk.change(avatar="nova", model="")
    assert desk.settle() == ("nova", "nova-hd")


def test_settings_when_the_first_avatar_is_gone_then_its_model_is_not_in_use_while_another_one_is_opened(
    make_desk, monkeypatch
):
    real, may_open = loader.open_driver, threading.Event()
    monkeypatch.setattr(loader, "open_driver", lambda *a, **b: (may_open.wait(WAIT_S), real(*a, **b))[1])
    desk = make_desk(avatar="gone", model="gone-hd")
    desk.pipeline._avatar.wait_until_idle()
    in_use = desk.pipeline.settings
    may_open.set()
    assert (in_use.avatar, in_use.model) == ("nova", "")


def test_frame_when_another_avatar_waits_for_its_mouths_then_the_older_mouth_is_never_on_it(tmp_path):
    first, second = (load_avatar(write_avatar(tmp_path, name).name, user_dir=tmp_path / "avatars") for name in "ab")
    clock, mouths = ManualClock(NS_PER_S), Latest[Mouth]()
    frame = FrameLoop(clock, StageMeters(), mouths, 25)
    frame.set_renderer(first.renderer())
    mouths.put(Mouth(clock.now_ns(), clock.now_ns(), 0, MouthShape(), 1.0))
    frame.step(NEVER)
    renderer, later = second.renderer(), second.renderer()
    frame.set_renderer(renderer, awaits_mouths=True)
    frame.step(NEVER)
    assert frame._renderer is not renderer and frame._mouth is not None
    # As the webcam's slot does, while the speech thread still uses the older model.
    frame.set_renderer(later)
    frame.step(NEVER)
    assert frame._renderer is not later
    mouths.put(Mouth(clock.now_ns(), clock.now_ns(), 1, MouthShape(), 1.0))
    frame.change_mouths()
    frame.step(NEVER)
    assert frame._renderer is later and frame._mouth is None
    frame.change_mouths()
    frame.step(NEVER)
    assert frame._renderer is later


class Driver:
    def __init__(self):
        self.is_closed = False

    def close(self):
        self.is_closed = True


def test_speech_when_another_driver_comes_then_its_call_follows_the_last_mouth_of_the_older_one():
    speech, called = SpeechLoop(ManualClock(), StageMeters(), Latest()), []
    old, lost, new = Driver(), Driver(), Driver()
    speech._driver = old
    speech.set_driver(lost, lambda: called.append(speech._driver))
    speech.set_driver(new)
    assert called == []
    speech._adopt_driver()
    assert called == [new] and old.is_closed
    speech._adopt_driver()
    assert called == [new]


def test_models_when_listed_then_the_avatars_order_comes_first_and_other_avatars_are_left_out(paths):
    write_own(paths, "ada", ("a-one", "z-two", "m-three"))
    write_own(paths, "bob", ("bob-hd",))
    change_avatar(paths.avatars_dir / "ada", models=["z-two", "gone", "a-one"])
    folders = {"user_avatars": paths.avatars_dir, "user_models": paths.models_dir}
    assert models_of("ada", **folders) == ("z-two", "a-one", "m-three")
    assert choose_model("ada", "", paths) == "z-two" and choose_model("ada", "m-three", paths) == "m-three"
    assert choose_model("nova", "", paths) == "nova-hd"
    assert models_of("nova", **folders) == ("nova-hd", "nova-96")
    shutil.copytree(paths.models_dir / "a-one", paths.models_dir / "a-one.unfinished")
    assert models_of("ada", **folders) == ("z-two", "a-one", "m-three")


def test_model_when_made_for_every_avatar_then_it_may_be_named(paths):
    write_own(paths, "ada", ("ada-hd",))
    change_manifest(write_model(paths.models_dir / "any"), avatar_id="")
    assert choose_model("ada", "any", paths) == "any"
    assert "any" not in models_of("ada", user_avatars=paths.avatars_dir, user_models=paths.models_dir)


@pytest.mark.parametrize("models", [[], ["gone"], "ada-hd", [7]])
def test_model_when_the_avatar_has_none_then_one_sentence(paths, models):
    change_avatar(write_own(paths, "ada", ()), models=models)
    with pytest.raises(ModelError, match="The avatar ada has no model that generates its mouth"):
        choose_model("ada", "", paths)


def test_doctor_when_the_user_has_avatars_then_checks_them_too(paths):
    n_shipped = len(list(doctor._avatars(paths)))
    folder = write_own(paths)
    shutil.copytree(folder, folder.with_name("broken"))
    (folder.with_name("broken") / "mask.png").unlink()
    found = [finding.health for finding in doctor._avatars(paths)]
    assert (len(found) - n_shipped, found.count(doctor.Health.FAILED)) == (2, 1)


def test_doctor_when_an_avatar_has_no_model_then_warns(paths):
    write_own(paths, models=())
    warnings = [finding for finding in doctor._avatars(paths) if finding.health is doctor.Health.WARNING]
    assert ["has no model" in finding.text for finding in warnings] == [True]
