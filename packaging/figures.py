#!/usr/bin/env python3
"""Writes `packaging/guide/figures.md` from measurements: `python3 packaging/figures.py [--check]`.

It reads the output of `avatar-app bench --json` (`packaging/figures/bench-*.json`), the report of
`avatar-app studio evaluate` (`packaging/figures/report.json`), measurements that take hours or special equipment
(`packaging/figures/long.json`), reports of `avatar-app studio enrol`
(`packaging/figures/person.json`) and the manifests of the published models. No number in the page is typed by hand.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from figures_live import live_part, long_part, students_part
from figures_person import person_part
from figures_quality import distillation_part, quality_part, report_part

REPO = Path(__file__).resolve().parents[1]
DATA = REPO / "packaging" / "figures"
PAGE = REPO / "packaging" / "guide" / "figures.md"
MODELS = ("nova-hd", "nova-96")


def page() -> str:
    """The whole page."""
    benches = [read(path) for path in sorted(DATA.glob("bench-*.json"))]
    report, manifests = read(DATA / "report.json"), [read(REPO / "models" / m / "manifest.json") for m in MODELS]
    parts = [
        "# Figures",
        "`python3 packaging/figures.py` generates this page from the JSON files in `packaging/figures` and `models`."
        " Do not edit it.",
        *live_part(benches),
        *students_part(benches),
        *long_part(read(DATA / "long.json")),
        *report_part(report, manifests),
        *quality_part(manifests, report),
        *distillation_part(manifests),
        *person_part(read(DATA / "person.json")["runs"]),
    ]
    return "\n\n".join(parts) + "\n"


def read(path: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def main() -> int:
    """Write the page; with `--check`, only report whether it is up to date."""
    text = page()
    if "--check" in sys.argv[1:]:
        is_same = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text
        print("figures.md is up to date" if is_same else "figures.md is out of date: run python3 packaging/figures.py")
        return int(not is_same)
    PAGE.write_text(text, encoding="utf-8")
    print(PAGE)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
