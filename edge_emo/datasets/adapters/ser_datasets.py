"""SER-datasets: an index of other corpora; it has no clips of its own."""

from __future__ import annotations

from collections.abc import Iterator

from edge_emo.datasets.adapter import Adapter
from edge_emo.datasets.tree import Item, Tree
from edge_emo.errors import DatasetError


class SerDatasets(Adapter):
    """The index; :func:`edge_emo.datasets.index.read_index` reads it."""

    name = "ser-datasets"

    def items(self, tree: Tree) -> Iterator[Item]:
        """Refuse: there is no clip.

        Raises:
            DatasetError: Always.
        """
        yield from _refused(tree)


def _refused(tree: Tree) -> Iterator[Item]:
    raise DatasetError(
        f"{tree.root} is an index and has no clips",
        hint=f"edge-emo datasets list --index {tree.root}",
    )
