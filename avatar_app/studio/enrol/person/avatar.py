"""The avatar of a person: idle loop, alpha, reference and mask, from the takes and face crops of their video."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from avatar_app.contracts.avatar_data import AvatarClip, AvatarData, Consent
from avatar_app.contracts.packets import UInt8
from avatar_app.studio.data.clips import CROP_PX, FPS
from avatar_app.studio.enrol.mask import mouth_mask
from avatar_app.studio.enrol.person.alignment import Neutral
from avatar_app.studio.enrol.person.cut_out import CutOut, keep_background
from avatar_app.studio.enrol.person.idle_loop import Progress, make_loop, measure_loop
from avatar_app.studio.enrol.person.idle_material import LIPS, rest_runs
from avatar_app.studio.enrol.person.idle_sources import Material, plan_sources
from avatar_app.studio.enrol.person.mouth_mask import person_mask_shape
from avatar_app.studio.enrol.person.person_mask import PersonFinder
from avatar_app.studio.enrol.person.portrait import SIZE_PX

LICENCE = "All rights reserved by the person"
CREDIT = "Made from a video of {person}, with permission."
# Landmarks of mediapipe's face mesh: upper and lower lid of each eye.
UPPER_LIDS, LOWER_LIDS = (159, 386), (145, 374)
# Eyes that are open wider than this share of their usual opening are open.
OPEN_RATIO = 0.85


def person_avatar_data(
    material: Material,
    neutral: Neutral,
    consent: Consent,
    *,
    title: str,
    find_person: PersonFinder | None,
    size_px: int = SIZE_PX,
    clips: Sequence[AvatarClip] = (),
    progress: Progress = lambda n_done, n_all: None,
) -> AvatarData:
    """Make the avatar's material from a person's video.

    Args:
        material: takes and their face crops; those of the report must not be among them.
        neutral: the person's face at rest.
        consent: the person's permission.
        title: display name.
        find_person: the segmentation model, see `PersonFinderProcess`; None keeps the background.
        size_px: side of the portraits, 512 to 1024.
        clips: speech of the person.
        progress: called after each picture that is prepared.

    Raises:
        StudioError: no part of the video is silent with the mouth closed, the face is too small or too near the edge,
            or the background cannot be removed.
    """
    sources, steps = plan_sources(material, find_person, size_px, align_takes=find_person is not None)
    cut_out = keep_background if find_person is None else CutOut(material, sources, find_person)
    loop = make_loop(material, sources, steps, cut_out, progress)
    return AvatarData(
        title=title,
        licence=LICENCE,
        credit=CREDIT.format(person=consent.person),
        consent=consent,
        fps=FPS,
        size_px=size_px,
        idle=loop,
        crop_to_portrait=loop.crop_to_portrait,
        reference=rest_crop(material),
        mask=mouth_mask(CROP_PX, person_mask_shape(neutral.landmarks_px)),
        clips=tuple(clips),
        quality=measure_loop(loop),
    )


def rest_crop(material: Material) -> UInt8:
    """The face crop that shows the mouth at rest best: lips as usual at rest, eyes open, head as usual.

    Args:
        material: takes and their face crops, with a part that is silent with the mouth closed.

    Returns:
        (256, 256, 3) uint8 BGR.
    """
    places = [(run.take, k) for run in rest_runs(material) for k in range(run.start, run.stop)]
    marks = np.stack([material[take][1].landmarks_px[k, :, :2] for take, k in places]).astype(np.float64)
    turned = np.stack([material[take][1].pose_deg[k] for take, k in places])
    lips = marks[:, LIPS]
    distance_px = np.linalg.norm(lips - np.median(lips, axis=0), axis=2).mean(axis=1)
    opening = np.linalg.norm(marks[:, UPPER_LIDS] - marks[:, LOWER_LIDS], axis=2).mean(axis=1)
    closed = np.maximum(0, OPEN_RATIO - opening / np.median(opening))
    # One degree of the head, and a tenth of the eyes' opening, count as much as one pixel of the lips.
    take, k = places[int(np.argmin(distance_px + np.abs(turned).mean(axis=1) + 10 * closed))]
    return np.array(material[take][1].frames[k])
