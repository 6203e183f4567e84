"""Charts as inline SVG: horizontal bars and lines, in the colours of the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH_PX = 860
ROW_PX, BAR_PX = 24, 13
LABEL_PX, VALUE_PX = 250, 90
AXIS_PX = 34


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar.

    Attributes:
        label: before it.
        value: its length.
        low, high: ends of a whisker; none where they are equal.
        colour: number of a colour of the page.
        is_pale: drawn lighter than the others.
    """

    label: str
    value: float
    low: float = 0.0
    high: float = 0.0
    colour: int = 0
    is_pale: bool = False


def bars(rows: Sequence[Bar], unit: str, title: str, *, is_log: bool = False, digits: int = 2) -> str:
    """Horizontal bars with their values behind them.

    Args:
        rows: from top to bottom.
        unit: behind each value, and under the axis.
        title: what the chart shows, for those who cannot see it.
        is_log: logarithmic axis; values must be positive.
        digits: behind the point.
    """
    scale = _Scale.over([v for r in rows for v in (r.value, r.high) if v > 0], is_log=is_log)
    height = len(rows) * ROW_PX + AXIS_PX
    body = [_vertical_lines(scale, height, unit)]
    for k, row in enumerate(rows):
        body.append(_bar(row, k * ROW_PX, scale, f"{row.value:.{digits}f} {unit}"))
    return _svg(WIDTH_PX, height, title, body)


def lines(
    series: Mapping[str, Sequence[tuple[float, float]]],
    colours: Mapping[str, int],
    title: str,
    x_unit: str,
    y_unit: str,
    digits: int = 1,
) -> str:
    """Lines with their points; x is spread evenly, one place for each value that occurs.

    Args:
        series: points by name.
        colours: number of a colour of the page by name.
        title: what the chart shows; stands above it.
        x_unit: under the x axis.
        y_unit: in the title.
        digits: of the values of y.
    """
    width, height, left, top, bottom = 420, 250, 52, 34, 38
    xs = sorted({x for points in series.values() for x, _ in points})
    ys = [y for points in series.values() for _, y in points]
    ticks = _even_ticks(min(ys), max(ys))

    def place(x: float, y: float) -> tuple[float, float]:
        share = xs.index(x) / max(1, len(xs) - 1) if len(xs) > 1 else 0.5
        part = (y - ticks[0]) / max(ticks[-1] - ticks[0], 1e-9)
        return left + 14 + share * (width - left - 40), height - bottom - part * (height - top - bottom)

    body = [f'<text class="name" x="{left}" y="16">{escape(title)}, {escape(y_unit)}</text>']
    for tick in ticks:
        y = place(xs[0], tick)[1]
        body.append(f'<line class="grid" x1="{left}" x2="{width - 8}" y1="{y:.1f}" y2="{y:.1f}"/>')
        body.append(f'<text class="tick end" x="{left - 7}" y="{y + 4:.1f}">{tick:g}</text>')
    body += [
        f'<text class="tick mid" x="{place(x, ticks[0])[0]:.1f}" y="{height - 16}">{x:g} {x_unit}</text>' for x in xs
    ]
    body += [
        _line([place(x, y) for x, y in points], points, name, colours[name], digits) for name, points in series.items()
    ]
    return _svg(width, height, title, body)


@dataclass(frozen=True, slots=True)
class _Scale:
    """From values to places along a bar chart."""

    low: float
    high: float
    is_log: bool

    @classmethod
    def over(cls, values: Sequence[float], *, is_log: bool) -> _Scale:
        high = max(values, default=1.0)
        if not is_log:
            return cls(0.0, high, is_log=False)
        low = 10.0 ** math.floor(math.log10(min(values, default=0.1)))
        return cls(low, max(high, 10 * low), is_log=True)

    def x(self, value: float) -> float:
        room = WIDTH_PX - LABEL_PX - VALUE_PX
        if self.is_log:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / max(self.high - self.low, 1e-9)
        return LABEL_PX + room * min(1.0, max(0.0, share))

    def ticks(self) -> list[float]:
        if not self.is_log:
            return [t for t in _even_ticks(self.low, self.high) if t <= self.high]
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        return [10.0**k for k in range(first, last + 1) if 10.0**k <= self.high]


def _even_ticks(low: float, high: float) -> list[float]:
    """Four to seven round numbers from below `low` to above `high`."""
    span = max(high - low, 1e-6)
    step = 10.0 ** math.floor(math.log10(span / 4))
    step = next(step * k for k in (1, 2, 5, 10) if span / (step * k) <= 6)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(k * step, 9) for k in range(first, last + 1)]


def _vertical_lines(scale: _Scale, height: float, unit: str) -> str:
    parts = []
    for tick in scale.ticks():
        x = scale.x(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - AXIS_PX + 4}"/>')
        parts.append(f'<text class="tick mid" x="{x:.1f}" y="{height - 14}">{tick:g} {escape(unit)}</text>')
    return "".join(parts)


def _bar(row: Bar, y: float, scale: _Scale, value: str) -> str:
    middle, end = y + ROW_PX / 2, scale.x(row.value)
    pale = " pale" if row.is_pale else ""
    parts = [
        f'<text class="label end" x="{LABEL_PX - 9}" y="{middle + 4:.1f}">{escape(row.label)}</text>',
        f'<rect class="c{row.colour}{pale}" x="{LABEL_PX}" y="{middle - BAR_PX / 2:.1f}" rx="2"'
        f' width="{max(1.5, end - LABEL_PX):.1f}" height="{BAR_PX}"/>',
    ]
    if row.high > row.low:
        a, b = scale.x(row.low), scale.x(row.high)
        parts.append(f'<line class="whisker" x1="{a:.1f}" x2="{b:.1f}" y1="{middle:.1f}" y2="{middle:.1f}"/>')
        end = max(end, b)
    parts.append(f'<text class="value" x="{end + 7:.1f}" y="{middle + 4:.1f}">{escape(value)}</text>')
    return "".join(parts)


def _line(
    places: Sequence[tuple[float, float]], points: Sequence[tuple[float, float]], name: str, colour: int, digits: int
) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(
        f'<circle class="c{colour}" cx="{x:.1f}" cy="{y:.1f}" r="4.5">'
        f"<title>{escape(name)}: {value:.{digits}f}</title></circle>"
        for (x, y), (_, value) in zip(places, points, strict=True)
    )
    return f'<polyline class="s{colour}" points="{path}"/>{dots}'


def _svg(width: float, height: float, title: str, body: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {width} {height}" style="max-width:{width}px" role="img"'
        f' aria-label="{escape(title)}">{"".join(body)}</svg>'
    )
