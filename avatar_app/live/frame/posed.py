"""The avatar in any pose, with the drawn mouth carried along."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from avatar_app.contracts.head_pose import AvatarPose
from avatar_app.contracts.packets import Float32, UInt8
from avatar_app.contracts.student_spec import PatchBox
from avatar_app.live.frame.avatar import Avatar
from avatar_app.live.frame.background import Background
from avatar_app.live.frame.compositor import around, in_box, over, patch_to_crop, trimmed
from avatar_app.live.frame.pose_assets import STEP_PX, PoseAssets
from avatar_app.live.frame.pose_breath import lift_px, lifted
from avatar_app.live.frame.pose_eyes import Eyes
from avatar_app.live.frame.pose_field import PosedField, PoseField
from avatar_app.live.frame.pose_head import Head

# Trust on the lattice below which nothing is pasted.
LEAST_TRUST = 0.02


class PosedCompositor:
    """Composes pictures of a turned head; the counterpart of `Compositor`. Thread: one.

    Args:
        avatar: whose face.
        assets: her poses.
        box: what the student draws, in pixels of its own crop.
        model_size_px: side of the student's crop, which the avatar's crop is scaled to.
    """

    def __init__(self, avatar: Avatar, assets: PoseAssets, box: PatchBox, model_size_px: int) -> None:
        self._avatar, self._assets = avatar, assets
        self._field = PoseField(assets)
        self._head = Head(assets)
        self._eyes = Eyes(assets.eyes)
        self._to_patch = np.linalg.inv(patch_to_crop(box, avatar.spec.crop_px / model_size_px)).astype(np.float32)
        self._mask, self._counts = trimmed(in_box(avatar.mask, box, model_size_px))
        self._to_patch[:2, 2] -= (self._counts[1].start, self._counts[0].start)
        height, width = assets.nodes.shape[2:4]
        self._rows, self._columns = slice(assets.top, assets.top + height), slice(assets.left, assets.left + width)
        self._first_row = _first_row(assets.body, self._columns)
        self.set_background(Background.transparent())

    def set_background(self, background: Background) -> None:
        """Show another background from the next picture on."""
        self._behind = background.pixels(self._avatar.spec.size_px)
        # Above the shoulders only the head's own part is drawn.
        self._still = _over(np.zeros_like(self._assets.body), self._behind)
        self._bodies: dict[float, UInt8] = {}

    def compose(self, idle_index: int, pose: AvatarPose, pixels: UInt8 | None, weight: float) -> UInt8:
        """One finished picture.

        Args:
            idle_index: which idle picture's own pose is mixed in, by what `pose.weight` leaves.
            pose: what the head is to do.
            pixels: (h, w, 3) uint8 BGR, the inside of the box; None leaves the avatar's own resting mouth.
            weight: 0..1, how much of the patch covers that mouth.

        Returns:
            (size, size, 4) uint8 BGRA, straight alpha, fresh.
        """
        wanted = mixed(pose, self._assets.idle[idle_index % len(self._assets.idle)])
        lift = lift_px(idle_index, self._avatar.spec.idle_fps, len(self._assets.idle))
        field = self._field.at(wanted, lift)
        head = self._head.draw(field)
        part, alpha = cv2.cvtColor(head, cv2.COLOR_BGRA2BGR), cv2.extractChannel(head, 3)
        self._add_eyes(part, field, wanted)
        if pixels is not None and weight > 0:
            places = field.rest @ self._to_patch[:2, :2].T + self._to_patch[:2, 2]
            _paste(part, field, places, pixels[self._counts], self._mask, weight)
        return self._finish(part, alpha, lift)

    def _add_eyes(self, part: UInt8, field: PosedField, pose: AvatarPose) -> None:
        for eye, blink in enumerate((pose.blink_left, pose.blink_right)):
            drawn = self._eyes.draw(eye, pose.gaze_yaw_deg, pose.gaze_pitch_deg, blink)
            _paste(part, field, field.rest - self._assets.eyes.corners[eye], drawn, self._assets.eyes.mask[eye], 1.0)

    def _finish(self, part: UInt8, alpha: UInt8, lift: float) -> UInt8:
        picture: UInt8 = self._still.copy()
        if lift not in self._bodies:
            self._bodies[lift] = self._body(lift)
        picture[self._first_row :] = self._bodies[lift]
        behind = None if self._behind is None else self._behind[self._rows, self._columns]
        picture[self._rows, self._columns] = _blended(part, alpha, behind)
        return picture

    def _body(self, lift: float) -> UInt8:
        body = lifted(self._assets.body, lift, self._first_row)
        return _over(body, None if self._behind is None else self._behind[self._first_row :])


def mixed(pose: AvatarPose, idle: Float32) -> AvatarPose:
    """A wish and the idle motion (`PoseAssets.idle`, one row), by the wish's weight.

    Small motion of the head may go on beneath; a blink that the user did not make, or her eyes on their way, may not.
    """
    share = pose.weight
    yaw, pitch, roll = ((1 - share * (1 - pose.idle_share)) * float(value) for value in idle[:3])
    gaze_yaw, gaze_pitch, blink, brow = ((1 - share) * float(value) for value in idle[3:])
    return replace(
        pose,
        yaw_deg=share * pose.yaw_deg + yaw,
        pitch_deg=share * pose.pitch_deg + pitch,
        roll_deg=share * pose.roll_deg + roll,
        gaze_yaw_deg=share * pose.gaze_yaw_deg + gaze_yaw,
        gaze_pitch_deg=share * pose.gaze_pitch_deg + gaze_pitch,
        blink_left=share * pose.blink_left + blink,
        blink_right=share * pose.blink_right + blink,
        brow=share * pose.brow + brow,
    )


def _over(picture: UInt8, behind: UInt8 | None) -> UInt8:
    opaque = None if behind is None else cv2.cvtColor(behind, cv2.COLOR_BGR2BGRA)
    return over(picture, cv2.extractChannel(picture, 3), opaque)


def _first_row(body: UInt8, columns: slice) -> int:
    """Above it nothing shows beside the columns that are drawn anew."""
    beside = body[:, :, 3].copy()
    beside[:, columns] = 0
    return max(0, int(np.flatnonzero(np.any(beside, axis=1))[0]) - 2)


def _blended(part: UInt8, alpha: UInt8, behind: UInt8 | None) -> UInt8:
    """(h, w, 4): like `over`, quicker where much is soft."""
    if behind is None:
        return cv2.merge((part, alpha))  # type: ignore[no-any-return]
    share = cv2.multiply(alpha, 1 / 255, dtype=cv2.CV_32F)
    blended: UInt8 = cv2.cvtColor(cv2.blendLinear(part, behind, share, 1 - share), cv2.COLOR_BGR2BGRA)
    return blended


def _full(lattice: Float32, shape: tuple[int, ...]) -> Float32:
    full: Float32 = cv2.resize(lattice, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    return full


def _paste(part: UInt8, field: PosedField, places: Float32, drawn: UInt8, mask: UInt8, weight: float) -> None:
    """Lay a picture that was drawn at rest on the posed head, in its light.

    Args:
        part: (h, w, 3) uint8 BGR, changed in place.
        field: the pose.
        places: lattice of x, y in `drawn`.
        drawn: (p, q, 3) uint8 BGR.
        mask: (p, q) uint8, where it counts.
        weight: 0..1 on top.
    """
    found = _lattice_box(places, drawn.shape, field.trust)
    if found is None:
        return
    rows, columns = found
    size = ((rows.stop - rows.start) * STEP_PX, (columns.stop - columns.start) * STEP_PX)
    inside = _full(places[rows, columns], size)
    share = cv2.remap(mask, inside, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    share = cv2.multiply(share, _full(field.trust[rows, columns], size), scale=weight / 255, dtype=cv2.CV_32F)
    # Twice as fine by cubic curves, then between pixels by lines: as sharp as curves at once, in a third of the time.
    fine = cv2.resize(drawn, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    colours = cv2.remap(fine, 2 * inside + 0.5, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    colours = cv2.add(colours, _full(field.light[rows, columns], size), dtype=cv2.CV_8U)
    region = part[_pixels(rows), _pixels(columns)]
    region[:] = cv2.blendLinear(colours, region, share, 1 - share)


def _lattice_box(places: Float32, shape: tuple[int, ...], trust: Float32) -> tuple[slice, slice] | None:
    """Rows and columns of the lattice that see a picture of this shape, one point more on each side."""
    x, y = places[:, :, 0], places[:, :, 1]
    sees = (x > -STEP_PX) & (x < shape[1] + STEP_PX) & (y > -STEP_PX) & (y < shape[0] + STEP_PX) & (trust > LEAST_TRUST)
    if not sees.any():
        return None
    return around(np.any(sees, axis=1)), around(np.any(sees, axis=0))


def _pixels(points: slice) -> slice:
    return slice(points.start * STEP_PX, points.stop * STEP_PX)
