"""Multilingual Speech Valence, the unified form: everything is in the name, split on ``+``."""

from __future__ import annotations

from collections.abc import Iterator

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tree import Item, Tree

_NAME = (
    r"(\d{5})\+([^+]+)\+([^+]+)\+([mfu])\+([a-z]{3})\+(-1|0|1)\+"
    r"([a-z]{3})\+([a-z]{2}(?:-[a-z]{2})?)\.wav"
)
_GENDERS = {"m": "male", "f": "female"}


class MultilingualValence(Adapter):
    """Speech of many corpora with valence in three steps."""

    name = "multilingual-valence"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a file."""
        for path, match in tree.matches(_NAME, suffixes=(".wav",)):
            index, source, speaker, gender, code, valence, _, locale = match.groups()
            about = {"source": source, "locale": locale}
            if gender in _GENDERS:
                about["gender"] = _GENDERS[gender]
            yield tree.item(
                "voice",
                index,
                path,
                native=code,
                speaker=speaker,
                valence=float(valence),
                language=locale[:2],
                about=about,
            )
