"""VEATIC: continuous valence and arousal of one character, a value a frame."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tree import Item, Tree
from edge_emo.errors import DatasetError
from edge_emo.imaging import cv2

_FRAMES_PER_S = 25.0
_LEAST_HZ, _MOST_HZ = 5.0, 120.0
"""A container that tells another rate means something else by it."""

_FIRST_PAIR = 98
_Ratings = list[float | None]


class Veatic(Adapter):
    """Film clips rated continuously; one clip is one second."""

    name = "veatic"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a second of every film, first 70 % of frames as train."""
        for path in tree.files("rating_averaged", ("_valence.csv",)):
            named = re.fullmatch(r"(\d+)_valence\.(?i:csv)", path.rpartition("/")[2])
            if named is None:
                tree.findings.add("extra", path)
                continue
            number = int(named[1])
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
            rate_hz = _rate(tree, film) if film else _FRAMES_PER_S
            yield from _seconds(tree, number, (name, rate_hz), valence, arousal)


def _seconds(
    tree: Tree, number: int, film: tuple[str, float], valence: _Ratings, arousal: _Ratings
) -> Iterator[Item]:
    path, rate_hz = film
    frames = min(len(valence), len(arousal))
    pair = (number - _FIRST_PAIR) // 2 if number >= _FIRST_PAIR else None
    about = {"dialogue": str(number) if pair is None else f"pair{pair}"}
    if pair is not None:
        about["target"] = "second" if (number - _FIRST_PAIR) % 2 else "first"
    for second in range(int(frames / rate_hz)):
        first, last = round(second * rate_hz), round((second + 1) * rate_hz)
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
            valence=tree.dimension(_mean(valence[first:last]), where),
            arousal=tree.dimension(_mean(arousal[first:last]), where),
            split="train" if last <= 0.7 * frames else "test",
            about=about,
        )


def _rate(tree: Tree, film: Path) -> float:
    """Return the frames of a film per second, of each of which there is a rating."""
    vision = cv2()
    capture = vision.VideoCapture(str(film))
    rate_hz = float(capture.get(vision.CAP_PROP_FPS)) if capture.isOpened() else 0.0
    capture.release()
    if _LEAST_HZ <= rate_hz <= _MOST_HZ:
        return rate_hz
    tree.findings.add("value", str(film), f"no frame rate; {_FRAMES_PER_S:g} is assumed")
    return _FRAMES_PER_S


def _mean(ratings: _Ratings) -> float | None:
    """Return the mean of the frames that have a rating; None when none has."""
    known = [rating for rating in ratings if rating is not None]
    return sum(known) / len(known) if known else None


def _ratings(tree: Tree, path: Path) -> _Ratings:
    """Read one value a row: the only column, or the second of several; None where it is none.

    Raises:
        DatasetError: The column is a counter or lies outside −1 … +1.
    """
    values: _Ratings = []
    for line in tree.lines(path):
        cells = [cell.strip() for cell in re.split(r"[,;\t]", line.text)]
        if any(cells):
            values.append(tree.number(cells[1] if len(cells) > 1 else cells[0], line.where))
    if any(abs(value) > 1.0 for value in values if value is not None):
        raise DatasetError(f"{path}: ratings lie outside −1 … +1: a counter, or another scale")
    return values
