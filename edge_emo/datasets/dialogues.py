"""Dialogues as JSON lists of ``{speaker, utterance, emotion, annotation}``, and texts as votes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edge_emo.datasets.tables import repair
from edge_emo.datasets.tree import Item, Tree
from edge_emo.errors import DatasetError

VOTED = ("neutral", "joy", "sadness", "fear", "anger", "surprise", "disgust")
"""What the digits of ``annotation`` count, in their order."""


def dialogue_items(tree: Tree, path: Path, key: str, split: str | None) -> Iterator[Item]:
    """Yield one text clip an utterance.

    Args:
        tree: The corpus.
        path: The JSON file.
        key: What clip names begin with.
        split: Part that all of it belongs to.

    Raises:
        DatasetError: The file is no list of dialogues.
    """
    dialogues = tree.json(path)
    if not isinstance(dialogues, list):
        raise DatasetError(f"{path}: is no list of dialogues")
    for number, dialogue in enumerate(dialogues):
        if not isinstance(dialogue, list):
            tree.findings.add("broken", f"{path}: dialogue {number}", "is no list of utterances")
            continue
        for turn, line in enumerate(dialogue):
            where = f"{path}: dialogue {number}, utterance {turn}"
            try:
                item = _item(tree, line, where, f"{key}/{number}", turn, split)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                tree.findings.add("broken", where, f"no {error}")
            else:
                yield item


def agreed(
    tree: Tree, natives: list[str], where: str
) -> tuple[str | None, dict[str, float] | None]:
    """Return the one category of several labels, None when they differ, and the votes."""
    categories = [tree.category(native, where) for native in natives]
    votes: dict[str, float] = {}
    for category in filter(None, categories):
        votes[category] = votes.get(category, 0.0) + 1.0
    label = categories[0] if len(set(categories)) == 1 else None
    return label, (votes or None)


def _item(
    tree: Tree, line: Mapping[str, Any], where: str, key: str, turn: int, split: str | None
) -> Item:
    native, digits = line["emotion"], line.get("annotation")
    votes = None
    if digits is not None:
        if len(digits) != len(VOTED) or not digits.isdecimal():
            raise ValueError(f"seven digits in {digits!r}")
        votes = tree.votes(dict(zip(VOTED, map(int, digits), strict=True)), where)
    return tree.item(
        "text",
        f"{key}/{turn}",
        native=native,
        where=where,
        text=repair(line["utterance"]),
        speaker=repair(line["speaker"]).strip() or None,
        split=split,
        votes=votes,
        about={"dialogue": key, "turn": turn},
    )
