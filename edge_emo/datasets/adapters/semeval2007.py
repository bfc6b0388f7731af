"""SemEval-2007 Affective Text: headlines in XML, scores in files of their own, joined by id."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tree import Item, Tree

_EMOTIONS = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
_HEADLINE = re.compile(r'<instance id="(\d+)">(.*?)</instance>')
_STRONG = 50.0


class Semeval2007(Adapter):
    """Headlines with six intensities and valence."""

    name = "semeval2007"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a headline that has scores."""
        for part in ("trial", "test"):
            stem = f"AffectiveText.{part}/affectivetext_{part}"
            texts = tree.find(f"{stem}.xml")
            if texts is None:
                tree.findings.add("missing", f"{stem}.xml")
                continue
            emotions = _scores(tree, tree.need(f"{stem}.emotions.gold"), 6)
            valences = _scores(tree, tree.need(f"{stem}.valence.gold"), 1)
            yield from _headlines(tree, texts, part, emotions, valences)


_Scores = dict[str, tuple[list[float], str]]


def _headlines(
    tree: Tree, texts: Path, part: str, emotions: _Scores, valences: _Scores
) -> Iterator[Item]:
    for line in tree.lines(texts):
        match = _HEADLINE.search(line.text)
        if match is None:
            continue
        name = match[1]
        if name not in emotions:
            tree.findings.add("missing", line.where, f"no scores of {name}")
            continue
        scores, where = emotions[name]
        strongest = max(range(6), key=scores.__getitem__)
        native = _EMOTIONS[strongest] if scores[strongest] >= _STRONG else "neutral"
        valence = valences.get(name)
        yield tree.item(
            "text",
            f"{part}/{name}",
            native=native,
            where=where,
            text=html.unescape(match[2]),
            votes=tree.votes(dict(zip(_EMOTIONS, scores, strict=True)), where),
            valence=tree.dimension(valence[0][0], valence[1]) if valence else None,
            intensity=min(1.0, scores[strongest] / 100.0),
            split=part,
        )


def _scores(tree: Tree, path: Path, count: int) -> _Scores:
    scores: _Scores = {}
    for line in tree.lines(path):
        cells = line.text.split()
        values = [tree.number(cell, line.where) for cell in cells[1:]]
        if len(values) != count or None in values:
            tree.findings.add("broken", line.where, f"an id and {count} numbers are needed")
        else:
            scores[cells[0]] = [value or 0.0 for value in values], line.where
    return scores
