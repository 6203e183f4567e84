"""Head tracking: cost of the whole program, latency of a turn, and jitter of a still head.

A video of the avatar replaces the webcam, so that no camera is needed.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from numpy.typing import NDArray

from avatar_app.bench import live, program
from avatar_app.bench.pose import pose_at
from avatar_app.contracts.head_pose import AvatarPose
from avatar_app.contracts.notices import NoticeBoard
from avatar_app.contracts.packets import UInt8
from avatar_app.live.frame import Avatar, Background, PoseAssets, load_avatar
from avatar_app.live.frame.pose_assets import PITCH, STEP_PX, TRUST, YAW
from avatar_app.live.pipeline import LivePipeline
from avatar_app.live.record.video_file import VideoFile, VideoFormat, to_i420
from avatar_app.live.webcam.package import is_installed
from avatar_app.settings import store
from avatar_app.settings.paths import ProfilePaths
from avatar_app.settings.schema import Settings

FPS = 30
VIDEO_S = 12.0
SIZE = (640, 480)
# Half as fast as in `bench.pose`: the speed at which people turn their heads.
PACE = 0.5
# Noise of a webcam indoors, per value.
NOISE_LEVELS = 4.0
WARM_UP_S = 8.0
STILL_S = 10.0
BYTES_PER_MB = 1e6
# The first start of a profile ranks the engines and is not measured.
FIRST_START_S = 20.0


def measure(settings: Settings, paths: ProfilePaths, seconds: float) -> dict[str, Any]:
    """All figures; only `is_installed` without the face tracker, see `avatar-app webcam setup`."""
    if not is_installed():
        return {"is_installed": False}
    with tempfile.TemporaryDirectory() as folder:
        moving, still = Path(folder) / "moving.mp4", Path(folder) / "still.mp4"
        write_video(moving, lambda t_s: pose_at(PACE * t_s))
        write_video(still, lambda t_s: AvatarPose(4.0, 2.0, weight=1.0))
        wanted = settings.replace(
            is_following=True, webcam=f"file:{moving}", fps=FPS, mic="demo", background="colour", is_panel_visible=False
        )
        return {
            "is_installed": True,
            **_cost(wanted, Path(folder) / "profile", seconds),
            **_latency(wanted, paths, min(seconds, STILL_S)),
            **_jitter(wanted.replace(webcam=f"file:{still}"), paths),
        }


def write_video(path: Path, pose: Callable[[float], AvatarPose], avatar_id: str = "nova") -> None:
    """Write a video of the avatar before a grey wall, with the noise of a webcam."""
    renderer, noise = load_avatar(avatar_id).renderer(turns_head=True), np.random.default_rng(0)
    renderer.set_background(Background.colour("#8c9096"))
    with VideoFile(path, VideoFormat(FPS, *SIZE, n_channels=0, crf=16)) as video:
        for k in range(round(VIDEO_S * FPS)):
            picture = _in_room(renderer.render(0, None, pose(k / FPS))).astype(np.float32)
            picture[:, :, :3] += noise.normal(0, NOISE_LEVELS, picture[:, :, :3].shape)
            video.add_picture(to_i420(np.clip(picture, 0, 255).astype(np.uint8)))
        video.finish()


def _in_room(picture: UInt8) -> UInt8:
    """The avatar's square in the middle of the camera picture."""
    side = SIZE[1]
    edge = (SIZE[0] - side) // 2
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    room: UInt8 = cv2.copyMakeBorder(small, 0, 0, edge, edge, cv2.BORDER_REPLICATE)
    return room


def _cost(settings: Settings, profile: Path, seconds: float) -> dict[str, Any]:
    """Processor and memory of the program and its tracker process."""
    store.save(ProfilePaths(profile), settings, NoticeBoard())
    with tempfile.TemporaryFile("w+") as log:
        program.start(profile, ["--duration", str(FIRST_START_S)], log).wait(FIRST_START_S + program.END_TIMEOUT_S)
    with tempfile.TemporaryFile("w+") as log:
        child = program.start(profile, ["--duration", str(seconds + 2 * WARM_UP_S)], log)
        try:
            time.sleep(WARM_UP_S)
            processes = [psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)]
            before_s, t_start_s = program.busy_s(*processes), time.monotonic()
            time.sleep(seconds)
            share = (program.busy_s(*processes) - before_s) / (time.monotonic() - t_start_s)
            # Memory that the processes share, such as libraries, counts once.
            rss_mb = processes[0].memory_info().rss / BYTES_PER_MB
            own_mb = sum(process.memory_full_info().uss for process in processes[1:]) / BYTES_PER_MB
        finally:
            child.terminate()
            child.wait(program.END_TIMEOUT_S)
    return {
        "cpu_percent_of_one_core": round(100 * share, 1),
        "rss_mb": round(rss_mb + own_mb, 1),
        "tracker_mb": round(own_mb, 1),
    }


def _latency(settings: Settings, paths: ProfilePaths, seconds: float) -> dict[str, Any]:
    """Latency from a webcam picture to the first finished picture that follows it."""
    with live.running(settings, paths) as pipeline:
        _wait_for_face(pipeline)
        time.sleep(seconds)
        p50_ms, p95_ms = pipeline.status().head_ms
    return {"head_p50_ms": round(p50_ms, 1), "head_p95_ms": round(p95_ms, 1)}


def _jitter(settings: Settings, paths: ProfilePaths) -> dict[str, Any]:
    """Jitter of the rendered head in pixels of 512, while the user does not move."""
    turns = []
    with live.running(settings, paths) as pipeline:
        _wait_for_face(pipeline)
        t_end_s = time.monotonic() + STILL_S
        while time.monotonic() < t_end_s:
            time.sleep(1 / FPS)
            pose = pipeline.head_pose()
            if pose is not None:
                turns.append((pose.yaw_deg, pose.pitch_deg, pose.roll_deg))
    spread_px = np.std(turns, axis=0) * px_per_deg(Avatar.load(settings.avatar).poses())
    return {"still_rms_px": round(float(np.linalg.norm(spread_px)), 3), "n_looks": len(turns)}


def px_per_deg(assets: PoseAssets) -> NDArray[np.float64]:
    """(3,): RMS motion of the face in pixels per degree of yaw, pitch and roll, in the frontal pose."""
    ahead = assets.fields[len(assets.pitches) // 2, len(assets.yaws) // 2]
    is_face = ahead[:, :, TRUST][:, :, 0] > 0.5
    rows, columns = np.nonzero(is_face)
    places = np.stack((columns * STEP_PX + assets.left, rows * STEP_PX + assets.top), axis=1) - assets.pivot
    moves = (ahead[is_face][:, YAW], ahead[is_face][:, PITCH], np.radians(1.0) * places)
    return np.array([np.sqrt(np.mean(np.sum(np.square(move), axis=1))) for move in moves])


def _wait_for_face(pipeline: LivePipeline) -> None:
    t_limit_s = time.monotonic() + live.START_TIMEOUT_S
    while time.monotonic() < t_limit_s:
        status = pipeline.webcam()
        if status is not None and status.has_face:
            break
        time.sleep(0.1)
    # Time for the head to reach the user's pose, and for the first pictures.
    time.sleep(2.0)
