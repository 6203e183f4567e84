"""Pictures of the live path for a recording: mel, speech gate and student."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_app.contracts.clock import ManualClock
from avatar_app.contracts.handoff import Latest, Ring
from avatar_app.contracts.mouth import Mouth
from avatar_app.contracts.packets import BLOCK_SAMPLES, LIVE_RATE_HZ, AudioBlock
from avatar_app.contracts.units import ms_to_ns
from avatar_app.live.runtime.meters import StageMeters
from avatar_app.live.speech_thread import SpeechLoop
from avatar_app.live.student import Student
from avatar_app.studio.data.clips import CROP_PX, FPS

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

# Picture k of a clip shows the middle of its interval of 1/25 s; the live path generates the start.
HALF_PICTURE_SAMPLES = LIVE_RATE_HZ // FPS // 2
# Silence after the recording, so that its last pictures have the full look-ahead.
TAIL_SAMPLES = LIVE_RATE_HZ // 2
# Lips and teeth, the compared area, in pixels of the 256 px crop.
MOUTH = (slice(164, 244), slice(80, 176))
# A student generates at most the lower half of the crop.
HALF_TOP_PX = CROP_PX // 2
MOUTH_IN_HALF = (slice(164 - HALF_TOP_PX, 244 - HALF_TOP_PX), slice(80, 176))

_NEVER = threading.Event()


def generated_mouths(student: Student, samples: Float32, lookahead_ms: int, rest: UInt8) -> UInt8:
    """The mouth in every picture of a recording.

    Args:
        student: an open student with its face.
        samples: (n,) float32 at 16 kHz.
        lookahead_ms: one of the student's look-aheads.
        rest: (256, 256, 3) uint8 BGR, the face at rest, visible where the gate is closed.

    Returns:
        (n_pictures, 80, 96, 3) uint8 BGR: `MOUTH` of the crop at (k + 0.5) / 25 s.
    """
    return _generated(student, samples, lookahead_ms, rest, MOUTH)


def generated_halves(student: Student, samples: Float32, lookahead_ms: int, rest: UInt8) -> UInt8:
    """As `generated_mouths`, but the whole lower half of the crop: (n_pictures, 128, 256, 3) uint8 BGR."""
    return _generated(student, samples, lookahead_ms, rest, (slice(HALF_TOP_PX, CROP_PX), slice(0, CROP_PX)))


def mouths_of(halves: UInt8) -> UInt8:
    """Lips and teeth, (n, 80, 96, 3), of lower halves (n, 128, 256, 3)."""
    return np.ascontiguousarray(halves[:, MOUTH_IN_HALF[0], MOUTH_IN_HALF[1]])


def _generated(student: Student, samples: Float32, lookahead_ms: int, rest: UInt8, part: tuple[slice, slice]) -> UInt8:
    n_pictures = len(samples) * FPS // LIVE_RATE_HZ
    padded = np.concatenate((samples[HALF_PICTURE_SAMPLES:], np.zeros(TAIL_SAMPLES, np.float32)))
    generated: dict[int, UInt8] = {}
    for mouth in mouths_over_time(student, padded, lookahead_ms):
        generated.setdefault(mouth.index, _in_crop(mouth, rest)[part])
    still = rest[part]
    return np.stack([generated.get(k, still) for k in range(n_pictures)])


def mouths_over_time(student: Student, samples: Float32, lookahead_ms: int) -> Iterator[Mouth]:
    """The mouths that the live path generates for a recording, in order; see `generated_mouths`."""
    mailbox, ring = Latest[Mouth](), Ring[AudioBlock](1)
    speech = SpeechLoop(ManualClock(), StageMeters(), mailbox)
    speech.configure(FPS, lookahead_ms)
    speech.set_driver(student)
    step = speech.run(lambda: ring)
    for start in range(0, len(samples) - BLOCK_SAMPLES + 1, BLOCK_SAMPLES):
        ring.put(AudioBlock(ms_to_ns(start / 16), start, samples[start : start + BLOCK_SAMPLES]))
        step(_NEVER)
        mouth = mailbox.take()
        if mouth is not None:
            yield mouth


def _in_crop(mouth: Mouth, rest: UInt8) -> UInt8:
    """The face crop with a patch, (256, 256, 3) uint8, blended with the weight of the gate."""
    patch = mouth.patch
    if patch is None:
        return rest
    size_px, box = patch.place.crop_px, patch.place.box
    face = rest if size_px == CROP_PX else cv2.resize(rest, (size_px, size_px), interpolation=cv2.INTER_AREA)
    face = face.copy()
    face[box.y : box.y + box.h, box.x : box.x + box.w] = patch.pixels
    if size_px != CROP_PX:
        face = cv2.resize(face, (CROP_PX, CROP_PX), interpolation=cv2.INTER_CUBIC)
    blended: UInt8 = cv2.addWeighted(face, mouth.weight, rest, 1 - mouth.weight, 0)
    return blended
