"""CAER-S: stills of CAER, with face boxes where a list is there."""

from __future__ import annotations

from collections.abc import Iterator

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.scenes import read_boxes, scene_items
from edge_emo.datasets.tree import Item, Tree


class CaerS(Adapter):
    """Faces in context, as stills."""

    name = "caer-s"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a still."""
        boxes = read_boxes(tree, ("train.txt", "test.txt", "train.csv", "test.csv"))
        yield from scene_items(tree, ("train", "test"), ".png", boxes)
