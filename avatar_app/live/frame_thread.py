"""The frame thread: on every tick of an even grid, the newest mouth on the avatar's idle picture."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.handoff import Latest, Mailboxes
from avatar_app.contracts.head_pose import AvatarPose
from avatar_app.contracts.packets import MouthPatch, Picture, UInt8
from avatar_app.contracts.student_spec import PatchBox
from avatar_app.contracts.units import NS_PER_S, ms_to_ns, ns_to_ms
from avatar_app.live.frame import Avatar, Background, Badge, Compositor, Pacer, PoseAssets, PosedCompositor
from avatar_app.live.runtime.meters import RateMeter, StageMeters
from avatar_app.live.runtime.phase_lock import Leaning

log = logging.getLogger(__name__)

# A mouth older than this belongs to a sound that stopped coming: the face goes idle.
STALE_NS = ms_to_ns(250)
REST_STEP = 0.25


@dataclass(frozen=True, slots=True)
class FrameCounts:
    """What the frame thread counted so far."""

    n_shown: int = 0
    n_repeated: int = 0
    n_missed: int = 0
    t_first_ns: int | None = None
    t_first_mouth_ns: int | None = None


class FramePart:
    """Composes pictures on an even grid and leaves each in every sink's mailbox.

    Thread: frame, but for the setters and `counts`, which any thread may use.

    Args:
        clock: the program's.
        meters: of the stages.
        mouth: where mouths come from.
        fps: pictures in a second.
        pose_at: what the head is to do at an instant; None for the idle pictures alone.

    Attributes:
        pictures: gets every finished picture.
    """

    def __init__(
        self,
        clock: Clock,
        meters: StageMeters,
        mouth: Latest[MouthPatch],
        fps: int,
        pose_at: Callable[[int], AvatarPose | None] = lambda t_ns: None,
    ) -> None:
        self._clock = clock
        self._pose_at = pose_at
        self._meters = meters
        self._mouth = mouth
        self._new_avatar: Latest[Avatar] = Latest()
        self._new_background: Latest[Background] = Latest()
        self._new_poses: Latest[PoseAssets] = Latest()
        self._avatar: Avatar | None = None
        self._background: Background | None = None
        self._compositors: dict[tuple[PatchBox, int], Compositor] = {}
        self._poses: PoseAssets | None = None
        self._posed: dict[tuple[PatchBox, int], PosedCompositor] = {}
        self._t_head_ns = 0
        self._patch: MouthPatch | None = None
        self._fps = fps
        self._is_hidden = False
        self._badge, self._is_marked = Badge(), False
        self._pacer: Pacer | None = None
        self._pacer_fps = 0
        self._leaning = Leaning(NS_PER_S // fps)
        self._last: tuple[object, UInt8] | None = None
        self._idle_drawer: Compositor | None = None
        self._t_begin_ns = clock.now_ns()
        self.pictures: Mailboxes[Picture] = Mailboxes()
        self.rate = RateMeter()
        self.counts = FrameCounts()

    def set_fps(self, fps: int) -> None:
        """Change the frame rate from the next tick on."""
        self._fps = fps

    def set_avatar(self, avatar: Avatar) -> None:
        """Show another avatar from the next tick on."""
        self._new_avatar.put(avatar)

    def set_poses(self, poses: PoseAssets) -> None:
        """Be able to turn the head of the avatar that was set last, from the next tick on."""
        self._new_poses.put(poses)

    def set_background(self, background: Background) -> None:
        """Show another background from the next tick on."""
        self._new_background.put(background)

    def set_hidden(self, *, is_hidden: bool) -> None:
        """Show only what stands behind the avatar from the next tick on, or the avatar again."""
        self._is_hidden = is_hidden

    def set_marked(self, *, is_marked: bool) -> None:
        """Say in every picture that the avatar is AI-generated from the next tick on, or no longer."""
        self._is_marked = is_marked

    def step(self, stop: threading.Event) -> None:
        """Wait for the next tick and show a picture; the worker's step."""
        self._adopt()
        if self._avatar is None:
            stop.wait(0.01)
            return
        if self._pacer is None or self._pacer_fps != self._fps:
            self._pacer, self._pacer_fps = Pacer(self._clock, self._fps, self._clock.now_ns()), self._fps
            self._leaning = Leaning(NS_PER_S // self._fps)
        tick = self._pacer.next_tick(stop)
        if tick is not None:
            self._show(tick.index, tick.t_ns, tick.n_missed)

    def _adopt(self) -> None:
        avatar, background, poses = self._new_avatar.take(), self._new_background.take(), self._new_poses.take()
        if avatar is None and background is None and poses is None:
            return
        if avatar is not None:
            self._avatar = avatar
            self._compositors.clear()
        if avatar is not None or poses is not None:
            self._poses = poses
            self._posed.clear()
        if background is not None:
            self._background = background
            for compositor in self._compositors.values():
                compositor.set_background(background)
            for posed in self._posed.values():
                posed.set_background(background)
        self._last = self._idle_drawer = None

    def _compositor(self, avatar: Avatar, box: PatchBox, size_px: int) -> Compositor:
        """The compositor for a student's box, made once."""
        key = (box, size_px)
        if key not in self._compositors:
            self._compositors[key] = Compositor(avatar, box, size_px)
            if self._background is not None:
                self._compositors[key].set_background(self._background)
        return self._compositors[key]

    def _posed_compositor(self, avatar: Avatar, poses: PoseAssets, box: PatchBox, size_px: int) -> PosedCompositor:
        """The same for a head that turns."""
        key = (box, size_px)
        if key not in self._posed:
            self._posed[key] = PosedCompositor(avatar, poses, box, size_px)
            if self._background is not None:
                self._posed[key].set_background(self._background)
        return self._posed[key]

    def _show(self, index: int, t_tick_ns: int, n_missed: int) -> None:
        is_new = self._take_mouth(t_tick_ns)
        t_start_ns = self._clock.now_ns()
        pixels = self._draw(t_tick_ns)
        t_ready_ns = self._clock.now_ns()
        self._meters.note("compose", ns_to_ms(t_ready_ns - t_start_ns))
        t_capture_ns = self._patch.t_capture_ns if self._patch is not None else t_ready_ns
        picture = Picture(t_capture_ns, t_ready_ns, index, pixels, is_repeat=not is_new)
        self.pictures.put(picture)
        if is_new:
            self._meters.note("latency", ns_to_ms(self._clock.now_ns() - t_capture_ns))
        self._count(is_new, n_missed, t_ready_ns)
        self._prepare(t_tick_ns + NS_PER_S // self._fps)

    def _prepare(self, t_ns: int) -> None:
        """Decode the idle picture of the next tick now, where nobody waits for it."""
        if self._avatar is not None and self._idle_drawer is not None:
            self._idle_drawer.prepare(self._idle_at(self._avatar, t_ns))

    def _take_mouth(self, t_tick_ns: int) -> bool:
        """Take the newest mouth, and lean the grid towards the rhythm in which mouths come."""
        patch = self._mouth.take()
        if patch is not None:
            is_first = self._patch is None or self._patch.t_ready_ns < patch.t_ready_ns - STALE_NS
            self._patch = patch
            shift_ns = self._leaning.shift_ns(t_tick_ns - patch.t_ready_ns, is_first=is_first)
            if self._pacer is not None:
                self._pacer.shift(shift_ns)
            return True
        self._leaning.miss()
        if self._patch is not None and t_tick_ns - self._patch.t_ready_ns > STALE_NS:
            weight = max(0.0, self._patch.weight - REST_STEP)
            self._patch = replace(self._patch, weight=weight, pixels=self._patch.pixels if weight > 0 else None)
        return False

    def _draw(self, t_ns: int) -> UInt8:
        """The picture of a tick; nothing is composed twice."""
        avatar = self._avatar
        if avatar is None:
            raise RuntimeError("no avatar")
        idle = self._idle_at(avatar, t_ns)
        patch = self._patch
        pixels, weight = (None, 0.0) if patch is None else (patch.pixels, patch.weight)
        pose = self._pose_at(self._clock.now_ns()) if self._poses is not None else None
        is_marked = self._is_marked and not self._is_hidden
        key = "hidden" if self._is_hidden else (idle, pose, is_marked, None if pixels is None else (id(patch), weight))
        if self._last is not None and self._last[0] == key:
            return self._last[1]
        place = self._place(avatar, patch)
        self._idle_drawer = None
        if self._is_hidden:
            picture = self._compositor(avatar, *place).empty()
        elif self._poses is not None and pose is not None:
            picture = self._posed_compositor(avatar, self._poses, *place).compose(idle, pose, pixels, weight)
            self._note_head(pose)
        else:
            self._idle_drawer = self._compositor(avatar, *place)
            picture = self._idle_drawer.compose(idle, pixels, weight)
        if is_marked:
            self._badge.stamp(picture)
        self._last = (key, picture)
        return picture

    def _idle_at(self, avatar: Avatar, t_ns: int) -> int:
        """Number of the idle picture of an instant."""
        return int((t_ns - self._t_begin_ns) * avatar.spec.idle_fps // NS_PER_S % avatar.n_idle)

    def _note_head(self, pose: AvatarPose) -> None:
        """How old the user's head is in its first picture."""
        if pose.t_capture_ns > self._t_head_ns:
            self._t_head_ns = pose.t_capture_ns
            self._meters.note("head", ns_to_ms(self._clock.now_ns() - pose.t_capture_ns))

    @staticmethod
    def _place(avatar: Avatar, patch: MouthPatch | None) -> tuple[PatchBox, int]:
        """Where the patch belongs; without one, anywhere."""
        if patch is None:
            return PatchBox(0, 0, avatar.spec.crop_px, avatar.spec.crop_px), avatar.spec.crop_px
        return patch.spec.box, patch.spec.size_px

    def _count(self, is_new: bool, n_missed: int, t_ready_ns: int) -> None:
        self.rate.note(t_ready_ns)
        old = self.counts
        is_talking = self._patch is not None and self._patch.pixels is not None
        if is_talking and old.t_first_mouth_ns is None:
            log.info("first talking picture")
        self.counts = FrameCounts(
            n_shown=old.n_shown + 1,
            n_repeated=old.n_repeated + (not is_new),
            n_missed=old.n_missed + n_missed,
            t_first_ns=old.t_first_ns or t_ready_ns,
            t_first_mouth_ns=old.t_first_mouth_ns or (t_ready_ns if is_talking else None),
        )
