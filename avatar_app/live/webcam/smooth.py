"""Makes records of measured faces: subtracts the neutral pose and filters noise."""

from __future__ import annotations

from avatar_app.contracts.head_pose import HeadPose
from avatar_app.contracts.units import ms_to_ns
from avatar_app.live.webcam.face import Face
from avatar_app.live.webcam.neutral import NeutralPose
from avatar_app.live.webcam.one_euro import OneEuro, OneEuroSpec

# Tuned on clips of still and of moving heads, see `packaging/decisions/0015`.
SPECS = {
    "yaw_deg": OneEuroSpec(0.5, 0.4),
    "pitch_deg": OneEuroSpec(0.3, 0.4),
    "roll_deg": OneEuroSpec(0.5, 0.6),
    "gaze_yaw_deg": OneEuroSpec(0.5, 0.06),
    "gaze_pitch_deg": OneEuroSpec(0.4, 0.06),
    "blink_left": OneEuroSpec(3.0, 3.0),
    "blink_right": OneEuroSpec(3.0, 3.0),
    "brow": OneEuroSpec(0.8, 1.0),
}
# Distance between the lids relative to the neutral pose, for an open and for a closed eye.
OPEN_RATIO, CLOSED_RATIO = 0.9, 0.25
BROW_RANGE_CM = 0.5
# Gaze cannot be measured under a closing lid.
MAX_GAZE_BLINK = 0.35
# After a longer gap the filters are reset.
RESET_GAP_NS = ms_to_ns(500)


class Smoother:
    """Calibrates and filters measured faces. Thread: one.

    Args:
        neutral: the user's neutral pose.
    """

    def __init__(self, neutral: NeutralPose | None = None) -> None:
        self._neutral = neutral or NeutralPose()
        self._filters = {name: OneEuro(spec) for name, spec in SPECS.items()}
        self._gaze_deg = (0.0, 0.0)
        self._t_face_ns = 0

    @property
    def neutral(self) -> NeutralPose:
        """The neutral pose in use."""
        return self._neutral

    def set_neutral(self, neutral: NeutralPose) -> None:
        """Use another neutral pose from now on."""
        self._neutral = neutral
        self._reset()

    def feed(self, face: Face | None, confidence: float, t_capture_ns: int, t_tracked_ns: int) -> HeadPose:
        """Make the record of one picture; without a face its confidence is 0."""
        if face is None:
            return HeadPose(t_capture_ns, t_tracked_ns)
        if t_capture_ns - self._t_face_ns > RESET_GAP_NS:
            self._reset()
        self._t_face_ns = t_capture_ns
        values = self._measures(face)
        smooth = {name: self._filters[name].feed(value, t_capture_ns) for name, value in values.items()}
        return HeadPose(t_capture_ns, t_tracked_ns, confidence=confidence, **smooth)

    def _measures(self, face: Face) -> dict[str, float]:
        neutral = self._neutral
        left = _blink(face.lids_left_cm, neutral.lids_left_cm)
        right = _blink(face.lids_right_cm, neutral.lids_right_cm)
        if max(left, right) <= MAX_GAZE_BLINK:
            self._gaze_deg = face.gaze_yaw_deg - neutral.gaze_yaw_deg, face.gaze_pitch_deg - neutral.gaze_pitch_deg
        return {
            "yaw_deg": face.yaw_deg - neutral.yaw_deg,
            "pitch_deg": face.pitch_deg - neutral.pitch_deg,
            "roll_deg": face.roll_deg - neutral.roll_deg,
            "gaze_yaw_deg": self._gaze_deg[0],
            "gaze_pitch_deg": self._gaze_deg[1],
            "blink_left": left,
            "blink_right": right,
            "brow": min(1.0, max(-1.0, (face.brow_cm - neutral.brow_cm) / BROW_RANGE_CM)),
        }

    def _reset(self) -> None:
        self._gaze_deg = (0.0, 0.0)
        for one in self._filters.values():
            one.reset()


def _blink(lids_cm: float, open_cm: float) -> float:
    """Blink value, 0 open to 1 closed."""
    ratio = lids_cm / max(open_cm, 1e-3)
    return min(1.0, max(0.0, (OPEN_RATIO - ratio) / (OPEN_RATIO - CLOSED_RATIO)))
