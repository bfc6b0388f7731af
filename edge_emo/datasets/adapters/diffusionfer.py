"""DiffusionFER: synthetic faces and ``labels.csv``."""

from __future__ import annotations

from collections.abc import Iterator

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tree import Item, Tree


class Diffusionfer(Adapter):
    """Synthetic faces with valence and arousal."""

    name = "diffusionfer"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a row; pictures without row are extra, rows without picture missing."""
        pictures = set(tree.files(suffixes=(".jpg", ".png")))
        needs = ("file", "valence", "arousal", "expression")
        for row in tree.rows(tree.need("labels.csv"), needs=needs):
            path = tree.path(row.cells["file"]) or row.cells["file"]
            if path not in pictures:
                tree.findings.add("missing", path, row.where)
                continue
            pictures.remove(path)
            yield tree.item(
                "face",
                path.rpartition(".")[0],
                path,
                native=row.cells["expression"],
                where=row.where,
                valence=tree.dimension(row.cells["valence"], row.where),
                arousal=tree.dimension(row.cells["arousal"], row.where),
            )
        for path in sorted(pictures):
            tree.findings.add("extra", path, "labels.csv has no row for it")
