"""SemEval-2018 Task 1: E-c with eleven emotions at once, and V-reg with valence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.dialogues import agreed
from edge_emo.datasets.tree import Item, Tree

_EMOTIONS = (
    *("anger", "anticipation", "disgust", "fear", "joy", "love", "optimism", "pessimism"),
    *("sadness", "surprise", "trust"),
)
_FILE = r"(?:2018-)?(E-c|Valence-reg)-En-(train|dev|test-gold)\.(?i:txt)"


class Semeval2018(Adapter):
    """Tweets; unlabelled tests and mystery rows are left out."""

    name = "semeval2018"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a row of E-c and of V-reg."""
        for name in tree.files(suffixes=(".txt",)):
            match = re.fullmatch(_FILE, name.rpartition("/")[2])
            if match:
                part = match[2].removesuffix("-gold")
                read = _several if match[1] == "E-c" else _valence
                yield from read(tree, tree.root / name, part)


def _several(tree: Tree, path: Path, part: str) -> Iterator[Item]:
    needs = ("ID", "Tweet", *_EMOTIONS)
    for row in tree.rows(path, delimiter="\t", quoted=False, needs=needs):
        flags = [row.cells[name] for name in _EMOTIONS]
        if not set(flags) <= {"0", "1"}:
            tree.findings.add("defect", row.where, "no labels")
            continue
        natives = [n for n, flag in zip(_EMOTIONS, flags, strict=True) if flag == "1"]
        natives = natives or ["neutral"]
        label, votes = agreed(tree, natives, row.where)
        yield tree.item(
            "text",
            f"E-c/{row.cells['ID']}",
            text=row.cells["Tweet"],
            native=",".join(natives),
            label=label,
            votes=votes,
            split=part,
        )


def _valence(tree: Tree, path: Path, part: str) -> Iterator[Item]:
    needs = ("ID", "Tweet", "Intensity Score")
    for row in tree.rows(path, delimiter="\t", quoted=False, needs=needs):
        score = row.cells["Intensity Score"].strip()
        if score == "NONE":
            tree.findings.add("defect", row.where, "a mystery row")
            continue
        yield tree.item(
            "text",
            f"V-reg/{row.cells['ID']}",
            text=row.cells["Tweet"],
            valence=tree.dimension(score, row.where),
            split=part,
        )
