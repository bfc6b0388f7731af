"""GoEmotions: ``text <tab> ids <tab> comment``, and every rater's row where it is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.dialogues import agreed
from edge_emo.datasets.tree import Item, Tree

LABELS = (
    *("admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion"),
    *("curiosity", "desire", "disappointment", "disapproval", "disgust", "embarrassment"),
    *("excitement", "fear", "gratitude", "grief", "joy", "love", "nervousness", "optimism"),
    *("pride", "realization", "relief", "remorse", "sadness", "surprise", "neutral"),
)
_PARTS = ("train", "dev", "test")
_PLACES = ("data", "original", "goemotions/data")


class Goemotions(Adapter):
    """Comments with one or several of 28 labels."""

    name = "goemotions"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a comment."""
        raw = _raw(tree)
        for part in _PARTS:
            path = tree.find(*(f"{place}/{part}.tsv" for place in _PLACES))
            if path is None:
                tree.findings.add("missing", f"data/{part}.tsv")
                continue
            header = ("text", "labels", "id")
            for row in tree.rows(path, header=header, delimiter="\t", quoted=False):
                yield from _item(tree, row.cells, row.where, part, raw)


class Raw(NamedTuple):
    """What the raw files say of one comment: who wrote it, and each rater's labels."""

    author: str
    counts: Counter[str]


def _item(
    tree: Tree, cells: Mapping[str, str], where: str, part: str, raw: Mapping[str, Raw]
) -> Iterator[Item]:
    ids = cells["labels"].split(",")
    if not all(code.isdecimal() and int(code) < len(LABELS) for code in ids):
        tree.findings.add("label", where, repr(cells["labels"]))
        return
    natives = [LABELS[int(code)] for code in ids]
    label, votes = agreed(tree, natives, where)
    known = raw.get(cells["id"])
    yield tree.item(
        "text",
        cells["id"],
        text=cells["text"],
        native=",".join(natives),
        label=label,
        votes=tree.votes(known.counts, where) if known else votes,
        split=part,
        speaker=known.author if known else None,
    )


def _raw(tree: Tree) -> dict[str, Raw]:
    """Read who wrote each comment and what every rater saw in it."""
    raw: dict[str, Raw] = {}
    for number in (1, 2, 3):
        name = f"full_dataset/goemotions_{number}.csv"
        path = tree.find(*(f"{place}/{name}" for place in _PLACES))
        for row in tree.rows(path, needs=("id", "author", *LABELS)) if path else ():
            entry = raw.setdefault(row.cells["id"], Raw(row.cells["author"], Counter()))
            entry.counts.update(label for label in LABELS if row.cells[label] == "1")
    return raw
