"""EmotionLines: JSON lists of dialogues of utterances."""

from __future__ import annotations

from collections.abc import Iterator

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.dialogues import dialogue_items
from edge_emo.datasets.tree import Item, Tree


class Emotionlines(Adapter):
    """Dialogues of Friends and of EmotionPush."""

    name = "emotionlines"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip an utterance."""
        for source in ("Friends", "EmotionPush"):
            for part in ("train", "dev", "test"):
                path = tree.find(f"{source}/{source.lower()}_{part}.json")
                if path is None:
                    tree.findings.add("missing", f"{source}/{source.lower()}_{part}.json")
                    continue
                yield from dialogue_items(tree, path, f"{source.lower()}/{part}", part)
