"""A mouth driver that is not part of the program: the loudness of the sound opens the jaw."""

import json
import threading

import numpy as np
import pytest

from avatar_app.contracts.clock import ManualClock, MonotonicClock
from avatar_app.contracts.errors import ModelError
from avatar_app.contracts.handoff import Latest, Ring
from avatar_app.contracts.mouth import MOUTH_NAMES, N_MOUTH, DriverSpec, Mouth, MouthShape, Patch, PatchBox, PatchPlace
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import AudioBlock
from avatar_app.contracts.units import NS_PER_S
from avatar_app.live import mouth_drivers
from avatar_app.live.frame import load_avatar
from avatar_app.live.frame_thread import FrameLoop
from avatar_app.live.mic.audio_file import read_audio
from avatar_app.live.mouth_drivers import DriverOptions, open_driver
from avatar_app.live.pipeline import LivePipeline
from avatar_app.live.runtime.meters import StageMeters
from avatar_app.live.speech_thread import SpeechLoop
from avatar_app.live.student import Student
from avatar_app.settings.paths import ProfilePaths, demo_sample
from avatar_app.settings.schema import Settings
from tests.fakes.model_folder import write_models

PLACE = PatchPlace(PatchBox(32, 144, 192, 112), 256)
JAW = MOUTH_NAMES.index("jawOpen")
NEVER = threading.Event()


class LoudnessDriver:
    """Gives the jaw as a parameter and as a patch that is darker the wider the jaw is open."""

    engine_name, precision_label = "", ""

    def __init__(self, spec: DriverSpec) -> None:
        self.spec = spec
        self.is_closed = False

    def drive(self, mel: np.ndarray, lookahead_ms: int) -> MouthShape:
        parameters = np.zeros(N_MOUTH, np.float32)
        parameters[JAW] = np.clip((mel.mean() + 4) / 4, 0, 1)
        pixels = np.full((PLACE.box.h, PLACE.box.w, 3), 255 * (1 - parameters[JAW]), np.uint8)
        return MouthShape(Patch(pixels, PLACE), parameters)

    def close(self) -> None:
        self.is_closed = True


def open_loudness(folder, options):
    about = json.loads((folder / "manifest.json").read_text())
    return LoudnessDriver(DriverSpec(folder.name, about["title"], 4, (0, 80), 80))


@pytest.fixture
def user_dir(tmp_path, monkeypatch):
    """The user's models, with one of a kind that the test adds."""
    monkeypatch.setitem(mouth_drivers.DRIVERS, "loudness", open_loudness)
    paths = ProfilePaths(tmp_path)
    (paths.models_dir / "loud").mkdir(parents=True)
    (paths.models_dir / "loud" / "manifest.json").write_text(json.dumps({"kind": "loudness", "title": "Loud"}))
    return paths.models_dir


def face_of(avatar_id, size_px):
    return load_avatar(avatar_id).face_input(size_px)


def test_driver_when_it_is_added_from_outside_then_drives_the_speech_and_frame_threads(user_dir):
    clock, mouth, ring = ManualClock(NS_PER_S), Latest[Mouth](), Ring[AudioBlock](1)
    speech, frame = SpeechLoop(clock, StageMeters(), mouth), FrameLoop(clock, StageMeters(), mouth, 25)
    speech.set_driver(open_driver("loud", DriverOptions(face_of), user_dir=user_dir))
    frame.set_renderer(load_avatar("nova").renderer())
    sink, step, samples = frame.pictures.add(), speech.run(lambda: ring), read_audio(demo_sample())[:32_000]
    jaws, levels = [], []
    for start in range(0, len(samples), 160):
        ring.put(AudioBlock(clock.now_ns(), start, samples[start : start + 160]))
        step(NEVER)
        if mouth.n_put > len(jaws):
            frame.step(NEVER)
            newest = frame._mouth
            jaws.append(0.0 if newest.shape is None else newest.weight * float(newest.shape.parameters[JAW]))
            levels.append(float(sink.take().pixels[300:340, 236:276, :3].mean()))
    assert len(jaws) > 40 and max(jaws) > 0.5
    # The wider the jaw, the darker the patch on the picture.
    assert np.corrcoef(jaws[10:], levels[10:])[0, 1] < -0.5


def test_driver_when_it_is_chosen_in_the_settings_then_the_whole_pipeline_uses_it(user_dir, tmp_path):
    settings = Settings(mic="demo", model="loud", lookahead_ms=0)
    pipeline = LivePipeline(settings, ProfilePaths(tmp_path), MonotonicClock(), NoticeBoard())
    sink = pipeline.pictures.add()
    pipeline.start()
    try:
        for _ in range(500):
            sink.take(timeout_s=0.2)
            if pipeline.status().t_first_mouth_ns is not None:
                break
        status = pipeline.status()
    finally:
        pipeline.close()
    assert status.t_first_mouth_ns is not None
    assert (status.model, status.lookahead_ms, status.engine) == ("loud", 0, "")


def test_open_when_the_manifest_names_no_kind_then_a_student_with_its_face(tmp_path):
    models = write_models(tmp_path / "models", "a")
    asked = []
    options = DriverOptions(lambda *face: asked.append(face) or np.zeros((1, 6, 16, 16), np.float32), "fp32")
    driver = open_driver("a", options, models_dir=models)
    assert isinstance(driver, Student) and asked == [("disc", 16)]
    shape = driver.drive(np.zeros((80, driver.spec.n_mel_columns), np.float32), 80)
    assert shape.parameters is None and shape.patch.pixels.shape == (6, 8, 3)
    driver.close()


def test_open_when_the_kind_is_unknown_then_the_sentence_says_so(tmp_path):
    models = write_models(tmp_path / "models", "a")
    manifest = models / "a" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "kind": "puppet"}))
    with pytest.raises(ModelError, match="of the kind 'puppet', which this version does not support"):
        open_driver("a", DriverOptions(face_of), models_dir=models)
