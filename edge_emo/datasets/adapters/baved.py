"""BAVED: ``0/0-m-21-0-1-105.wav`` = speaker, gender, age, word, level, number."""

from __future__ import annotations

from collections.abc import Iterator

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tree import Item, Tree

_NAME = r"(\d+)-([mf])-(\d+)-([0-6])-([012])-(\d+)\.wav"
_GENDERS = {"m": "male", "f": "female"}


class Baved(Adapter):
    """Arabic words at three levels of arousal; a level is no category."""

    name = "baved"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a file, its level as arousal −1, 0 or +1."""
        for path, match in tree.matches(_NAME, suffixes=(".wav",)):
            yield tree.item(
                "voice",
                path.rpartition("/")[2][:-4],
                path,
                native=f"level {match[5]}",
                label=None,
                arousal=tree.dimension(match[5], path),
                speaker=match[1],
                about={
                    "gender": _GENDERS[match[2].lower()],
                    "age": int(match[3]),
                    "sentence": match[4],
                    "derived": ["arousal"],
                },
            )
