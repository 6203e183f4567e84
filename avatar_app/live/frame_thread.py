"""The frame thread: on every tick of an even grid it renders the avatar with the newest mouth."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from avatar_app.contracts.clock import Clock
from avatar_app.contracts.handoff import Latest, Mailboxes
from avatar_app.contracts.head_pose import AvatarPose
from avatar_app.contracts.mouth import Mouth
from avatar_app.contracts.packets import Picture, UInt8
from avatar_app.contracts.renderer import BackgroundSource, Renderer
from avatar_app.contracts.units import NS_PER_S, ms_to_ns, ns_to_ms
from avatar_app.live.frame import Badge, Pacer, Tick
from avatar_app.live.runtime.meters import RateMeter, StageMeters
from avatar_app.live.runtime.phase_lock import PhaseLock

log = logging.getLogger(__name__)

# A mouth older than this belongs to sound that has stopped: the mouth returns to rest.
STALE_NS = ms_to_ns(250)
REST_STEP = 0.25


@dataclass(frozen=True, slots=True)
class FrameCounts:
    """Counts of the frame thread so far."""

    n_shown: int = 0
    n_repeated: int = 0
    n_missed: int = 0
    t_first_ns: int | None = None
    t_first_mouth_ns: int | None = None


class FrameLoop:
    """Renders pictures on an even grid and puts each in every sink's mailbox.

    Thread: frame, except for the setters and `counts`, which any thread may use.

    Args:
        clock: the program's.
        meters: of the stages.
        mouth: mailbox of the speech thread.
        fps: pictures in a second.
        pose_at: the head pose of an instant; None for the idle motion alone.

    Attributes:
        pictures: gets every finished picture.
    """

    def __init__(
        self,
        clock: Clock,
        meters: StageMeters,
        mouth: Latest[Mouth],
        fps: int,
        pose_at: Callable[[int], AvatarPose | None] = lambda t_ns: None,
    ) -> None:
        self._clock = clock
        self._pose_at = pose_at
        self._meters = meters
        self._new_mouth = mouth
        self._lock = threading.Lock()
        self._waiting: Renderer | None = None
        self._new_renderer: Latest[tuple[Renderer, bool]] = Latest()
        self._new_background: Latest[BackgroundSource] = Latest()
        self._renderer: Renderer | None = None
        self._background: BackgroundSource | None = None
        self._t_head_ns = 0
        self._mouth: Mouth | None = None
        self._fps = fps
        self._is_hidden = False
        self._badge, self._is_marked = Badge(), False
        self._pacer: Pacer | None = None
        self._pacer_fps = 0
        self._phase_lock = PhaseLock(NS_PER_S // fps)
        self._last: tuple[object, UInt8] | None = None
        self._t_begin_ns = clock.now_ns()
        self.pictures: Mailboxes[Picture] = Mailboxes()
        self.rate = RateMeter()
        self.counts = FrameCounts()

    def set_fps(self, fps: int) -> None:
        """Change the frame rate from the next tick on."""
        self._fps = fps

    def set_renderer(self, renderer: Renderer, *, awaits_mouths: bool = False) -> None:
        """Use another renderer from the next tick on.

        Args:
            renderer: the new one.
            awaits_mouths: it is of another avatar: it and those set after it wait until `change_mouths` is called.
        """
        with self._lock:
            if awaits_mouths or self._waiting is not None:
                self._waiting = renderer
            else:
                self._new_renderer.put((renderer, False))

    def change_mouths(self) -> None:
        """The mouths are those of another avatar from now on: use its renderer, and forget the older mouth."""
        with self._lock:
            if self._waiting is not None:
                self._new_renderer.put((self._waiting, True))
                self._waiting = None

    def set_background(self, background: BackgroundSource) -> None:
        """Use another background from the next tick on."""
        self._new_background.put(background)

    def set_hidden(self, *, is_hidden: bool) -> None:
        """Hide the avatar from the next tick on, so that only the background is left, or show it again."""
        self._is_hidden = is_hidden

    def set_marked(self, *, is_marked: bool) -> None:
        """Mark every picture as AI-generated from the next tick on, or no longer."""
        self._is_marked = is_marked

    def step(self, stop: threading.Event) -> None:
        """Wait for the next tick and render a picture; the worker's step."""
        self._adopt()
        renderer = self._renderer
        if renderer is None:
            stop.wait(0.01)
            return
        if self._pacer is None or self._pacer_fps != self._fps:
            self._pacer, self._pacer_fps = Pacer(self._clock, self._fps, self._clock.now_ns()), self._fps
            self._phase_lock = PhaseLock(NS_PER_S // self._fps)
        tick = self._pacer.next_tick(stop)
        # Another avatar that came in the meantime comes with its own mouths.
        self._adopt()
        if tick is not None:
            self._show(self._renderer or renderer, tick)

    def _adopt(self) -> None:
        new, background = self._new_renderer.take(), self._new_background.take()
        if new is None and background is None:
            return
        if new is not None:
            self._renderer, is_other_avatar = new
            if is_other_avatar:
                self._mouth = None
                self._new_mouth.take()
        self._background = background or self._background
        if self._renderer is not None and self._background is not None:
            self._renderer.set_background(self._background)
        self._last = None

    def _show(self, renderer: Renderer, tick: Tick) -> None:
        is_new = self._take_mouth(tick.t_ns)
        t_start_ns = self._clock.now_ns()
        pixels = self._render(renderer, tick.t_ns)
        t_ready_ns = self._clock.now_ns()
        self._meters.note("compose", ns_to_ms(t_ready_ns - t_start_ns))
        t_capture_ns = self._mouth.t_capture_ns if self._mouth is not None else t_ready_ns
        picture = Picture(t_capture_ns, t_ready_ns, tick.index, pixels, is_repeat=not is_new)
        self.pictures.put(picture)
        if is_new:
            self._meters.note("latency", ns_to_ms(self._clock.now_ns() - t_capture_ns))
        self._count(is_new, tick.n_missed, t_ready_ns)
        if not self._is_hidden:
            # Done now, so that the next mouth does not wait for it.
            renderer.prepare(self._idle_at(renderer, tick.t_ns + NS_PER_S // self._fps))

    def _take_mouth(self, t_tick_ns: int) -> bool:
        """Take the newest mouth, and lock the phase of the grid to the arrival of mouths."""
        mouth, last = self._new_mouth.take(), self._mouth
        if mouth is not None:
            is_first = last is None or last.t_ready_ns < mouth.t_ready_ns - STALE_NS
            self._mouth = mouth
            shift_ns = self._phase_lock.shift_ns(t_tick_ns - mouth.t_ready_ns, is_first=is_first)
            if self._pacer is not None:
                self._pacer.shift(shift_ns)
            return True
        self._phase_lock.miss()
        if last is not None and t_tick_ns - last.t_ready_ns > STALE_NS:
            weight = max(0.0, last.weight - REST_STEP)
            self._mouth = replace(last, weight=weight, shape=last.shape if weight > 0 else None)
        return False

    def _render(self, renderer: Renderer, t_ns: int) -> UInt8:
        """The picture of a tick; one that would be the same as the last is not rendered again."""
        idle, mouth = self._idle_at(renderer, t_ns), self._mouth
        pose = self._pose_at(self._clock.now_ns()) if renderer.turns_head else None
        is_marked = self._is_marked and not self._is_hidden
        shape = None if mouth is None or mouth.shape is None else (id(mouth), mouth.weight)
        key = "hidden" if self._is_hidden else (idle, pose, is_marked, shape)
        if self._last is not None and self._last[0] == key:
            return self._last[1]
        if self._is_hidden:
            picture = renderer.empty()
        else:
            picture = renderer.render(idle, mouth, pose)
            self._note_head(pose)
        if is_marked:
            self._badge.stamp(picture)
        self._last = (key, picture)
        return picture

    def _idle_at(self, renderer: Renderer, t_ns: int) -> int:
        """The step of the idle loop at an instant."""
        return int((t_ns - self._t_begin_ns) * renderer.idle_fps // NS_PER_S % renderer.n_idle)

    def _note_head(self, pose: AvatarPose | None) -> None:
        """Measure the age of a new head pose in its first picture."""
        if pose is not None and pose.t_capture_ns > self._t_head_ns:
            self._t_head_ns = pose.t_capture_ns
            self._meters.note("head", ns_to_ms(self._clock.now_ns() - pose.t_capture_ns))

    def _count(self, is_new: bool, n_missed: int, t_ready_ns: int) -> None:
        self.rate.note(t_ready_ns)
        old = self.counts
        is_talking = self._mouth is not None and self._mouth.shape is not None
        if is_talking and old.t_first_mouth_ns is None:
            log.info("first talking picture")
        self.counts = FrameCounts(
            n_shown=old.n_shown + 1,
            n_repeated=old.n_repeated + (not is_new),
            n_missed=old.n_missed + n_missed,
            t_first_ns=old.t_first_ns or t_ready_ns,
            t_first_mouth_ns=old.t_first_mouth_ns or (t_ready_ns if is_talking else None),
        )
