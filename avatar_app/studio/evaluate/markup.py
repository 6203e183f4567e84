"""The pieces of an HTML page: tables, figures, a style sheet. Everything is escaped here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

# Series colours tell apart for colour-blind eyes as well (after Okabe and Ito), on light and on dark ground.
STYLE = """
:root { color-scheme: light dark;
  --paper: #fbfbfa; --card: #ffffff; --ink: #1d2126; --soft: #5b6470; --faint: #e3e6ea;
  --k0: #7b8490; --k1: #1f6fd6; --k2: #d9731a; --k3: #0e8f73; --k4: #a04bb5; --k5: #b8860b; --k6: #c23b5a; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #14171b; --card: #1b1f25; --ink: #e8eaed; --soft: #9aa4b0; --faint: #2d333b;
  --k0: #98a2ae; --k1: #5b9cf2; --k2: #f09a4a; --k3: #3cc2a2; --k4: #c98adb; --k5: #dcb343; --k6: #ee7390; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 40px 28px 80px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; }
h2 { font-size: 20px; margin: 56px 0 6px; padding-top: 18px; border-top: 1px solid var(--faint); }
h3 { font-size: 15px; margin: 26px 0 8px; }
p, li { max-width: 76ch; } p { margin: 6px 0 14px; }
.soft, figcaption, caption { color: var(--soft); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(210px, 1fr)); gap: 14px; margin: 28px 0 0; }
.tile { background: var(--card); border: 1px solid var(--faint); border-radius: 10px; padding: 16px 18px; }
.tile b { display: block; font-size: 27px; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tile span { display: block; color: var(--soft); font-size: 13px; line-height: 1.4; margin-top: 4px; }
.wide { overflow-x: auto; margin: 12px 0 18px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
caption { text-align: left; caption-side: bottom; padding-top: 8px; font-size: 13px; }
th, td { padding: 7px 12px; text-align: right; border-bottom: 1px solid var(--faint); white-space: nowrap; }
th { font-weight: 600; color: var(--soft); font-size: 13px; vertical-align: bottom; }
th:first-child, td:first-child { padding-left: 2px; }
td.text, th.text { text-align: left; } td.best { font-weight: 700; }
.legend { display: flex; flex-wrap: wrap; gap: 6px 20px; margin: 8px 0 4px; font-size: 13px; }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 7px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(340px, 1fr)); gap: 10px 28px; }
svg.chart { width: 100%; height: auto; display: block; margin: 10px 0 4px; }
svg text { fill: var(--soft); font-size: 12px; font-family: inherit; font-variant-numeric: tabular-nums; }
svg .label, svg .value, svg .name { fill: var(--ink); } svg .name { font-weight: 600; font-size: 13px; }
svg .end { text-anchor: end; } svg .mid { text-anchor: middle; }
svg .grid { stroke: var(--faint); stroke-width: 1; } svg .whisker { stroke: var(--ink); stroke-width: 1.5; }
svg .pale { opacity: 0.45; } svg polyline { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
.strip { display: grid; grid-template-columns: 110px 1fr; gap: 4px 14px; align-items: center; margin: 10px 0 6px; }
.strip img { width: 100%; display: block; border-radius: 4px; } .strip span { text-align: right; font-size: 13px; }
video { width: 100%; border-radius: 8px; display: block; background: #16161a; margin-top: 12px; }
details { margin: 10px 0; } summary { cursor: pointer; color: var(--soft); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 6px 20px; margin: 10px 0; }
dt { font-weight: 600; } dd { margin: 0; max-width: 76ch; }
@media (max-width: 640px) { dl { grid-template-columns: 1fr; } .strip { grid-template-columns: 1fr; }
  .strip span { text-align: left; } }
@media print { body { background: #fff; } main { max-width: none; padding: 0; } h2 { break-after: avoid; }
  table, figure, .strip, .tile, svg { break-inside: avoid; } video, summary { display: none; } }
"""
N_COLOURS = 7


def colour_rules() -> str:
    """The classes of the series colours: fills, lines, chips of the legend."""
    return "".join(
        f"svg .c{k} {{ fill: var(--k{k}); }} svg .s{k} {{ stroke: var(--k{k}); }} .legend .i{k} "
        f"{{ background: var(--k{k}); }}\n"
        for k in range(N_COLOURS)
    )


def page(title: str, body: Sequence[str]) -> str:
    """A whole page without scripts, fonts or pictures from elsewhere."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # The icon is named so that no browser asks for one.
        f'<link rel="icon" href="data:,"><style>{STYLE}{colour_rules()}</style></head>\n'
        f"<body><main>\n{chr(10).join(part for part in body if part)}\n</main></body></html>\n"
    )


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str = "",
    best: Mapping[int, int] | None = None,
    n_texts: int = 1,
) -> str:
    """A table.

    Args:
        head: names of the columns.
        rows: texts.
        caption: below it.
        best: row of the best value by column, which is printed bold.
        n_texts: how many of the first columns hold words, not numbers.
    """
    best = best or {}
    lines = ["<tr>" + "".join(_cell("th", name, is_text=c < n_texts) for c, name in enumerate(head)) + "</tr>"]
    for k, row in enumerate(rows):
        cells = (_cell("td", text, is_text=c < n_texts, is_best=best.get(c) == k) for c, text in enumerate(row))
        lines.append("<tr>" + "".join(cells) + "</tr>")
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<div class="wide"><table>{told}<thead>{lines[0]}</thead><tbody>{"".join(lines[1:])}</tbody></table></div>'


def _cell(tag: str, text: str, *, is_text: bool, is_best: bool = False) -> str:
    kinds = " ".join(kind for kind, is_so in (("text", is_text), ("best", is_best)) if is_so)
    return f"<{tag} class='{kinds}'>{escape(text)}</{tag}>" if kinds else f"<{tag}>{escape(text)}</{tag}>"


def section(title: str, *parts: str) -> str:
    """A part of the page with a headline; nothing when it has no content."""
    content = [part for part in parts if part]
    return f"<section><h2>{escape(title)}</h2>\n{chr(10).join(content)}</section>" if content else ""


def paragraph(text: str, *, is_soft: bool = False) -> str:
    """A paragraph of plain text."""
    return f"<p{' class=soft' if is_soft else ''}>{escape(text)}</p>"


def title(text: str) -> str:
    """The title of the page."""
    return f"<h1>{escape(text)}</h1>"


def headline(text: str) -> str:
    """A small headline."""
    return f"<h3>{escape(text)}</h3>"


def tiles(facts: Sequence[tuple[str, str]]) -> str:
    """Large figures with what they mean."""
    cells = "".join(f'<div class="tile"><b>{escape(b)}</b><span>{escape(text)}</span></div>' for b, text in facts)
    return f'<div class="tiles">{cells}</div>' if facts else ""


def legend(names: Mapping[str, int]) -> str:
    """Names with their colours."""
    chips = "".join(f'<span><i class="i{colour}"></i>{escape(name)}</span>' for name, colour in names.items())
    return f'<div class="legend">{chips}</div>'


def folded(summary: str, *parts: str) -> str:
    """Something long that is shown when asked for."""
    return f"<details><summary>{escape(summary)}</summary>{''.join(parts)}</details>"


def definitions(terms: Mapping[str, str]) -> str:
    """Terms and what they mean."""
    return "<dl>" + "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in terms.items()) + "</dl>"


def strip_rows(rows: Sequence[tuple[str, str]]) -> str:
    """Names with wide pictures: (name, address of the picture)."""
    cells = "".join(f'<span>{escape(name)}</span><img alt="{escape(name)}" src="{uri}">' for name, uri in rows)
    return f'<div class="strip">{cells}</div>'


def film(file: str, poster: str) -> str:
    """A film that lies beside the page."""
    return f'<video controls preload="none" src="{escape(file)}" poster="{poster}"></video>'
