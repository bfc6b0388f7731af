"""CH-SIMS v2: ``meta.csv`` with one sentiment a modality, clips as films."""

from __future__ import annotations

from collections.abc import Iterator

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tables import Row
from edge_emo.datasets.tree import Item, Tree
from edge_emo.types import Modality

_NEEDS = ("video_id", "clip_id", "text", "label", "label_T", "label_A", "label_V", "mode")
_COLUMNS: tuple[tuple[Modality, str], ...] = (
    ("text", "label_T"),
    ("voice", "label_A"),
    ("face", "label_V"),
)


class ChSimsV2(Adapter):
    """Mandarin film clips with sentiment jointly and by modality."""

    name = "ch-sims-v2"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield text, sound and picture of every row."""
        table = tree.need("meta.csv", "meta(s).csv", "label.csv")
        for row in tree.rows(table, needs=_NEEDS):
            yield from _items(tree, row)


def _items(tree: Tree, row: Row) -> Iterator[Item]:
    cells = row.cells
    video, clip = cells["video_id"], cells["clip_id"]
    path = _film(tree, video, clip, row.where)
    joint = tree.dimension(cells["label"], row.where)
    for modality, column in _COLUMNS:
        if modality != "text" and path is None:
            continue
        yield tree.item(
            modality,
            f"{video}/{clip}/{modality}",
            None if modality == "text" else path,
            text=cells["text"],
            valence=tree.dimension(cells[column], row.where),
            split=cells["mode"].strip() or None,
            about={"dialogue": video, "turn": clip, "valence_joint": joint},
        )


def _film(tree: Tree, video: str, clip: str, where: str) -> str | None:
    name = f"Raw/{video}/{clip}.mp4"
    padded = f"Raw/{video}/{clip.zfill(4)}.mp4"
    if padded != name and tree.find(padded) and not tree.find(name):
        tree.findings.add("value", where, f"clip {clip!r} lost its leading zeros")
        name = padded
    return tree.held(name, where)
