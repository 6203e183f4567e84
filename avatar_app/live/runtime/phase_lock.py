"""Locks the phase of a grid of pictures to events: the avatar's to mouths, a camera's to the avatar's pictures."""

from __future__ import annotations

from avatar_app.contracts.units import ms_to_ns, s_to_ns

# A tick moves the grid by at most this share of a period, far below what is visible, ...
MAX_CORRECTION_RATIO = 0.004
# ... and by this part of the error.
CORRECTION_DIVISOR = 16
# Mouths that show the whole pattern of their arrival: at 25 pictures a second it repeats after five.
N_SETTLING = 6
# Of a margin: its minimum, how much a late mouth adds, and the time in which it returns to the minimum.
MIN_MARGIN_NS, MARGIN_STEP_NS, DECAY_NS = ms_to_ns(5), ms_to_ns(2), s_to_ns(30)
# Its maximum, in time and as a share of a period.
MAX_MARGIN_NS, MAX_MARGIN_RATIO = ms_to_ns(15), 0.6
# After more empty ticks than this the sound had stopped, and no mouth was late.
MAX_EMPTY_TICKS = 2


class Margin:
    """How long before its tick a mouth should be ready: short while all are in time, longer after some were late.

    A mouth that misses its tick appears one picture later or not at all. On a busy machine a few milliseconds of
    waiting cost less than that; on an idle one the margin stays at its minimum.

    Args:
        period_ns: of the grid.
    """

    def __init__(self, period_ns: int) -> None:
        self._max_ns = max(MIN_MARGIN_NS, min(MAX_MARGIN_NS, int(MAX_MARGIN_RATIO * period_ns)))
        self._decay_ns = MARGIN_STEP_NS * period_ns // DECAY_NS
        self.ns = MIN_MARGIN_NS

    def note(self, n_empty_ticks: int) -> None:
        """Adapt to one mouth; `n_empty_ticks` ticks before it had none."""
        if 0 < n_empty_ticks <= MAX_EMPTY_TICKS:
            self.ns = min(self._max_ns, self.ns + MARGIN_STEP_NS)
        else:
            self.ns = max(MIN_MARGIN_NS, self.ns - self._decay_ns)


def phase_error_ns(waited_ns: int, wanted_ns: int, period_ns: int) -> int:
    """How much later the grid must be so that an event waits for its tick as long as wanted.

    Args:
        waited_ns: how long it waited.
        wanted_ns: how long it should wait.
        period_ns: of the grid.

    Returns:
        Half a period either way at most.
    """
    error_ns = (wanted_ns - waited_ns) % period_ns
    return error_ns - period_ns if error_ns > period_ns // 2 else error_ns


def correction_ns(error_ns: int, period_ns: int) -> int:
    """The part of a phase error that one tick corrects, too small to be visible."""
    limit_ns = int(MAX_CORRECTION_RATIO * period_ns)
    return max(-limit_ns, min(limit_ns, error_ns // CORRECTION_DIVISOR))


class PhaseLock:
    """Locks the phase of a grid to the arrival of mouths, so that clocks that differ never drift apart.

    The first mouths of a stream set the phase immediately, so that the latest of them is in time: sound arrives in
    pieces, and one mouth in five may be a whole piece earlier than the others. Later corrections are small.

    Args:
        period_ns: of the grid.
    """

    def __init__(self, period_ns: int) -> None:
        self._period_ns = period_ns
        self.margin = Margin(period_ns)
        self._n_empty_ticks = 0
        self._n_settling = 0

    def miss(self) -> None:
        """Note a tick without a mouth."""
        self._n_empty_ticks += 1

    def shift_ns(self, waited_ns: int, *, is_first: bool) -> int:
        """Note a tick with a mouth; returns by how much later the grid should be.

        Args:
            waited_ns: since the mouth was ready.
            is_first: of a stream.
        """
        self._n_settling = N_SETTLING if is_first else max(0, self._n_settling - 1)
        if self._n_settling == 0:
            self.margin.note(self._n_empty_ticks)
        self._n_empty_ticks = 0
        error_ns = phase_error_ns(waited_ns, self.margin.ns, self._period_ns)
        is_immediate = is_first or (self._n_settling > 0 and error_ns > 0)
        return error_ns if is_immediate else correction_ns(error_ns, self._period_ns)
