"""MELD: one table a part; films are found by dialogue and utterance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tables import Row, repair
from edge_emo.datasets.tree import Item, Tree

_PARTS = {
    "train": "train_splits",
    "dev": "dev_splits_complete",
    "test": "output_repeated_splits_test",
}
_NEEDS = ("Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")
_VALENCE = {"negative": -1.0, "neutral": 0.0, "positive": 1.0}
_UNREADABLE = ("train", "125", "3")


class Meld(Adapter):
    """Dialogues of a television series."""

    name = "meld"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield the text of every row, and the picture and sound of its film when it is there."""
        for part, folder in _PARTS.items():
            table = tree.find(f"{part}_sent_emo.csv", f"data/MELD/{part}_sent_emo.csv")
            if table is None:
                tree.findings.add("missing", f"{part}_sent_emo.csv")
                continue
            films = (tree.root / folder).is_dir()
            for row in tree.rows(table, needs=_NEEDS):
                yield from _items(tree, row, part, folder if films else None)


def _items(tree: Tree, row: Row, part: str, folder: str | None) -> Iterator[Item]:
    cells = row.cells
    dialogue, turn = cells["Dialogue_ID"], cells["Utterance_ID"]
    if not turn.strip().isdecimal():
        tree.findings.add("broken", row.where, f"no number of an utterance: {turn!r}")
        return
    key = f"{part}/dia{dialogue}_utt{turn}"
    common: dict[str, Any] = {
        "native": cells["Emotion"],
        "where": row.where,
        "speaker": cells["Speaker"].strip() or None,
        "split": part,
        "text": repair(cells["Utterance"]),
        "valence": _VALENCE.get(cells["Sentiment"].strip().lower()),
        "about": {
            "dialogue": f"{part}/{dialogue}",
            "turn": int(turn),
            "sentiment": cells["Sentiment"],
            "derived": ["valence"],
        },
    }
    yield tree.item("text", f"{key}/text", **common)
    if folder is None:
        return
    name = f"{folder}/dia{dialogue}_utt{turn}.mp4"
    if (part, dialogue, turn) == _UNREADABLE:
        tree.findings.add("defect", name, "unreadable in the release")
    elif path := tree.held(name):
        yield tree.item("face", f"{key}/face", path, **common)
        yield tree.item("voice", f"{key}/voice", path, **common)
