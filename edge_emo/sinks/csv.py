"""A table in a file: one row a state, the same columns always."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from edge_emo.clock import Clock
from edge_emo.sinks.textfile import TextSink
from edge_emo.types import CATEGORIES, Affect, EmotionState, StreamInfo

_SIDE = ("label", "confidence", "valence", "arousal", "dominance", "intensity", "age_s")
COLUMNS = (
    "t_s",
    "seq",
    "latency_ms",
    *(f"expressed_{name}" for name in (*_SIDE, *CATEGORIES)),
    *(f"felt_{name}" for name in _SIDE),
    "divergence",
    "reason",
)
"""Columns in order; a cell is empty where the value is unknown."""


class CsvSink(TextSink):
    """Writes comma-separated values.

    Args:
        target: Path of a file that does not exist yet, or ``-`` for stdout.
    """

    def open(self, streams: Mapping[str, StreamInfo], clock: Clock) -> None:
        """Create the file and write the header.

        Raises:
            ConfigError: The file exists or cannot be created.
        """
        super().open(streams, clock)
        self.write(",".join(COLUMNS) + "\n")

    def state(self, state: EmotionState) -> None:
        """Write one row."""
        line = io.StringIO()
        csv.DictWriter(line, COLUMNS, lineterminator="\n").writerow(row(state))
        self.write(line.getvalue())


def row(state: EmotionState) -> dict[str, object]:
    """Return the cells of one state by column."""
    return {
        "t_s": state.t_ns / 1e9,
        "seq": state.seq,
        "latency_ms": state.latency_ns / 1e6,
        **_cells("expressed", state.expressed),
        **_cells("felt", state.felt),
        "divergence": state.divergence,
        "reason": state.reason,
    }


def _cells(side: str, affect: Affect | None) -> dict[str, object]:
    if affect is None:
        return {}
    cells: dict[str, object] = {f"{side}_{name}": getattr(affect, name) for name in _SIDE[:-1]}
    cells[f"{side}_age_s"] = affect.age_ns / 1e9
    if side == "expressed":
        cells.update({f"{side}_{name}": p for name, p in affect.posterior.items()})
    return {name: value for name, value in cells.items() if name in COLUMNS}
