"""From the user's head to the avatar's: strengths, mirror, soft limits, and soft ways to and from her own motion."""

from __future__ import annotations

import math
from dataclasses import dataclass

from avatar_app.contracts.head_pose import AvatarPose, HeadPose
from avatar_app.contracts.units import ms_to_ns

# What can be drawn of the avatar.
LIMITS_DEG = {"yaw_deg": 15.0, "pitch_deg": 9.0, "roll_deg": 10.0, "gaze_yaw_deg": 25.0, "gaze_pitch_deg": 18.0}
# Up to this share of the limit a turn is followed one to one, from there it is bent.
KNEE_RATIO = 0.6
MIN_CONFIDENCE = 0.35
# A face that was seen so lately is still there, for in the dark cameras give five pictures a second; then she glides
# away: together less than a second.
HOLD_NS = ms_to_ns(300)
GLIDE_NS = ms_to_ns(650)


@dataclass(frozen=True, slots=True)
class FollowSettings:
    """How the avatar follows.

    Attributes:
        head, gaze, blinks, brows: strengths, 0 not at all, 1 as the user moves, up to 2.
        is_mirrored: she moves as a mirror image would.
    """

    head: float = 1.0
    gaze: float = 1.0
    blinks: float = 1.0
    brows: float = 1.0
    is_mirrored: bool = True


def bent(value: float, limit: float) -> float:
    """The value itself up to the knee, then softly towards the limit, which is never passed."""
    knee = KNEE_RATIO * limit
    if abs(value) <= knee:
        return value
    room = limit - knee
    return math.copysign(knee + room * math.tanh((abs(value) - knee) / room), value)


def wished_values(pose: HeadPose, settings: FollowSettings) -> dict[str, float]:
    """The values of an `AvatarPose` that a record asks for."""
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
        **{name: bent(value, LIMITS_DEG[name]) for name, value in turns.items()},
        "blink_left": min(1.0, settings.blinks * left),
        "blink_right": min(1.0, settings.blinks * right),
        "brow": min(1.0, max(-1.0, settings.brows * pose.brow)),
    }


class Follower:
    """Turns records into the avatar's pose, once for each picture that is drawn. Thread: one.

    Without a face she keeps her last pose while its weight glides to 0; a face that returns takes over as softly.

    Args:
        settings: may be replaced at any time.
    """

    def __init__(self, settings: FollowSettings | None = None) -> None:
        self.settings = settings or FollowSettings()
        self._values: dict[str, float] = {}
        self._before: dict[str, float] = {}
        self._t_seen_ns = -HOLD_NS - 1
        self._t_return_ns = 0
        self._t_last_ns: int | None = None
        self._phase = 0.0
        self._t_capture_ns = 0

    def pose_at(self, record: HeadPose | None, now_ns: int) -> AvatarPose:
        """The pose to draw now.

        Args:
            record: the newest one, or None; old ones and those without confidence count as no face.
            now_ns: never earlier than at the call before.
        """
        passed_ns = now_ns - self._t_last_ns if self._t_last_ns is not None else 0
        self._t_last_ns = now_ns
        if record is not None and record.confidence >= MIN_CONFIDENCE:
            self._see(record, now_ns)
        is_there = now_ns - self._t_seen_ns <= HOLD_NS
        step = passed_ns / GLIDE_NS
        self._phase = min(1.0, max(0.0, self._phase + (step if is_there else -step)))
        return AvatarPose(weight=_eased(self._phase), t_capture_ns=self._t_capture_ns, **self._values)

    def _see(self, record: HeadPose, now_ns: int) -> None:
        if now_ns - self._t_seen_ns > HOLD_NS:
            self._before, self._t_return_ns = self._values, now_ns
        self._t_seen_ns = record.t_capture_ns
        self._t_capture_ns = record.t_capture_ns
        share = _eased(min(1.0, (now_ns - self._t_return_ns) / GLIDE_NS))
        wished = wished_values(record, self.settings)
        before = self._before or wished
        self._values = {name: before[name] + share * (value - before[name]) for name, value in wished.items()}


def _eased(share: float) -> float:
    """0..1 without a corner at either end."""
    return share * share * (3 - 2 * share)
