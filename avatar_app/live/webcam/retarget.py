"""Retargets the user's head pose to the avatar: gains, mirroring, soft limits, and fades to and from idle motion."""

from __future__ import annotations

import math
from dataclasses import dataclass

from avatar_app.contracts.head_pose import AvatarPose, HeadPose
from avatar_app.contracts.units import ms_to_ns

# The range that can be rendered.
LIMITS_DEG = {"yaw_deg": 15.0, "pitch_deg": 9.0, "roll_deg": 10.0, "gaze_yaw_deg": 25.0, "gaze_pitch_deg": 18.0}
# Below this share of the limit an angle is unchanged, above it is compressed.
KNEE_RATIO = 0.6
MIN_CONFIDENCE = 0.35
# A face counts as present for this long after its last picture, because in the dark cameras deliver five pictures a
# second. Then the pose fades out. Together this takes less than a second.
HOLD_NS = ms_to_ns(300)
FADE_NS = ms_to_ns(650)


@dataclass(frozen=True, slots=True)
class RetargetSettings:
    """How the avatar follows the user.

    Attributes:
        head, gaze, blinks, brows: gains from 0 (off) over 1 (as the user) to 2.
        is_mirrored: the avatar moves like a mirror image of the user.
    """

    head: float = 1.0
    gaze: float = 1.0
    blinks: float = 1.0
    brows: float = 1.0
    is_mirrored: bool = True


def soft_limit(value: float, limit: float) -> float:
    """Limit a value: linear up to the knee, then asymptotic to the limit."""
    knee = KNEE_RATIO * limit
    if abs(value) <= knee:
        return value
    room = limit - knee
    return math.copysign(knee + room * math.tanh((abs(value) - knee) / room), value)


def target_values(pose: HeadPose, settings: RetargetSettings) -> dict[str, float]:
    """The values of an `AvatarPose` for a record, by name."""
    sign = -1.0 if settings.is_mirrored else 1.0
    left, right = pose.blink_left, pose.blink_right
    if settings.is_mirrored:
        left, right = right, left
    turns = {
        "yaw_deg": sign * settings.head * pose.yaw_deg,
        "pitch_deg": settings.head * pose.pitch_deg,
        "roll_deg": sign * settings.head * pose.roll_deg,
        "gaze_yaw_deg": sign * settings.gaze * pose.gaze_yaw_deg,
        "gaze_pitch_deg": settings.gaze * pose.gaze_pitch_deg,
    }
    return {
        **{name: soft_limit(value, LIMITS_DEG[name]) for name, value in turns.items()},
        "blink_left": min(1.0, settings.blinks * left),
        "blink_right": min(1.0, settings.blinks * right),
        "brow": min(1.0, max(-1.0, settings.brows * pose.brow)),
    }


class HeadRetarget:
    """Computes the avatar's pose from records, once for each picture. Thread: one.

    Without a face the last pose is held while its weight fades to 0. A face that returns fades in.

    Args:
        settings: may be replaced at any time.
    """

    def __init__(self, settings: RetargetSettings | None = None) -> None:
        self.settings = settings or RetargetSettings()
        self._values: dict[str, float] = {}
        self._before: dict[str, float] = {}
        self._t_face_ns = -HOLD_NS - 1
        self._t_return_ns = 0
        self._t_last_ns: int | None = None
        self._fade = 0.0
        self._t_capture_ns = 0

    def pose_at(self, record: HeadPose | None, now_ns: int) -> AvatarPose:
        """The pose for the next picture.

        Args:
            record: the newest one, or None; an old one, or one with low confidence, counts as no face.
            now_ns: must not decrease between calls.
        """
        passed_ns = now_ns - self._t_last_ns if self._t_last_ns is not None else 0
        self._t_last_ns = now_ns
        if record is not None and record.confidence >= MIN_CONFIDENCE:
            self._update(record, now_ns)
        is_present = now_ns - self._t_face_ns <= HOLD_NS
        step = passed_ns / FADE_NS
        self._fade = min(1.0, max(0.0, self._fade + (step if is_present else -step)))
        return AvatarPose(weight=_eased(self._fade), t_capture_ns=self._t_capture_ns, **self._values)

    def _update(self, record: HeadPose, now_ns: int) -> None:
        if now_ns - self._t_face_ns > HOLD_NS:
            self._before, self._t_return_ns = self._values, now_ns
        self._t_face_ns = record.t_capture_ns
        self._t_capture_ns = record.t_capture_ns
        share = _eased(min(1.0, (now_ns - self._t_return_ns) / FADE_NS))
        target = target_values(record, self.settings)
        before = self._before or target
        self._values = {name: before[name] + share * (value - before[name]) for name, value in target.items()}


def _eased(share: float) -> float:
    """Smoothstep: 0..1 with zero slope at both ends."""
    return share * share * (3 - 2 * share)
