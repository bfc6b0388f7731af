"""EmoBank: ``corpus/emobank.csv``, and both perspectives where they are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tables import Row
from edge_emo.datasets.tree import Item, Tree

_NEEDS = ("id", "V", "A", "D")


class Emobank(Adapter):
    """Sentences with valence, arousal and dominance."""

    name = "emobank"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a sentence, or one for each perspective when both were shipped."""
        table = tree.need("corpus/emobank.csv", "EmoBank/corpus/emobank.csv")
        sides = {side: _side(tree, table.parent.name, side) for side in ("reader", "writer")}
        documents = _documents(tree)
        for row in tree.rows(table, needs=(*_NEEDS, "split", "text")):
            name = row.cells["id"]
            found = {side: rows[name] for side, rows in sides.items() if name in rows}
            document = documents.get(name)
            for side, rated in found.items():
                yield _item(tree, row, rated, f"{name}/{side}", side, document)
            if not found:
                yield _item(tree, row, row, name, None, document)


def _item(
    tree: Tree, row: Row, rated: Row, key: str, side: str | None, document: str | None
) -> Item:
    valence, arousal, dominance = (
        tree.dimension(rated.cells[name], rated.where) for name in ("V", "A", "D")
    )
    about = {"dialogue": document} if document else {}
    return tree.item(
        "text",
        key,
        text=row.cells["text"],
        split=row.cells["split"].strip() or None,
        valence=valence,
        arousal=arousal,
        dominance=dominance,
        perspective=side or "reader",
        about=about if side else {**about, "perspectives": ["reader", "writer"]},
    )


def _side(tree: Tree, folder: str, side: str) -> Mapping[str, Row]:
    path = tree.find(f"{folder}/{side}.csv", f"EmoBank/{folder}/{side}.csv")
    return {row.cells["id"]: row for row in tree.rows(path, needs=_NEEDS)} if path else {}


def _documents(tree: Tree) -> dict[str, str]:
    path = tree.find("corpus/meta.tsv", "EmoBank/corpus/meta.tsv")
    if path is None:
        return {}
    rows = tree.rows(path, delimiter="\t", quoted=False, needs=("id", "document"))
    return {row.cells["id"]: row.cells["document"] for row in rows}
