"""What the webcam knows about the user's head, and what it wishes of the avatar's.

All angles are in degrees and in the sense of the picture, as the avatar's own parameters are: positive yaw turns the
nose towards the right edge of the picture, positive pitch lowers it, positive roll turns the head clockwise. Left and
right are those of the picture, not of the person.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeadPose:
    """A head in one picture of the webcam, measured from the user's neutral pose and smoothed.

    Attributes:
        t_capture_ns: instant at which the picture was taken, on the program's clock.
        t_tracked_ns: instant at which this record was known.
        yaw_deg, pitch_deg, roll_deg: of the head; 0 in the neutral pose.
        gaze_yaw_deg, gaze_pitch_deg: of the eyes within the head; positive to the right edge, and down.
        blink_left, blink_right: 0 open to 1 closed; `left` is the eye on the left side of the picture.
        brow: -1 lowered, 0 as in the neutral pose, 1 raised.
        confidence: 0..1 that this is a face and well seen; 0 when there is none, then all else is 0.
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
    """The pose that the avatar is to take, within what can be drawn.

    Attributes:
        yaw_deg: -15..15.
        pitch_deg: -9..9.
        roll_deg: -10..10.
        gaze_yaw_deg, gaze_pitch_deg: of the eyes within the head, -25..25 and -18..18.
        blink_left, blink_right: 0 open to 1 closed; of the avatar's picture.
        brow: -1..1.
        weight: 0 idle motion alone, 1 the webcam alone. The values above are whole: who draws mixes them by this.
        t_capture_ns: of the record that it was made from; 0 before the first one.
        idle_share: how much of her own small motion of the head goes on at weight 1, 0..1.
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
