"""The user's head as the webcam tracks it, and the pose of the avatar's head.

All angles are in degrees and follow the picture, as the avatar's own parameters do: positive yaw turns the nose towards
the right edge of the picture, positive pitch lowers it, positive roll turns the head clockwise. Left and right are
those of the picture, not of the person.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeadPose:
    """A head in one picture of the webcam, relative to the user's neutral pose and smoothed.

    Attributes:
        t_capture_ns: instant of the picture, on the program's clock.
        t_tracked_ns: instant at which tracking finished.
        yaw_deg, pitch_deg, roll_deg: of the head; 0 in the neutral pose.
        gaze_yaw_deg, gaze_pitch_deg: of the eyes within the head; positive to the right edge, and down.
        blink_left, blink_right: 0 open to 1 closed; `left` is the eye on the left side of the picture.
        brow: -1 lowered, 0 as in the neutral pose, 1 raised.
        confidence: 0..1, of the detected face; 0 without a face; all other values are 0 then.
    """

    t_capture_ns: int
    t_tracked_ns: int
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    gaze_yaw_deg: float = 0.0
    gaze_pitch_deg: float = 0.0
    blink_left: float = 0.0
    blink_right: float = 0.0
    brow: float = 0.0
    confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class AvatarPose:
    """The target pose of the avatar, within the range of its pose grid.

    Attributes:
        yaw_deg: -15..15.
        pitch_deg: -9..9.
        roll_deg: -10..10.
        gaze_yaw_deg, gaze_pitch_deg: of the eyes within the head, -25..25 and -18..18.
        blink_left, blink_right: 0 open to 1 closed; of the avatar's picture.
        brow: -1..1.
        weight: 0 idle motion alone, 1 the webcam alone. The renderer applies it; the values above are unweighted.
        t_capture_ns: of the `HeadPose` that it was made from; 0 before the first one.
        idle_share: 0..1, how much of the idle motion of the head remains at weight 1.
    """

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    gaze_yaw_deg: float = 0.0
    gaze_pitch_deg: float = 0.0
    blink_left: float = 0.0
    blink_right: float = 0.0
    brow: float = 0.0
    weight: float = 0.0
    t_capture_ns: int = 0
    idle_share: float = 0.0
