"""FER2013 with FER+ votes, as the published tables or as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.arrays import open_npz, reading
from edge_emo.datasets.tables import Row
from edge_emo.datasets.tree import Item, Picture, Tree
from edge_emo.errors import DatasetError

_EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
_SPLITS = {"training": "train", "publictest": "validation", "privatetest": "test"}
_VOTED = (
    *("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"),
    *("unknown", "NF"),
)
_NO_FACE = ("unknown", "nf")


class Fer2013plus(Adapter):
    """Grey faces of 48 × 48; the label is the majority of ten raters where there is one."""

    name = "fer2013plus"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a picture; the picture is made as PNG."""
        yield from _of_arrays(tree) if tree.find("labels.npz") else _of_tables(tree)


def _of_arrays(tree: Tree) -> Iterator[Item]:
    table, pictures = open_npz(tree.need("labels.npz")), tree.need("images.npy")
    names, native, usage = table["name"], table["fer2013_label"], table["usage"]
    votes, columns = table["votes"], [str(name) for name in table["vote_columns"]]
    if len(np.load(pictures, mmap_mode="r")) != len(names):
        raise DatasetError(f"{pictures}: not as many pictures as labels.npz has rows")
    seen: set[str] = set()
    for row, name in enumerate(names):
        counts = {column: int(n) for column, n in zip(columns, votes[row], strict=True)}
        make = partial(_cut, pictures, row)
        where = f"{tree.root / 'labels.npz'}: row {row}"
        key = str(name)[:-4]
        if key in seen:
            tree.findings.add("duplicate", where, f"{name}; kept under its row")
            key = f"{key}-row{row}"
        seen.add(key)
        yield from _item(tree, key, str(native[row]), str(usage[row]), counts, make, where)


def _of_tables(tree: Tree) -> Iterator[Item]:
    plus = tree.find("fer2013new.csv")
    votes = dict(_votes(tree, plus)) if plus else {}
    for row in tree.rows(tree.need("fer2013.csv"), needs=("emotion", "pixels", "Usage")):
        number = _line(row) - 2  # below the header; the rows of both tables belong together
        counts = votes.get(number, {})
        if plus and not counts:
            tree.findings.add("broken", row.where, "has no votes in fer2013new.csv")
            continue
        code = row.cells["emotion"]
        native = _EMOTIONS[int(code)] if code in list("0123456") else code
        make = partial(_parse, row.cells["pixels"], row.where)
        name = f"fer{number:07d}"
        yield from _item(tree, name, native, row.cells["Usage"], counts, make, row.where)


def _votes(tree: Tree, path: Path) -> Iterator[tuple[int, dict[str, int]]]:
    for row in tree.rows(path, needs=("Usage", *_VOTED)):
        counts = {name: tree.whole(row.cells[name], row.where) for name in _VOTED}
        known = {name: count for name, count in counts.items() if count is not None}
        if len(known) == len(counts):
            yield _line(row) - 2, known


def _line(row: Row) -> int:
    return int(row.where.rpartition(":")[2])


def _item(
    tree: Tree,
    name: str,
    native: str,
    usage: str,
    counts: Mapping[str, int],
    make: partial[Picture],
    where: str,
) -> Iterator[Item]:
    best = max(counts, key=lambda key: counts[key], default=None)
    if best is not None and best.lower() in _NO_FACE and counts[best] > 0:
        tree.findings.add("defect", where, f"raters saw {best}")
        return
    fits = tree.votes(counts, where) if counts else None
    majority = best if best and list(counts.values()).count(counts[best]) == 1 else None
    label = tree.category(majority or native, where) if majority or not counts else None
    yield tree.item(
        "face",
        name,
        f"{name}.png",
        native=majority or native,
        label=label,
        votes=fits,
        split=_SPLITS.get(usage.lower()),
        about={"fer2013": native},
        make=make,
    )


def _cut(path: Path, row: int) -> Picture:
    return np.array(np.load(path, mmap_mode="r")[row], dtype=np.uint8)


def _parse(pixels: str, where: str) -> Picture:
    with reading(where):
        values = np.array(pixels.split(), dtype=np.uint8)
    if values.size != 48 * 48:
        raise DatasetError(f"{where}: {values.size} pixels are not 48 x 48")
    return values.reshape(48, 48)
