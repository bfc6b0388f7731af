"""What is wrong with a corpus: counted by sort, the first few of each kept in words."""

from __future__ import annotations

from collections import Counter
from typing import Literal, get_args

Sort = Literal[
    "missing", "extra", "unreadable", "duplicate", "speaker",
    "encoding", "broken", "label", "value", "defect",
]  # fmt: skip
SORTS: tuple[Sort, ...] = get_args(Sort)

WORDS = {
    "missing": "named by the corpus and not there",
    "extra": "there and not part of the corpus",
    "unreadable": "empty, or not what its name says",
    "duplicate": "a name that was there before",
    "speaker": "one id for two people",
    "encoding": "not UTF-8; read as Windows-1252",
    "broken": "a row that cannot be read; left out",
    "label": "a label that the mapping table does not know; kept without category",
    "value": "a number outside its scale, or none; left out or clipped",
    "defect": "a known defect of the corpus; left out",
}
KEPT = 20


class Findings:
    """Collects what is wrong, in memory that does not grow with the corpus."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first: dict[str, list[str]] = {}

    def add(self, sort: Sort, where: str, why: str = "") -> None:
        """Count one finding; ``where`` is a file, or file and line."""
        self.counts[sort] += 1
        kept = self.first.setdefault(sort, [])
        if len(kept) < KEPT:
            kept.append(f"{where}: {why}" if why else where)

    def lines(self) -> list[str]:
        """Return the findings as lines for people, one heading a sort."""
        lines = []
        for sort in SORTS:
            if self.counts[sort]:
                lines.append(f"{sort}: {self.counts[sort]} ({WORDS[sort]})")
                lines += [f"  {text}" for text in self.first[sort]]
        return lines

    def to_json(self) -> dict[str, object]:
        """Return counts and the first of each sort."""
        return {"counts": dict(self.counts), "first": self.first}
