"""NFED: clips of 3 s with codes of emotion, gender and background, and the expression in words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tables import Row
from edge_emo.datasets.tree import Item, Tree

_TABLE = "stimuli/face_videos_stimuli_category_description.tsv"
_EMOTION, _GENDER = "Emotion Category label", "Gender Category label"
_BACKGROUND, _EXPRESSION = "Ethnic backgrounds Category label", "expression metadata"
_NAME = re.compile(r"stim(trn|tst)_(\d+)\.(?i:mp4)")
_VALENCE = {"1": 1.0, "2": -1.0, "3": 0.0}


class Nfed(Adapter):
    """Natural expressions; fMRI is not read."""

    name = "nfed"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a row of the table; films without row are extra."""
        films = set(tree.files("stimuli/face-video", (".mp4",)))
        needs = ("stimuli", _EMOTION, _GENDER, _BACKGROUND, _EXPRESSION)
        for row in _wide(tree, needs):
            name = row.cells["stimuli"].strip().rpartition("/")[2]
            match = _NAME.fullmatch(name)
            path = tree.path(f"stimuli/face-video/{name}") or f"stimuli/face-video/{name}"
            if match is None:
                tree.findings.add("broken", row.where, f"{name!r} is no clip")
            elif path not in films:
                tree.findings.add("missing", path, row.where)
            else:
                films.discard(path)
                yield _item(tree, row, path, match)
        for path in sorted(films):
            tree.findings.add("extra", path, "the table has no row for it")


def _wide(tree: Tree, needs: tuple[str, ...]) -> Iterator[Row]:
    return tree.rows(tree.need(_TABLE), delimiter="\t", quoted=False, needs=needs)


def _item(tree: Tree, row: Row, path: str, match: re.Match[str]) -> Item:
    cells = {name: text.strip() for name, text in row.cells.items()}
    return tree.item(
        "face",
        match[0][:-4],
        path,
        native=cells[_EXPRESSION],
        where=row.where,
        valence=_VALENCE.get(cells[_EMOTION]),
        split="train" if match[1] == "trn" else "test",
        about={
            "gender": {"1": "female", "2": "male"}.get(cells[_GENDER]),
            "background": {"1": "Asian", "2": "European"}.get(cells[_BACKGROUND]),
            "derived": ["valence"],
        },
    )
