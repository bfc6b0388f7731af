"""EmotionX: dialogues with the votes of five, of 2018 and 2019."""

from __future__ import annotations

from collections.abc import Iterator

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.dialogues import dialogue_items
from edge_emo.datasets.tree import Item, Tree

_SOURCES = ("Friends", "EmotionPush")


class Emotionx(Adapter):
    """Dialogues of Friends and EmotionPush; the training part of 2019 is all of 2018."""

    name = "emotionx"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip an utterance."""
        for source in _SOURCES:
            low = source.lower()
            whole = tree.find(f"{source}/{low}.json", f"{low}.json")
            if whole:
                yield from dialogue_items(tree, whole, f"2019/{low}", "train")
            yield from _of_2018(tree, low, whole is not None)
            gold = tree.find(f"{low}_eval_gold.json", f"evaluation/{low}_eval_gold.json")
            if gold:
                yield from dialogue_items(tree, gold, f"2019-eval/{low}", "test")


def _of_2018(tree: Tree, source: str, doubled: bool) -> Iterator[Item]:
    for part in ("train", "dev", "test"):
        path = tree.find(f"{source}.{part}.json")
        if path is None:
            continue
        if doubled:
            tree.findings.add("duplicate", path.name, "all of it is in the release of 2019")
        else:
            yield from dialogue_items(tree, path, f"2018/{source}/{part}", part)
