"""Emotion-Stimulus: sentences tagged with their emotion, most with the span of its cause."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tables import Line
from edge_emo.datasets.tree import Item, Tree

_LINE = re.compile(r"<(happy|sad|surprise|disgust|anger|fear|shame)>(.*)<\\\1>\s*")
_CAUSE = re.compile(r"<cause>(.*?)<\\cause>")
_TAG = re.compile(r"<\\?cause>")
_FILES = (("Emotion Cause.txt", "cause"), ("No Cause.txt", "plain"))


class EmotionStimulus(Adapter):
    """Sentences of which many tell what caused the emotion."""

    name = "emotion-stimulus"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a line."""
        for name, key in _FILES:
            path: Path | None = tree.find(f"Dataset/{name}", name)
            if path is None:
                tree.findings.add("missing", f"Dataset/{name}")
                continue
            for number, line in enumerate(tree.lines(path), start=1):
                if line.text.strip():
                    yield from _item(tree, f"{key}/{number}", line)


def _item(tree: Tree, key: str, line: Line) -> Iterator[Item]:
    match = _LINE.fullmatch(line.text.strip())
    if match is None:
        tree.findings.add("broken", line.where, "no pair of emotion tags")
        return
    body = match[2]
    text = _clean(_TAG.sub("", body))
    about = {"group": _template(text)}
    cause = _CAUSE.search(body)
    if cause:
        about["cause"] = _clean(cause[1])
        about["masked"] = _clean(_CAUSE.sub(" [CAUSE] ", body))
    elif key.startswith("cause"):
        tree.findings.add("value", line.where, "no complete cause pair; kept without cause")
    yield tree.item("text", key, native=match[1], where=line.where, text=text, about=about)


def _clean(text: str) -> str:
    return " ".join(text.split())


def _template(text: str) -> str:
    """Return a name that sentences share when they agree but for their last three words."""
    words = re.findall(r"\w+", text.lower())
    stem = " ".join(words[: max(4, len(words) - 3)])
    return hashlib.blake2b(stem.encode(), digest_size=8).hexdigest()
