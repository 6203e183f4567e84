"""Finds the landmarks of the face in every picture of a take, with the face tracker of the webcam."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from avatar_app.contracts.errors import InputFileError, StudioError
from avatar_app.contracts.input_file import read_arrays
from avatar_app.contracts.packets import UInt8
from avatar_app.live.webcam.face import N_LANDMARKS
from avatar_app.live.webcam.package import require_package
from avatar_app.live.webcam.protocol import FAILED, READY, DetectedFace, Reply
from avatar_app.live.webcam.tracker_process import RECORDING_COMMAND, Tracker, TrackerProcess
from avatar_app.studio.data.cache_file import written
from avatar_app.studio.enrol.person.material import FaceTrack, Take
from avatar_app.studio.enrol.person.takes import Progress, part_of

# Larger pictures are scaled down for the tracker, which looks at 192 px of the face.
MAX_SIDE_PX = 1280
# Two minutes have 18 MB.
MAX_TRACK_BYTES = 200_000_000
# On a busy machine; mediapipe loads in a second, and takes a few milliseconds for a picture.
START_S, REPLY_S = 60.0, 30.0
WAIT_S = 0.2
# A tracker that ends or hangs is started again, and gets the same picture once more.
N_TRIES = 3

BLACK: UInt8 = np.zeros((64, 64, 3), np.uint8)

OpenTracker = Callable[[], Tracker]


def open_recording_tracker() -> Tracker:
    """Start a tracker process that checks every picture.

    Raises:
        MissingExtraError: mediapipe is not installed.
        CameraInputError: the process cannot be started.
    """
    require_package()
    return TrackerProcess(RECORDING_COMMAND)


def track_take(
    take: Take,
    open_tracker: OpenTracker = open_recording_tracker,
    progress: Progress = lambda n_done, n_all: None,
    max_side_px: int = MAX_SIDE_PX,
) -> FaceTrack:
    """Track the face in a take, picture by picture; none is left out.

    Args:
        take: the recording.
        open_tracker: starts a tracker.
        progress: called after each picture.
        max_side_px: larger pictures are scaled down for the tracker.

    Raises:
        StudioError: the tracker fails repeatedly.
        MissingExtraError, CameraInputError: it cannot be started.
    """
    with contextlib.closing(_Session(open_tracker)) as session:
        return _track(take, session, progress, max_side_px)


def _track(take: Take, session: _Session, progress: Progress, max_side_px: int) -> FaceTrack:
    n_all = len(take.pictures)
    track = FaceTrack(
        np.full((n_all, N_LANDMARKS, 3), np.nan, np.float32), np.zeros(n_all, np.float32), np.zeros(n_all, np.int64)
    )
    height, width = take.pictures.shape[1:3]
    scale = min(1.0, max_side_px / max(height, width))
    size = (round(width * scale), round(height * scale))
    # Landmarks are relative to the edges of the picture; depth has the scale of x.
    ratio = np.array([width / size[0], height / size[1], width / size[0]], np.float32)
    session.forget()
    for k, picture in enumerate(take.pictures):
        detected = session.track(_scaled(np.asarray(picture), size))
        if detected is not None:
            track.landmarks_px[k] = detected.points_px * ratio
            track.confidence[k], track.n_faces[k] = detected.confidence, detected.n_faces
        progress(k + 1, n_all)
    return track


def track_takes(
    takes: Sequence[Take],
    folder: Path,
    open_tracker: OpenTracker = open_recording_tracker,
    progress: Progress = lambda n_done, n_all: None,
) -> list[FaceTrack]:
    """Track the face in all takes; tracks that an earlier run stored are read.

    Args:
        takes: the recordings.
        folder: for a file of each take, made if missing.
        open_tracker: starts a tracker.
        progress: called after each picture.

    Raises:
        StudioError: a file cannot be written, or see `track_take`.
        MissingExtraError, CameraInputError: see `track_take`.
    """
    tracks, n_before, n_all = [], 0, sum(len(take.pictures) for take in takes)
    with contextlib.closing(_Session(open_tracker)) as session:
        for take in takes:
            file = folder / f"{take.name}.npz"
            track = load_track(file, take)
            if track is None:
                track = _track(take, session, part_of(progress, n_before, n_all), MAX_SIDE_PX)
                save_track(file, take, track)
            n_before += len(take.pictures)
            progress(n_before, n_all)
            tracks.append(track)
    return tracks


def save_track(file: Path, take: Take, track: FaceTrack) -> None:
    """Write the track of a take as `.npz`, in one step.

    Raises:
        StudioError: the file cannot be written.
    """
    with written(file) as opened:
        np.savez(
            opened,
            landmarks_px=track.landmarks_px,
            confidence=track.confidence,
            n_faces=track.n_faces,
            of=np.array(_fingerprint(take)),
        )


def load_track(file: Path, take: Take) -> FaceTrack | None:
    """Read the track of a take that `save_track` wrote; None if it is missing, damaged, or of another take."""
    try:
        data = read_arrays(file, MAX_TRACK_BYTES)
        landmarks_px, confidence, n_faces = data["landmarks_px"], data["confidence"], data["n_faces"]
        is_of_take = str(data["of"]) == _fingerprint(take)
    except (InputFileError, KeyError):
        return None
    n = len(take.pictures)
    is_whole = landmarks_px.shape == (n, N_LANDMARKS, 3) and confidence.shape == n_faces.shape == (n,)
    if not is_of_take or not is_whole:
        return None
    return FaceTrack(landmarks_px.astype(np.float32), confidence.astype(np.float32), n_faces.astype(np.int64))


class _Session:
    """A tracker that is started again when it fails. Thread: one."""

    def __init__(self, open_tracker: OpenTracker) -> None:
        self._open_tracker = open_tracker
        self._tracker: Tracker | None = None
        self._number = 0

    def track(self, picture: UInt8) -> DetectedFace | None:
        """Track one picture, and wait for the result.

        Raises:
            StudioError: the tracker failed repeatedly.
        """
        for _ in range(N_TRIES):
            reply = self._try(picture)
            if reply is not None:
                return reply.detected
            self.close()
        raise _failed("it ended or did not reply")

    def forget(self) -> None:
        """Let a running tracker lose the face, so that the next picture is treated as the first one."""
        if self._tracker is not None and self.track(BLACK) is not None:
            self.close()

    def close(self) -> None:
        """End the tracker; a second call does nothing."""
        if self._tracker is not None:
            self._tracker.close()
        self._tracker = None

    def _try(self, picture: UInt8) -> Reply | None:
        tracker = self._tracker
        if tracker is None:
            tracker = self._tracker = self._open_tracker()
            ready = _receive(tracker, START_S)
            if ready is None or ready.kind != READY:
                return None
        self._number += 1
        tracker.send(self._number, picture)
        return _receive(tracker, REPLY_S)


def _receive(tracker: Tracker, limit_s: float) -> Reply | None:
    """The next reply; None if the tracker ended, or none came in time.

    Raises:
        StudioError: the tracker cannot run.
    """
    t_limit_s = time.monotonic() + limit_s
    while time.monotonic() < t_limit_s:
        was_alive = tracker.is_alive
        reply = tracker.receive(WAIT_S)
        if reply is not None and reply.kind == FAILED:
            raise _failed(reply.problem)
        if reply is not None or not was_alive:
            return reply
    return None


def _failed(why: str) -> StudioError:
    return StudioError(
        f"The face tracker does not run ({why.rstrip('.')}).",
        "Run `avatar-app webcam setup`, then give the same command again.",
    )


def _scaled(picture: UInt8, size: tuple[int, int]) -> UInt8:
    if picture.shape[1::-1] == size:
        return picture
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _fingerprint(take: Take) -> str:
    """Changes with the recording; its sound is as good a mark as its pictures, and much smaller."""
    return hashlib.sha256(repr(take.pictures.shape).encode() + take.samples.tobytes()).hexdigest()
