"""Write docs/evidence/body-signals.md from what edge-emo evaluate measured.

python tools/train/body_evidence.py
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "evidence" / "body-signals.md"
PARTS = (
    ("Mental load from EEG", "eeg-load-small"),
    ("Stress from pulse and skin", "physio-stress-small"),
)
LIMITS: Mapping[str, str] = {
    "eeg-load-small": """A longer window tells more, a baseline more still. With a baseline the
calibration error is about twice what luck gives, and most at 30 s and with 4 channels. What was
chosen on these same people is named in the card.""",
    "physio-stress-small": """A baseline adds less than the intervals are wide. What was chosen on
these same people, and how much the folds alone move a figure, is named in the card.""",
}
WORDS = """# Evidence: EEG, pulse and skin

Written by `tools/train/body_evidence.py` from the packages' `metrics.json`; no figure is typed in.
Subjects are left out: each fold's net was exported and run by the code of `edge-emo evaluate` over
clips of people that it never saw. Intervals are 95 %, over bootstrapped subjects; p is a
permutation test of the area: the labels of whole recordings and periods are exchanged within
subjects. Beside each calibration error is what a model with perfect posteriors would show on as
many clips, by luck. Limits are in the cards of [EEG](../../models/eeg-load-small/card.md) and of
[pulse and skin](../../models/physio-stress-small/card.md).
"""


def main() -> None:
    """Write the page."""
    sections, times = [WORDS], []
    for title, name in PARTS:
        metrics = json.loads((ROOT / "models" / name / "metrics.json").read_text("utf-8"))
        sections.append(f"## {title}\n\n" + "\n".join(_table(metrics["evaluations"])))
        if name in LIMITS:
            sections.append(LIMITS[name])
        sections += [_further(table) for table in metrics.get("tables", [])]
        times += metrics.get("window_times", [])
        heart = metrics["training"].get("heart rate")
        if heart:
            sections.append("## Heart rate\n\n" + "\n".join(_heart(heart)))
    sections.append("## Time of one window\n\n" + "\n".join(_times(times)))
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n\n".join(part.strip() for part in sections) + "\n", encoding="utf-8")


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    head = (
        "clips of left-out subjects",
        "n",
        "balanced recall",
        "ROC AUC",
        "calibration error (by luck)",
        "p",
    )
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for row in rows:
        cells = (
            row["split"].removeprefix("left-out subjects, "),
            str(row["n"]),
            _with(row["unweighted_average_recall"], row["unweighted_average_recall_interval"]),
            _with(row["roc_auc"], row["roc_auc_interval"]),
            f"{row['expected_calibration_error']:.3f} ({row['calibration_error_by_luck']:.3f})",
            f"{row['permutation_p']:.3f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _further(table: Mapping[str, Any]) -> str:
    lines = [f"| {' | '.join(table['head'])} |", "|" + "---|" * len(table["head"])]
    rows = [f"| {' | '.join(map(str, row))} |" for row in table["rows"]]
    what = textwrap.fill(table["what"], 100)
    return "\n".join([f"## {table['title']}", "", what, "", *lines, *rows])


def _with(value: float, interval: Sequence[float]) -> str:
    return f"{value:.3f} ({interval[0]:.2f} … {interval[1]:.2f})"


def _heart(figures: Mapping[str, float]) -> list[str]:
    lines = [
        "One minute at a time, all people of Stress-Predict, errors in beats per minute against",
        "the device's own rate, which it publishes late.",
        "",
        "| what | value |",
        "|---|---|",
    ]
    return [*lines, *(f"| {name} | {value:g} |" for name, value in figures.items())]


def _times(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    machines = ", ".join(sorted({row["machine"] for row in rows}))
    lines = [
        "`OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python tools/bench_body.py --take`, one thread",
        f"of a shared machine ({machines}): ms of processor time; by the wall, least … median,",
        "in brackets. A window is its features and the network; the last column adds intake and",
        "filters of all chunks of 40 ms since the window before.",
        "",
        "| stream | windows | window, median | 95 % | with intake, median |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        wall = f"({row['window_wall_least_ms']:g} … {row['window_wall_p50_ms']:g})"
        cells = (
            row["what"],
            str(row["windows"]),
            f"{row['window_p50_ms']:g} {wall}",
            f"{row['window_p95_ms']:g}",
            f"{row['stream_p50_ms']:g}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    main()
