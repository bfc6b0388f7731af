"""XED: English subtitles with Plutchik's eight, several at once, and neutral ones."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.dialogues import agreed
from edge_emo.datasets.tree import Item, Tree

_EMOTIONS = (
    *("neutral", "anger", "anticipation", "disgust", "fear", "joy", "sadness", "surprise"),
    *("trust", "neutral"),
)


class Xed(Adapter):
    """Subtitles; those of the same words share a group."""

    name = "xed"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a line."""
        table = tree.need("AnnotatedData/en-annotated.tsv")
        for number, line in enumerate(tree.lines(table), start=1):
            text, tab, codes = line.text.rpartition("\t")
            yield from _item(tree, f"annotated/{number}", text if tab else "", codes, line.where)
        neutral = tree.find("AnnotatedData/neu_en.txt")
        for number, line in enumerate(tree.lines(neutral) if neutral else (), start=1):
            code, _, text = line.text.partition("\t")
            yield from _item(tree, f"neutral/{number}", text, code, line.where)


def _item(tree: Tree, key: str, text: str, codes: str, where: str) -> Iterator[Item]:
    numbers = [code.strip() for code in codes.split(",")]
    if not text.strip() or not all(code.isdecimal() and int(code) <= 9 for code in numbers):
        tree.findings.add("broken", where, "no text and numbers")
        return
    natives = [_EMOTIONS[int(code)] for code in numbers]
    label, votes = agreed(tree, natives, where)
    words = " ".join(re.findall(r"\w+", text.lower())) or text.strip()
    group = hashlib.blake2b(words.encode(), digest_size=8).hexdigest()
    yield tree.item(
        "text",
        key,
        text=text,
        native=",".join(natives),
        label=label,
        votes=votes,
        about={"group": group},
    )
