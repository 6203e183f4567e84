"""How a grid of pictures follows the rhythm of what it shows: the sound's for the avatar, the avatar's for a camera."""

from __future__ import annotations

from avatar_app.contracts.units import ms_to_ns, s_to_ns

# A grid moves by at most this share of a period a tick, far below what an eye can see, ...
MAX_LEAN_RATIO = 0.004
# ... and by one part of so many of what is missing.
LEAN_PARTS = 16
# So many mouths show the whole rhythm: at 25 pictures a second it comes round after five.
N_SETTLING = 6
# Of a margin: where it begins, how much one late mouth adds, and in which time that is forgotten.
LEAST_MARGIN_NS, MARGIN_STEP_NS, FORGOTTEN_AFTER_NS = ms_to_ns(5), ms_to_ns(2), s_to_ns(30)
# No more than this, and not more than this share of a period.
MOST_MARGIN_NS, MOST_MARGIN_RATIO = ms_to_ns(15), 0.6
# After more empty ticks than this the sound had stopped; no mouth was late.
MAX_EMPTY_TICKS = 2


class Margin:
    """How long a mouth is to be ready before its tick: little while all come in time, more after some came late.

    A mouth that misses its tick is seen a whole picture later, or never. A few milliseconds of waiting cost less than
    that on a busy machine; on a quiet one they are not spent.

    Args:
        period_ns: of the grid.
    """

    def __init__(self, period_ns: int) -> None:
        self._most_ns = max(LEAST_MARGIN_NS, min(MOST_MARGIN_NS, int(MOST_MARGIN_RATIO * period_ns)))
        self._forgotten_ns = MARGIN_STEP_NS * period_ns // FORGOTTEN_AFTER_NS
        self.ns = LEAST_MARGIN_NS

    def note(self, n_empty_ticks: int) -> None:
        """A mouth was taken, and so many ticks before it had found none."""
        if 0 < n_empty_ticks <= MAX_EMPTY_TICKS:
            self.ns = min(self._most_ns, self.ns + MARGIN_STEP_NS)
        else:
            self.ns = max(LEAST_MARGIN_NS, self.ns - self._forgotten_ns)


def phase_error_ns(waited_ns: int, wanted_ns: int, period_ns: int) -> int:
    """How much later a grid must come so that what waited so long waits as long as wanted; half a period either way."""
    error_ns = (wanted_ns - waited_ns) % period_ns
    return error_ns - period_ns if error_ns > period_ns // 2 else error_ns


def lean_ns(error_ns: int, period_ns: int) -> int:
    """The part of such an error by which a grid moves with one tick, so that nobody sees it."""
    limit_ns = int(MAX_LEAN_RATIO * period_ns)
    return max(-limit_ns, min(limit_ns, error_ns // LEAN_PARTS))


class Leaning:
    """How a grid follows the rhythm in which mouths come, so that clocks that differ never drift apart.

    The first mouths of a stream set the grid at once, so that the last of them to come is in time: sound comes in
    pieces, and one mouth in five may come a whole piece before the others. Later it moves little by little.

    Args:
        period_ns: of the grid.
    """

    def __init__(self, period_ns: int) -> None:
        self._period_ns = period_ns
        self.margin = Margin(period_ns)
        self._n_empty_ticks = 0
        self._n_settling = 0

    def miss(self) -> None:
        """A tick found no mouth."""
        self._n_empty_ticks += 1

    def shift_ns(self, waited_ns: int, *, is_first: bool) -> int:
        """A tick found a mouth: by how much later the grid is to come.

        Args:
            waited_ns: since the mouth was ready.
            is_first: of a stream.
        """
        self._n_settling = N_SETTLING if is_first else max(0, self._n_settling - 1)
        if self._n_settling == 0:
            self.margin.note(self._n_empty_ticks)
        self._n_empty_ticks = 0
        error_ns = phase_error_ns(waited_ns, self.margin.ns, self._period_ns)
        at_once = is_first or (self._n_settling > 0 and error_ns > 0)
        return error_ns if at_once else lean_ns(error_ns, self._period_ns)
