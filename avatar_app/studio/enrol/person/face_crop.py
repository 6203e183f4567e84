"""Face crops of a take: the head upright, at a fixed place and scale, without jitter.

Each picture has a similarity of its own. It follows the rigid parts of the face, never the lips or the jaw, and is
smoothed over time without lag. The scale follows slow changes of the distance alone, because an opening jaw stretches
the mesh of the tracker a little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.errors import InputFileError, StudioError
from avatar_app.contracts.input_file import read_arrays
from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.live.webcam.face import measure_face
from avatar_app.live.webcam.rigid import RigidFace
from avatar_app.studio.data.cache_file import write_pictures, written
from avatar_app.studio.data.clips import CROP_PX
from avatar_app.studio.enrol.person.alignment import EYES_AT, LIPS_AT, Neutral, has_face, place
from avatar_app.studio.enrol.person.material import Bool, FaceCrops, FaceTrack, Take
from avatar_app.studio.enrol.person.smooth import filled, smoothed
from avatar_app.studio.enrol.person.steady import steadied

Float64 = NDArray[np.float64]
# Arguments: pictures written, and pictures in all. An exception that it raises ends the work.
Progress = Callable[[int, int], None]

FRAMES, FACTS = "crops.npy", "crops.npz"
MAX_FACTS_BYTES = 500_000_000
# Standard deviations of the smoothing, in pictures of 40 ms.
PLACE_PICTURES, ROLL_PICTURES, SCALE_PICTURES, POSE_PICTURES = 1.5, 3.0, 12.0, 1.5
MAX_TURN_DEG = 12.0
# A share of the distance between eyes and lips: the point of the head that is held in place. Nearer to the lips,
# because the mouth is what is learned.
HELD_AT = 0.7
NO_FACE = "Record with your face in front of the camera, or choose another video."
MAKE_AGAIN = "Start the enrolment again without the folder of this one."


def crop_take(
    take: Take,
    track: FaceTrack,
    neutral: Neutral,
    folder: Path,
    progress: Progress = lambda n_done, n_all: None,
    is_usable: Bool | None = None,
) -> FaceCrops:
    """Cut out the face of each picture and write the crops to a folder.

    Args:
        take: the recording.
        track: the face in each of its pictures.
        neutral: of the person, from `neutral_of` over all takes, so that they share one place and scale.
        folder: for the files, made if missing.
        progress: called after each picture.
        is_usable: (n,) bool; pictures without a face, or with a turned head, are excluded in any case.

    Returns:
        The crops; their frames are mapped from the file.

    Raises:
        StudioError: no picture shows a face, or the folder cannot be written.
    """
    to_picture = steadied(take.pictures, crop_to_picture(track, neutral))
    pose_deg = pose_of(track)
    usable: Bool = has_face(track.landmarks_px) & (np.abs(pose_deg) <= MAX_TURN_DEG).all(axis=1)
    if is_usable is not None:
        usable = usable & is_usable
    landmarks_px = landmarks_in_crop(track.landmarks_px, to_picture)
    frames = _counted(_frames(take.pictures, to_picture), len(take.pictures), progress)
    write_pictures(folder / FRAMES, (len(take.pictures), CROP_PX, CROP_PX, 3), frames)
    # Written last: the facts tell that the crops are complete.
    with written(folder / FACTS) as opened:
        np.savez(opened, crop_to_picture=to_picture, landmarks_px=landmarks_px, pose_deg=pose_deg, is_usable=usable)
    return read_crops(folder)


def read_crops(folder: Path) -> FaceCrops:
    """The crops that `crop_take` wrote to a folder.

    Raises:
        StudioError: they are missing, incomplete or damaged.
    """
    try:
        facts = read_arrays(folder / FACTS, MAX_FACTS_BYTES)
        frames = np.load(folder / FRAMES, mmap_mode="r")
        crops = FaceCrops(
            frames, facts["crop_to_picture"], facts["landmarks_px"], facts["pose_deg"], facts["is_usable"]
        )
    except (InputFileError, OSError, ValueError, KeyError, EOFError) as error:
        raise StudioError(f"The face crops in {folder} cannot be read: {error}.", MAKE_AGAIN) from error
    if len({len(part) for part in (frames, *facts.values())}) != 1:
        raise StudioError(f"The face crops in {folder} do not fit each other.", MAKE_AGAIN)
    return crops


def crop_to_picture(track: FaceTrack, neutral: Neutral) -> Float32:
    """The similarity of each picture with the crop.

    Returns:
        (n, 2, 3) float32; crop point p lies at A[k] @ (p, 1) in picture k. Between pictures with a face it is
        interpolated.

    Raises:
        StudioError: no picture shows a face.
    """
    placement = place(track.landmarks_px, neutral.landmarks_px)
    if not np.isfinite(placement.scale).any():
        raise StudioError("The video shows no face.", NO_FACE)
    held = neutral.eyes_px + HELD_AT * (neutral.lips_px - neutral.eyes_px)
    # The rows of a rotation are the axes of the neutral face in the picture; the first points right.
    roll = np.unwrap(filled(np.arctan2(placement.rotation[:, 0, 1], placement.rotation[:, 0, 0])))
    at = smoothed(filled(placement.in_picture(held)[:, :2]), PLACE_PICTURES)
    size = np.exp(-smoothed(filled(np.log(placement.scale)), SCALE_PICTURES))
    roll = smoothed(roll, ROLL_PICTURES)
    cosine, sine = size * np.cos(roll), size * np.sin(roll)
    linear = np.stack((np.stack((cosine, -sine), axis=1), np.stack((sine, cosine), axis=1)), axis=1)
    eyes, lips = CROP_PX * np.array(EYES_AT), CROP_PX * np.array(LIPS_AT)
    offset = at - linear @ (eyes + HELD_AT * (lips - eyes))
    return np.concatenate((linear, offset[:, :, None]), axis=2).astype(np.float32)


def landmarks_in_crop(landmarks_px: Float32, to_picture: Float32) -> Float32:
    """(n, 478, 3) landmarks of the pictures, to pixels of the crop; z is scaled with them."""
    linear, offset = to_picture[:, :, :2].astype(np.float64), to_picture[:, :, 2]
    size = np.sqrt(np.linalg.det(linear))[:, None, None]
    flat = np.einsum("nij,nkj->nki", np.linalg.inv(linear), landmarks_px[:, :, :2] - offset[:, None])
    return np.concatenate((flat, landmarks_px[:, :, 2:] / size), axis=2).astype(np.float32)


def pose_of(track: FaceTrack) -> Float32:
    """(n, 3) float32: yaw, pitch and roll in degrees relative to their median, interpolated where no face was found."""
    model = RigidFace()
    pose = np.full((len(track.landmarks_px), 3), np.nan)
    for k in np.flatnonzero(has_face(track.landmarks_px)).tolist():
        face = measure_face(track.landmarks_px[k], model)
        pose[k] = face.yaw_deg, face.pitch_deg, face.roll_deg
    pose = smoothed(filled(pose), POSE_PICTURES)
    return np.asarray(pose - np.median(pose, axis=0), np.float32)


def _frames(pictures: UInt8, to_picture: Float32) -> Iterator[UInt8]:
    """The crops, enlarged with Lanczos' kernel or reduced by areas."""
    shrink = 1.0 / max(1.0, float(np.median(np.sqrt(np.linalg.det(to_picture[:, :, :2].astype(np.float64))))))
    for picture, matrix in zip(pictures, to_picture, strict=True):
        if shrink < 1:
            picture, matrix = _reduced(picture, matrix.astype(np.float64), shrink)
        yield cv2.warpAffine(
            picture,
            matrix,
            (CROP_PX, CROP_PX),
            flags=cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )


def _reduced(picture: UInt8, matrix: Float64, shrink: float) -> tuple[UInt8, Float64]:
    """A picture reduced by areas, and its matrix."""
    height, width = picture.shape[:2]
    small_w, small_h = max(1, round(width * shrink)), max(1, round(height * shrink))
    small = cv2.resize(picture, (small_w, small_h), interpolation=cv2.INTER_AREA)
    ratio = np.array([[small_w / width], [small_h / height]])
    # Pixel centres: the small picture shows x of the large one at (x + 0.5) * ratio - 0.5.
    reduced = matrix * ratio
    reduced[:, 2:] += 0.5 * ratio - 0.5
    return small, reduced


def _counted(frames: Iterator[UInt8], n_all: int, progress: Progress) -> Iterator[UInt8]:
    for n_done, frame in enumerate(frames, start=1):
        yield frame
        progress(n_done, n_all)
