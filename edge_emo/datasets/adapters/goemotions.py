"""GoEmotions: ``text <tab> ids <tab> comment``, and every rater's row where it is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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
        authors = _authors(tree)
        for part in _PARTS:
            path = tree.find(*(f"{place}/{part}.tsv" for place in _PLACES))
            if path is None:
                tree.findings.add("missing", f"data/{part}.tsv")
                continue
            header = ("text", "labels", "id")
            for row in tree.rows(path, header=header, delimiter="\t", quoted=False):
                yield from _item(tree, row.cells, row.where, part, authors)


def _item(
    tree: Tree, cells: Mapping[str, str], where: str, part: str, authors: dict[str, str]
) -> Iterator[Item]:
    ids = cells["labels"].split(",")
    if not all(code.isdecimal() and int(code) < len(LABELS) for code in ids):
        tree.findings.add("label", where, repr(cells["labels"]))
        return
    natives = [LABELS[int(code)] for code in ids]
    label, votes = agreed(tree, natives, where)
    yield tree.item(
        "text",
        cells["id"],
        text=cells["text"],
        native=",".join(natives),
        label=label,
        votes=votes,
        split=part,
        speaker=authors.get(cells["id"]),
    )


def _authors(tree: Tree) -> dict[str, str]:
    """Read who wrote each comment; only the raw files say."""
    authors = {}
    for number in (1, 2, 3):
        name = f"full_dataset/goemotions_{number}.csv"
        path = tree.find(*(f"{place}/{name}" for place in _PLACES))
        if path is not None:
            for row in tree.rows(path, needs=("id", "author")):
                authors[row.cells["id"]] = row.cells["author"]
    return authors
