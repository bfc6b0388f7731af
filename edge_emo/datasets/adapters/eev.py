"""EEV: 15 expressions that videos evoked in viewers, six rows a second."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tables import Row
from edge_emo.datasets.tree import Item, Tree

_EXPRESSIONS = (
    *("amusement", "anger", "awe", "concentration", "confusion", "contempt", "contentment"),
    *("disappointment", "doubt", "elation", "interest", "pain", "sadness", "surprise", "triumph"),
)
_STEP_S = 1.0 / 6.0
_SUFFIXES = (".mp4", ".webm", ".mkv")


class Eev(Adapter):
    """Evoked, not expressed; a row is a sixth of a second."""

    name = "eev"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a row in which a viewer's face was seen."""
        for part in ("train", "val"):
            path = tree.find(f"{part}.csv")
            if path is None:
                tree.findings.add("missing", f"{part}.csv")
                continue
            rows = (_lowered(row) for row in tree.rows(path))
            yield from _rows(tree, rows, part)


def _rows(tree: Tree, rows: Iterator[Row], part: str) -> Iterator[Item]:
    video, film, unit_s, first = "", "", 1e-6, None
    for row in rows:
        cells = row.cells
        stamp = tree.number(cells.get("timestamp (milliseconds)"), row.where)
        scores = [tree.number(cells.get(name), row.where) for name in _EXPRESSIONS]
        if stamp is None or None in scores or "video id" not in cells:
            tree.findings.add("broken", row.where, "no video, time and 15 scores")
            continue
        if cells["video id"] != video:
            video, first = cells["video id"], stamp
            film = _film(tree, video)
        elif first is not None:
            unit_s, first = (1e-6 if stamp - first > 10_000 else 1e-3), None
        if any(scores):
            yield _item(tree, (video, film, part), stamp * unit_s, row, scores)
        else:
            tree.findings.add("defect", row.where, "no face was seen")


def _item(
    tree: Tree,
    place: tuple[str, str, str],
    start_s: float,
    row: Row,
    scores: list[float | None],
) -> Item:
    video, film, part = place
    named = dict(zip(_EXPRESSIONS, (score or 0.0 for score in scores), strict=True))
    strongest = max(named, key=named.__getitem__)
    return tree.item(
        "face",
        f"{part}/{video}/{round(start_s * 6)}",
        film,
        native=strongest,
        where=row.where,
        start_s=round(start_s, 6),
        end_s=round(start_s + _STEP_S, 6),
        votes=tree.votes(named, row.where),
        split=part,
        about={"dialogue": video, "evoked": True, "scores": named},
    )


def _film(tree: Tree, video: str) -> str:
    names = [f"videos/{video}{suffix}" for suffix in _SUFFIXES]
    path = tree.path(*names)
    if path is None:
        tree.findings.add("missing", names[0])
    return path or names[0]


def _lowered(row: Row) -> Row:
    cells: Mapping[str, str] = {name.lower(): cell for name, cell in row.cells.items()}
    return Row(cells, row.where)
