"""Geometry of the charts of the page; the templates draw them as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a bar chart.

    Attributes:
        label: text before the bar.
        value: length of the bar.
        low, high: ends of the whisker; equal for no whisker.
        colour: number of a colour of the page.
        is_pale: whether the bar has a lighter colour.
    """

    label: str
    value: float
    low: float = 0.0
    high: float = 0.0
    colour: int = 0
    is_pale: bool = False


@dataclass(frozen=True)
class BarChart:
    """Horizontal bars with their values.

    Attributes:
        rows: bars from top to bottom.
        unit: unit of the values.
        title: description for readers who cannot see the chart.
        is_log: logarithmic axis; values must be positive.
        digits: decimals of the values.
    """

    width_px: ClassVar[int] = 860
    left_px: ClassVar[int] = 250
    bar_px: ClassVar[int] = 13
    row_px: ClassVar[int] = 24
    value_px: ClassVar[int] = 90
    below_px: ClassVar[int] = 34

    rows: Sequence[Bar]
    unit: str
    title: str
    is_log: bool = False
    digits: int = 2

    @property
    def axis_px(self) -> int:
        """Vertical position of the axis."""
        return len(self.rows) * self.row_px

    @property
    def height_px(self) -> int:
        """Height of the chart."""
        return self.axis_px + self.below_px

    def x(self, value: float) -> float:
        """Horizontal position of a value."""
        low, high = self._range()
        if self.is_log:
            share = math.log(max(value, low) / low) / math.log(high / low)
        else:
            share = (value - low) / max(high - low, 1e-9)
        return self.left_px + (self.width_px - self.left_px - self.value_px) * min(1.0, max(0.0, share))

    def y(self, row: int) -> float:
        """Vertical centre of a row."""
        return (row + 0.5) * self.row_px

    def length(self, bar: Bar) -> float:
        """Length of a bar; never invisible."""
        return max(1.5, self.x(bar.value) - self.left_px)

    def end(self, bar: Bar) -> float:
        """Horizontal end of a bar with its whisker."""
        return self.x(max(bar.value, bar.high) if bar.high > bar.low else bar.value)

    def text(self, bar: Bar) -> str:
        """The value of a bar with its unit."""
        return f"{bar.value:.{self.digits}f} {self.unit}"

    def ticks(self) -> list[float]:
        """Values of the axis labels."""
        low, high = self._range()
        if not self.is_log:
            return [tick for tick in _even_ticks(low, high) if tick <= high]
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        return [10.0**k for k in range(first, last + 1) if 10.0**k <= high]

    def _range(self) -> tuple[float, float]:
        values = [value for bar in self.rows for value in (bar.value, bar.high) if value > 0]
        high = max(values, default=1.0)
        if not self.is_log:
            return 0.0, high
        low = 10.0 ** math.floor(math.log10(min(values, default=0.1)))
        return low, max(high, 10 * low)


@dataclass(frozen=True)
class LineChart:
    """Lines with markers; the values of x are spread evenly.

    Attributes:
        series: points (x, y) by name.
        colours: number of a colour of the page by name.
        title: heading.
        x_unit, y_unit: units of the axes.
        digits: decimals of the values of y.
    """

    width_px: ClassVar[int] = 420
    height_px: ClassVar[int] = 250
    left_px: ClassVar[int] = 52
    top_px: ClassVar[int] = 34
    bottom_px: ClassVar[int] = 38

    series: Mapping[str, Sequence[tuple[float, float]]]
    colours: Mapping[str, int]
    title: str
    x_unit: str
    y_unit: str
    digits: int = 1

    def xs(self) -> list[float]:
        """All values of x in order."""
        return sorted({x for points in self.series.values() for x, _ in points})

    def ticks(self) -> list[float]:
        """Values of the labels of the y axis."""
        ys = [y for points in self.series.values() for _, y in points]
        return _even_ticks(min(ys), max(ys))

    def x(self, value: float) -> float:
        """Horizontal position of a value of x."""
        xs = self.xs()
        share = xs.index(value) / (len(xs) - 1) if len(xs) > 1 else 0.5
        return self.left_px + 14 + share * (self.width_px - self.left_px - 40)

    def y(self, value: float) -> float:
        """Vertical position of a value of y."""
        ticks = self.ticks()
        share = (value - ticks[0]) / max(ticks[-1] - ticks[0], 1e-9)
        return self.height_px - self.bottom_px - share * (self.height_px - self.top_px - self.bottom_px)

    def text(self, value: float) -> str:
        """A value of y."""
        return f"{value:.{self.digits}f}"


def _even_ticks(low: float, high: float) -> list[float]:
    """Four to seven round numbers from below `low` to above `high`."""
    span = max(high - low, 1e-6)
    step = 10.0 ** math.floor(math.log10(span / 4))
    step = next(step * k for k in (1, 2, 5, 10) if span / (step * k) <= 6)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(k * step, 9) for k in range(first, last + 1)]
