"""VEATIC: continuous valence and arousal of one character, a value a frame."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tree import Item, Tree
from edge_emo.errors import DatasetError

_FRAMES_PER_S = 25
_FIRST_PAIR = 98


class Veatic(Adapter):
    """Film clips rated continuously; one clip is one second."""

    name = "veatic"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a second of every film, first 70 % of frames as train."""
        for path in tree.files("rating_averaged", ("_valence.csv",)):
            number = int(path.rpartition("/")[2].partition("_")[0])
            film = tree.find(f"video/{number}.mp4", f"videos/{number}.mp4")
            arousals = tree.find(f"rating_averaged/{number}_arousal.csv")
            if arousals is None:
                tree.findings.add("missing", f"rating_averaged/{number}_arousal.csv")
                continue
            if film is None:
                tree.findings.add("missing", f"video/{number}.mp4")
            where = film or tree.root / f"video/{number}.mp4"
            valence, arousal = _ratings(tree, tree.root / path), _ratings(tree, arousals)
            name = where.relative_to(tree.root).as_posix()
            yield from _seconds(tree, number, name, valence, arousal)


def _seconds(
    tree: Tree, number: int, path: str, valence: list[float], arousal: list[float]
) -> Iterator[Item]:
    frames = min(len(valence), len(arousal))
    pair = (number - _FIRST_PAIR) // 2 if number >= _FIRST_PAIR else None
    about = {"dialogue": str(number) if pair is None else f"pair{pair}"}
    if pair is not None:
        about["target"] = "second" if (number - _FIRST_PAIR) % 2 else "first"
    for second in range(frames // _FRAMES_PER_S):
        first, last = second * _FRAMES_PER_S, (second + 1) * _FRAMES_PER_S
        where = f"{path} second {second}"
        if first < 0.7 * frames < last:
            tree.findings.add("defect", where, "lies across the official cut")
            continue
        yield tree.item(
            "face",
            f"{number}/{second:04d}",
            path,
            start_s=float(second),
            end_s=float(second + 1),
            valence=tree.dimension(sum(valence[first:last]) / _FRAMES_PER_S, where),
            arousal=tree.dimension(sum(arousal[first:last]) / _FRAMES_PER_S, where),
            split="train" if last <= 0.7 * frames else "test",
            about=about,
        )


def _ratings(tree: Tree, path: Path) -> list[float]:
    """Read one value a row: the only column, or the second of several.

    Raises:
        DatasetError: The column is a counter or lies outside −1 … +1.
    """
    values = []
    for line in tree.lines(path):
        cells = [cell.strip() for cell in re.split(r"[,;\t]", line.text)]
        if any(cells):
            value = tree.number(cells[1] if len(cells) > 1 else cells[0], line.where)
            values.append(0.0 if value is None else value)
    if any(abs(value) > 1.0 for value in values):
        raise DatasetError(f"{path}: ratings lie outside −1 … +1: a counter, or another scale")
    return values
