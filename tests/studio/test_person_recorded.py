"""From a video file to checked face crops, with a fake tracker: the first steps of an enrolment in one run."""

import cv2
import numpy as np
import pytest

from avatar_app.contracts.avatar_data import Consent
from avatar_app.contracts.errors import StudioError
from avatar_app.live.mic.audio_file import read_audio
from avatar_app.live.webcam.protocol import FACE, NO_FACE, READY, DetectedFace, Reply
from avatar_app.settings.paths import demo_sample
from avatar_app.studio.enrol.person.enrol_input import EnrolInput, Recording
from avatar_app.studio.enrol.person.progress import Progress
from avatar_app.studio.enrol.person.recorded import record
from avatar_app.studio.enrol.person.steps import Steps, steps_of
from avatar_app.studio.enrol.person.workspace import Workspace
from tests.fakes.nova_face import face
from tests.fakes.person import write_recording
from tests.fakes.webcam import FACE_AHEAD

SIZE_PX, N = 240, 255
PICTURE, LANDMARKS = (
    part
    for whole in [face()]
    for part in (
        cv2.resize(whole[0], (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA),
        (whole[1] * SIZE_PX / whole[0].shape[0]).astype(np.float32),
    )
)
LOWER_LIP = [17, 14, 87, 178, 88, 317, 402, 318, 324, 84, 181, 91, 314, 405, 321]


class Tracker:
    """Finds a talking face in every picture; `change` changes what it finds in picture k."""

    def __init__(self, change=lambda k, points: points, fails_at=None):
        self.change, self.fails_at = change, fails_at
        self.n_seen = 0

    def __call__(self):
        self.is_alive, self.replies = True, [Reply(READY)]
        return self

    def send(self, number, bgr):
        if self.n_seen == self.fails_at:
            raise KeyboardInterrupt
        points = LANDMARKS.copy()
        points[LOWER_LIP, 1] += 3.5 * (0.5 - 0.5 * np.cos(0.9 * self.n_seen))
        points = self.change(self.n_seen, points)
        self.n_seen += 1
        found = None if points is None else DetectedFace(FACE_AHEAD, 0.9, points)
        self.replies.append(Reply(NO_FACE if found is None else FACE, number, found))

    def receive(self, timeout_s):
        return self.replies.pop(0) if self.replies else None

    def close(self):
        self.is_alive = False


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    rng = np.random.default_rng(0)
    grain = rng.integers(0, 3, (8, SIZE_PX, SIZE_PX, 3), np.uint8)
    sound = np.resize(read_audio(demo_sample()), N * 640)
    return write_recording(
        tmp_path_factory.mktemp("film") / "me.mkv", [cv2.add(PICTURE, grain[k % 8]) for k in range(N)], sound
    )


def run(folder, video, tracker):
    workspace = Workspace(folder)
    consent = Consent("Ada", "It is me.", "2026-01-01")
    wanted = EnrolInput("Ada", (Recording.of(video),), (), "", "en", consent, "quick", keep_background=True)
    reports = []
    return record(Steps(workspace, Progress(steps_of("quick"), reports.append)), wanted, tracker), workspace


def test_record_when_killed_and_started_again_then_complete_and_nothing_is_tracked_twice(tmp_path, video):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "ada", video, Tracker(fails_at=100))
    recorded, workspace = run(tmp_path / "ada", video, Tracker(lambda k, points: None if 40 <= k < 60 else points))
    assert workspace.finished == ("takes", "track", "crop")
    assert workspace.facts("crop")["advice"] == []
    assert [len(crops.frames) for crops in recorded.crops] == [N]
    # The face was lost for a moment.
    assert np.flatnonzero(~recorded.crops[0].is_usable).tolist() == list(range(40, 60))
    again, _ = run(tmp_path / "ada", video, Tracker(fails_at=0))
    assert (again.crops[0].is_usable == recorded.crops[0].is_usable).all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda k, points: LANDMARKS, "does not move, as in a photo or a drawing"),
        (lambda k, points: None if k % 4 else points, "No face was found in most pictures"),
    ],
)
def test_record_when_the_video_cannot_work_then_one_sentence_and_no_crops(tmp_path, video, change, sentence):
    with pytest.raises(StudioError, match=sentence):
        run(tmp_path / "ada", video, Tracker(change))
    workspace = Workspace(tmp_path / "ada")
    assert not workspace.is_finished("crop")
