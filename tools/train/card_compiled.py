"""The table of what was compiled: for a package's card, and of all packages for the evidence page.

python tools/train/card_compiled.py --models models --out docs/evidence/compiled.md
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge_emo.compile import read_figures
from edge_emo.manifest import TARGETS, ModelPackage, list_packages

HEAD = (
    "target", "candidate", "kB", "score", "agreement", "calibration error", "median ms", "p95 ms",
    "CPU ms", "peak MB", "verdict",
)  # fmt: skip
PAGE = """# Compiled models

Written by `python tools/train/card_compiled.py` from the `metrics.json` of each package, which
`edge-emo compile` fills.

{note} The machine: two cores of an AMD EPYC with AVX512-VNNI (virtual), shared with other work.
Nothing here was run on a Raspberry Pi, a Jetson or an Intel device.

Score: unweighted average recall; of the detector, F1 of its faces. Agreement: share of clips whose
top label is the float model's; of the detector, F1 against its faces. CPU: processor time, by which
candidates are compared. A verdict is `kept`, or why the candidate is not in
the package.

## Size for one target

{sizes}

{packages}
"""


def section(metrics: Mapping[str, Any]) -> list[str]:
    """Return the lines of the table of one package; empty when it was never compiled."""
    found = metrics.get("compiled")
    if not found:
        return []
    about = [found["judged_on"], ""] if found.get("judged_on") else []
    return [*about, *_lines(HEAD, [_row(row) for row in found["candidates"]])]


def page(packages: Sequence[ModelPackage]) -> str:
    """Return the page of all packages that were compiled."""
    parts, notes = [], set()
    for package in packages:
        metrics = json.loads((package.folder / "metrics.json").read_text(encoding="utf-8"))
        if lines := section(metrics):
            notes.add(metrics["compiled"]["note"])
            parts.append("\n".join([f"## {package.id}", "", *lines]))
    return PAGE.format(note=" ".join(notes), sizes=_sizes(packages), packages="\n\n".join(parts))


def _sizes(packages: Sequence[ModelPackage]) -> str:
    rows = []
    for package in (package for package in packages if package.default):
        kept = [row for row in read_figures(package.folder) if not row.get("reason")]
        sizes = [sum(r["bytes"] for r in kept if r["target"] == name) for name in TARGETS]
        rows.append([package.id, *(f"{size / 1e3:.0f}" for size in sizes)])
    totals = [sum(float(row[k + 1]) for row in rows) for k in range(len(TARGETS))]
    rows.append(["together", *(f"{total:.0f}" for total in totals)])
    return "\n".join(_lines(["default package, kB", *TARGETS], rows))


def _row(row: Mapping[str, Any]) -> list[str]:
    return [
        row["target"],
        row["kind"],
        f"{row['bytes'] / 1e3:.0f}" if row.get("bytes") else "–",
        *(_number(row.get(key)) for key in ("score", "agreement", "calibration_error")),
        *(_number(row.get(key)) for key in ("p50_ms", "p95_ms", "cpu_ms")),
        f"{row['peak_mb']:.0f}" if row.get("peak_mb") else "–",
        row.get("reason") or "kept",
    ]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--out", type=Path, default=Path("docs/evidence/compiled.md"))
    given = parser.parse_args()
    packages = [p for p in list_packages([given.models]) if p.folder.parent == given.models]
    given.out.write_text(page(packages), encoding="utf-8")


if __name__ == "__main__":
    main()
