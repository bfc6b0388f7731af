"""TESS: ``OAF_angry/OAF_back_angry.wav``; the label is the last word of the name."""

from __future__ import annotations

from collections.abc import Iterator

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tree import Item, Tree

_NAME = r"(OAF?|YAF)_([a-z]+)_(angry|disgust|fear|happy|neutral|ps|sad)\.wav"


class Tess(Adapter):
    """Words spoken by an elderly and a young woman."""

    name = "tess"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a file; ``OA_bite_neutral.wav`` is the elderly woman's too."""
        for path, match in tree.matches(_NAME, suffixes=(".wav",)):
            speaker = "YAF" if match[1].upper() == "YAF" else "OAF"
            yield tree.item(
                "voice",
                path.rpartition("/")[2][:-4],
                path,
                native=match[3].lower(),
                speaker=speaker,
                text=f"Say the word {match[2].lower()}",
                about={"gender": "female", "age": 64 if speaker == "OAF" else 26},
            )
