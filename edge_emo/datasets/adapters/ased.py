"""ASED: ``01Neutral/n1-01-01-01-01.wav``; the last number is the speaker."""

from __future__ import annotations

from collections.abc import Iterator

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tree import Item, Tree

_NAME = r"([nfhsa])([1-5])-(\d\d)-(\d\d)-(\d\d)-(\d\d)\.wav"


class Ased(Adapter):
    """Acted Amharic speech."""

    name = "ased"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a file."""
        for path, match in tree.matches(_NAME, suffixes=(".wav",)):
            yield tree.item(
                "voice",
                path.rpartition("/")[2][:-4].lower(),
                path,
                native=match[1].lower(),
                speaker=match[6],
                about={"sentence": match[3]},
            )
