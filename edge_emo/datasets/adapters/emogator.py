"""EmoGator: ``data/mp3/000001-01-1.mp3`` = contributor, category, instance."""

from __future__ import annotations

from collections.abc import Iterator

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tree import Item, Tree

_NAME = r"(\d{6})-(0[1-9]|[12]\d|30)-([123])\.(mp3|wav)"
_CATEGORIES = (
    *("Adoration", "Amusement", "Anger", "Awe", "Confusion", "Contempt", "Contentment"),
    *("Desire", "Disappointment", "Disgust", "Distress", "Ecstasy", "Elation", "Embarrassment"),
    *("Fear", "Guilt", "Interest", "Neutral", "Pain", "Pride", "Realization", "Relief"),
    *("Romantic Love", "Sadness", "Serenity", "Shame", "Surprise (Negative)"),
    *("Surprise (Positive)", "Sympathy", "Triumph"),
)


class Emogator(Adapter):
    """Vocal bursts without speech."""

    name = "emogator"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a file."""
        about = {"kind": "burst"}
        for path, match in tree.matches(_NAME, "data/mp3", (".mp3", ".wav")):
            yield tree.item(
                "voice",
                match.string[:-4],
                path,
                native=_CATEGORIES[int(match[2]) - 1],
                speaker=match[1],
                about=about,
            )
