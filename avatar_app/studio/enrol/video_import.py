"""Imports a video file of the user: pictures at constant 25 fps and mono sound at 16 kHz, on one time base.

Time zero of both is the first picture of the file. Sound before it is cut off; silence is added where the sound begins
later or ends earlier. Pictures are converted as `video_pictures` describes, sound as `live.mic.audio_file` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import AudioInputError, StudioError
from avatar_app.contracts.packets import LIVE_RATE_HZ
from avatar_app.live.media_file import shown
from avatar_app.live.mic.audio_file import SoundFile
from avatar_app.settings.paths import user_path
from avatar_app.studio.data.cache_file import write_pictures, written
from avatar_app.studio.data.clips import FPS
from avatar_app.studio.enrol.video_pictures import MAX_SIDE_PX, UInt8, VideoFacts, pictures, survey
from avatar_app.studio.enrol.video_stream import RECORD_AGAIN, damaged

PICTURES, SOUND = "pictures.npy", "sound.npy"
SAMPLES_PER_PICTURE = LIVE_RATE_HZ // FPS
MAX_MISSING_SOUND_S = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What is accepted.

    Attributes:
        min_s: minimum duration.
        max_s: maximum duration.
        max_side_px: maximum width and height of the imported pictures; larger ones are scaled down.
    """

    min_s: float = 10.0
    max_s: float = 120.0
    max_side_px: int = MAX_SIDE_PX


@dataclass(frozen=True, slots=True)
class ImportedVideo:
    """A video after import.

    Attributes:
        pictures: `.npy` file, (n_frames, H, W, 3) uint8 BGR; picture k shows the instant (k + 0.5) / 25 s.
        sound: `.npy` file, (n_frames * 640,) float32 at 16 kHz, nominally in -1..1; sample i is at i / 16000 s.
        n_frames: number of pictures.
        size: width and height of the pictures.
        source: facts of the video file.
    """

    pictures: Path
    sound: Path
    n_frames: int
    size: tuple[int, int]
    source: VideoFacts

    @property
    def duration_s(self) -> float:
        """Duration of pictures and sound."""
        return self.n_frames / FPS


# Arguments: pictures written, and pictures in all. An exception that it raises ends the import.
Progress = Callable[[int, int], None]


def import_video(
    path: Path, folder: Path, limits: Limits | None = None, progress: Progress = lambda n_done, n_all: None
) -> ImportedVideo:
    """Import a video.

    Args:
        path: any video with sound; `~` is the home folder.
        folder: for the two files, made if missing. Files of an earlier import are replaced by complete ones.
        limits: what is accepted.
        progress: called after each picture.

    Raises:
        StudioError: the file is missing, damaged, a still picture, too short or too long, or has no video or no sound;
            or the folder cannot be written.
    """
    path, limits = user_path(path), limits or Limits()
    facts = survey_with_sound(path, limits)
    samples = read_sound(path, facts)
    width, height = facts.size
    imported = ImportedVideo(folder / PICTURES, folder / SOUND, facts.n_frames, facts.size, facts)
    with written(imported.sound) as opened:
        np.save(opened, samples)
    write_pictures(imported.pictures, (facts.n_frames, height, width, 3), _counted(path, facts, progress))
    return imported


def survey_with_sound(path: Path, limits: Limits) -> VideoFacts:
    """Read the facts of a video and check that it can be imported.

    Raises:
        StudioError: see `import_video`.
    """
    facts = survey(path, limits.max_s, limits.max_side_px)
    if not facts.has_sound:
        raise StudioError(f"The video {shown(path)} has no sound.", RECORD_AGAIN)
    if facts.n_frames < limits.min_s * FPS:
        raise StudioError(
            f"The video {shown(path)} is too short: {facts.duration_s:.1f} s.",
            f"Record at least {limits.min_s:.0f} s, or choose another file.",
        )
    return facts


def read_sound(path: Path, facts: VideoFacts) -> NDArray[np.float32]:
    """The sound from the first picture to the end of the last.

    Args:
        path: the video.
        facts: from `survey` of the same file.

    Returns:
        (n_frames * 640,) float32 at 16 kHz.

    Raises:
        StudioError: more than 1 s of it cannot be read.
    """
    samples = np.zeros(facts.n_frames * SAMPLES_PER_PICTURE, np.float32)
    # Index of the next sample; negative before the first picture.
    at = -round(facts.t_start_s * LIVE_RATE_HZ)
    try:
        with SoundFile(path) as sound:
            for piece in sound.pieces():
                kept = piece[max(0, -at) : max(0, len(samples) - at)]
                samples[max(0, at) :][: len(kept)] = kept
                at += len(piece)
            missing_s = sound.missing_s
    except AudioInputError as error:
        raise damaged(path, "its sound cannot be read") from error
    if missing_s > MAX_MISSING_SOUND_S:
        raise damaged(path, f"{missing_s:.1f} s of its sound cannot be read")
    return samples


def _counted(path: Path, facts: VideoFacts, progress: Progress) -> Iterator[UInt8]:
    for n_done, picture in enumerate(pictures(path, facts), start=1):
        yield picture
        progress(n_done, facts.n_frames)
