"""Speech features: several descriptions of a sound behind one function, with a cache.

    values, rate_hz = features.compute("phonemes", samples, cache=folder)

Row k of every feature describes the instant (k + 0.5) / rate_hz, as mouth curves do. They serve training and
adaptation only; the live path computes mel columns by itself.
"""

from avatar_app.studio.data.features.feature import Features, at_rate
from avatar_app.studio.data.features.registry import NAMES, compute, is_available, widths

__all__ = ["NAMES", "Features", "at_rate", "compute", "is_available", "widths"]
