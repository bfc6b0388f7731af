"""CAER: television clips whose scene is evidence too."""

from __future__ import annotations

from collections.abc import Iterator

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.scenes import scene_items
from edge_emo.datasets.tree import Item, Tree


class Caer(Adapter):
    """Faces in context, as films."""

    name = "caer"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Yield one clip a film."""
        yield from scene_items(tree, ("train", "validation", "test"), ".avi")
